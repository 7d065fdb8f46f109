"""Simulating a converted network on a few samples, to tell what it will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from snn_core.codes import code_of
from snn_core.conversion.trial.causes import Evidence, find_causes
from snn_core.conversion.trial.layers import LayerFit, fit_layers
from snn_core.conversion.trial.outcome import (
    OUTPUT_LIMIT,
    Outcome,
    Result,
    Samples,
    decide_analog,
    in_words,
    truth_in_words,
)
from snn_core.conversion.trial.simulate import simulate
from snn_core.data import Dataset
from snn_core.data.loading import Data, as_dataset
from snn_core.errors import SNNError, SNNWarning, warn
from snn_core.evaluation.forward import predict
from snn_core.ir import Network, Weighted
from snn_core.ir.shapes import count
from snn_core.phases import phase
from snn_core.settings import Settings
from snn_core.simulation.tasks import Binary, Classification, Task, check_labels
from snn_core.typing import Array

SAMPLES = 20
"""Samples of a trial, unless a network is so large that fewer have to do."""
MORE_SAMPLES = 100
"""Samples of a trial whose first samples leave open whether the network is what was wanted."""
BUDGET = 1e10
"""Multiplications of a trial: some seconds. Counted rather than timed, so that the same conversion
gives the same result everywhere."""
MOST = 4e10
"""Multiplications for one sample beyond which a trial is left out."""
LABELLED = 200
"""Samples, at most, that tell whether the analog network knows its classes."""
FEW_LABELLED = 50
"""Samples that are needed to tell knowing from guessing."""


class TrialWarning(SNNWarning):
    """A converted network does not do in spikes what the analog network does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial(Result):
    """What a converted network did in a short simulation.

    Parameters
    ----------
    reason
        Why nothing was simulated; empty if something was.
    timesteps
        Simulated steps.
    output_error
        Mean difference from the analog outputs, as a share of their mean size; ``None`` where they
        cannot be compared.
    layers
        How well the spikes of each layer stand for its activations.
    warnings
        What is wrong, with the likely reasons; a sentence each.
    """

    reason: str = ""
    timesteps: int = 0
    output_error: float | None = None
    layers: tuple[LayerFit, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether anything was simulated."""
        return not self.reason

    def warn(self) -> None:
        """Warn of what is wrong, if anything is.

        Warns
        -----
        TrialWarning
            For each of the sentences in ``warnings``.
        """
        for line in self.warnings:
            warn(line, TrialWarning)

    def __str__(self) -> str:
        """Return the result in one line."""
        if not self.simulated:
            return f"not tried out: {self.reason}"
        parts = [part for part in (in_words(self, self.output_error), truth_in_words(self)) if part]
        samples = count_of(self.samples, "calibration sample")
        steps = count_of(self.timesteps, "step")
        return f"spiking network on {samples}, {steps}: {'; '.join(parts)}"


def count_of(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@phase("trying it out")
def try_out(network: Network, data: Data, *, source: Network | None = None) -> Trial:
    """Simulate a converted network on a few samples, and look for the reasons if it fails.

    The reference simulator runs it with the settings of its conversion. Large networks get fewer
    samples, and very large ones none.

    Parameters
    ----------
    data
        Samples, with labels where they are known; evenly spaced ones are used.
    source
        The analog network to compare with; by default the one that the converted network stands
        for.
    """
    settings, source = network.settings_for(), source or network
    dataset = as_dataset(
        data,
        part="calibration",
        settings=settings.input,
        input_shape=network.input.output_shape,
    )
    dataset = dataset.fit_to(input_shape=network.input.output_shape)
    task = check_labels(network, dataset, settings)
    reason = _find_obstacle(network, settings, has_events=dataset.events_b is not None)
    if reason:
        return Trial(reason=reason)
    pick = partial(_pick, network, source, dataset, task)
    try:
        samples = pick(samples_within_budget(network, settings))
        outcome = simulate(network, settings, samples)
        more = min(len(dataset), samples_within_budget(network, settings, most=MORE_SAMPLES))
        if not (outcome.is_good or outcome.is_bad) and more > len(samples):
            samples = pick(more)
            outcome = simulate(network, settings, samples)
    except SNNError as error:
        return Trial(reason=" ".join(str(error).split()))
    warnings = _warn_of_guessing(network, source, dataset, task) if samples.task else []
    return _judge(network, samples, outcome, warnings)


def _pick(network: Network, source: Network, dataset: Dataset, task: Task, number: int) -> Samples:
    """Return some evenly spaced samples, with what the analog network makes of them."""
    picked = _spread(len(dataset), number)
    x_b_l = network.input_data.as_floats(dataset.x_b_l[picked])
    is_read = not task.problems(network, network.settings_for())
    is_image = isinstance(task, Classification) and not _are_classes(network)
    truth = task.truth(dataset, network) if is_read and not is_image else None
    return Samples(
        x_b_l=x_b_l,
        analog_b_c=_analog_outputs(source, x_b_l),
        task=task if is_read and not is_image else None,
        truth=None if truth is None else truth[picked],
        events_b=None if dataset.events_b is None else dataset.events_b[picked],
    )


def _analog_outputs(network: Network, x_b_l: Array) -> Array:
    """Return the outputs of an analog network in the units of the source, flattened."""
    outputs_b_c: Array = predict(network, x_b_l).reshape(len(x_b_l), -1)
    return outputs_b_c


def samples_within_budget(network: Network, settings: Settings, *, most: int = SAMPLES) -> int:
    """Return how many samples a trial has time for; 0 if it has none for a single one."""
    each = multiplications(network, settings)
    return 0 if each > MOST else int(max(1, min(most, BUDGET // each)))


def multiplications(network: Network, settings: Settings) -> int:
    """Return the multiplications that simulating a sample takes, all steps together."""
    # Where the code fixes the steps, one pass through the layers finds all spikes.
    steps = settings.num_steps if code_of(settings).steps_setting is None else 1
    return _per_step(network) * steps


def _per_step(network: Network) -> int:
    """Return the multiplications of all weighted layers."""
    weighted = [layer for layer in network if isinstance(layer, Weighted)]
    return max(1, sum(la.weight.size * count(la.output_shape[:-1]) for la in weighted))


def _are_classes(network: Network) -> bool:
    """Return whether the outputs are scores of classes: several, and in one place."""
    shape = network.output.output_shape
    return count(shape) == shape[-1] > 1


def _spread(length: int, number: int) -> Array:
    """Return the positions of some evenly spaced samples."""
    return np.linspace(0, length - 1, min(length, number)).astype(np.int64)


def _find_obstacle(network: Network, settings: Settings, *, has_events: bool) -> str:
    """Return why there can be no trial."""
    if not samples_within_budget(network, settings):
        each = multiplications(network, settings)
        return f"a sample takes {each / 1e9:.0f} billion multiplications, which would take long"
    if settings.input.encoding == "events" and not has_events:
        return "input.encoding = 'events' needs recordings"
    if settings.simulation.reset_between_nth_sample != 1:
        return "samples follow each other (simulation.reset_between_nth_sample)"
    return ""


def _judge(network: Network, samples: Samples, outcome: Outcome, warnings: Sequence[str]) -> Trial:
    """Return what a simulation shows, with a warning more where that is not what was wanted."""
    trial = Trial(
        **asdict(outcome.result),
        timesteps=outcome.settings.num_steps,
        output_error=outcome.output_error,
        layers=fit_layers(network, outcome.settings, samples.x_b_l, outcome.recording),
    )
    if outcome.is_bad:
        evidence = Evidence(
            network=network,
            settings=network.settings_for(),
            outcome=outcome,
            layers=trial.layers,
            analog_b_c=samples.analog_b_c,
            changed=_describe_change(network, samples),
            retry=partial(_retry, network, samples),
        )
        warnings = [*warnings, _describe_difference(trial, find_causes(evidence))]
    return replace(trial, warnings=tuple(warnings))


def _warn_of_guessing(network: Network, source: Network, dataset: Dataset, task: Task) -> list[str]:
    """Warn if the analog network itself does not know the samples."""
    truth_b = task.truth(dataset, network)
    if truth_b is None or not isinstance(task, (Classification, Binary)):
        return []
    picked = _spread(len(dataset), int(min(LABELLED, BUDGET // _per_step(network))))
    x_b_l = network.input_data.as_floats(dataset.x_b_l[picked])
    scores_b_c = _analog_outputs(source, x_b_l)
    number, classes = len(scores_b_c), max(scores_b_c.shape[1], 2)
    decided_b = np.asarray(decide_analog(task, network, scores_b_c)).reshape(number)
    right = int((decided_b == truth_b[picked]).sum())
    # Two standard deviations above what guessing reaches.
    by_chance = number / classes + 2 * np.sqrt(number * (classes - 1)) / classes
    if number < FEW_LABELLED or right > by_chance:
        return []
    line = (
        f"The analog network itself is right on {right} of {number} calibration samples only, "
        f"hardly more than by guessing. Their values range from {x_b_l.min():g} to "
        f"{x_b_l.max():g}: check that data are scaled and prepared as for training, and the order "
        f"of the labels."
    )
    return [line]


def _describe_difference(trial: Trial, causes: list[str]) -> str:
    """Return a warning with the likely reasons."""
    found = in_words(trial, trial.output_error)
    if trial.agreeing is None:
        found += f" on {count_of(trial.samples, 'sample')}"
        if trial.mse is not None:
            found += f"; {truth_in_words(trial)}"
    text = f"The spiking network does not do what the analog network does: {found}."
    if not causes:
        return text
    title = "Likely reason" if len(causes) == 1 else "Likely reasons"
    return f"{text} {title}: {'. Also: '.join(causes)}."


def _describe_change(network: Network, samples: Samples) -> str:
    """Return how a converted network differs from its source without any spikes; empty if not."""
    converted_b_c, analog_b_c = _analog_outputs(network, samples.x_b_l), samples.analog_b_c
    converted = decide_analog(samples.task, network, converted_b_c)
    if converted is not None:
        analog = decide_analog(samples.task, network, analog_b_c)
        changed = int((converted != analog).sum())
        return f"changes {changed} of the decisions" if changed else ""
    size = float(np.abs(analog_b_c).mean()) or 1.0
    error = float(np.abs(converted_b_c - analog_b_c).mean()) / size
    return f"puts outputs {error:.1%} off" if error > OUTPUT_LIMIT else ""


def _retry(network: Network, samples: Samples, settings: Settings) -> Outcome | None:
    """Simulate some of the samples with other settings of the run, unless that takes too long."""
    number = min(len(samples), SAMPLES)
    if number > samples_within_budget(network, settings):
        return None
    try:
        some = samples.at(_spread(len(samples), number))
        return simulate(network.replace(settings=settings), settings, some)
    except SNNError:
        return None
