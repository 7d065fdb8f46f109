"""Making of populations in integers, one layer after the other."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from snn_core.errors import UnsupportedError
from snn_core.ir import Network, Spiking
from snn_core.ir.projections import drive_bias, projections_of
from snn_core.ir.ways import populations_behind
from snn_core.settings import Settings
from snn_core.simulation.signal import input_unit
from snn_core.typing import Array
from snn_loihi.discretize import refusal
from snn_loihi.discretize.choice import Choice, limits_of, rounded, smaller
from snn_loihi.discretize.connection import Connection, connections_of
from snn_loihi.discretize.equalise import fold_thresholds, level_channels
from snn_loihi.discretize.overflow import Bounds, bounds_of, load_of
from snn_loihi.discretize.population import (
    SATURATING,
    ChipNetwork,
    Current,
    Population,
    round_bias,
)
from snn_loihi.discretize.report import Loss, channel_errors
from snn_loihi.options import LoihiOptions
from snn_loihi.ranges import BIAS_EXPONENTS, UNIT, weight_step

logger = logging.getLogger(__name__)


def discretize(
    network: Network, settings: Settings, options: LoihiOptions | None = None
) -> ChipNetwork:
    """Return a network in the chip's integers.

    Parameters
    ----------
    network
        A converted network.
    settings
        Length and input of a run, which bounds depend on.
    options
        Ranges and choices; defaults if not given.

    Raises
    ------
    UnsupportedError
        Lists every layer that does not fit, with the reason and the nearest setting that would.
    """
    options = options or LoihiOptions()
    is_fixed = options.arithmetic == "fixed"
    folded = network
    if is_fixed and options.thresholds == "layer":
        folded = level_channels(fold_thresholds(network))
    maker = _Maker(folded, settings, options)
    populations = [maker.population(layer) for layer in folded.spiking_layers]
    if maker.problems:
        raise UnsupportedError(maker.problems, what="This network does not fit into the integers")
    reset = {"soft": "soft", "hard": "hard"}.get(options.reset_mode)
    return ChipNetwork(
        network=folded,
        populations=tuple(populations),
        input_unit=maker.input_unit,
        reset=reset or ("soft" if settings.cell.reset == "subtraction" else "hard"),
        num_steps=settings.num_steps,
        input_max=maker.input_max,
    )


class _Maker:
    """Makes populations one after the other, and collects what does not fit."""

    def __init__(self, network: Network, settings: Settings, options: LoihiOptions) -> None:
        self.network, self.settings, self.options = network, settings, options
        self.problems: list[str] = []
        self.input_unit = input_unit(settings)
        self.input_max = float("inf")
        self._is_current = settings.input.encoding == "constant"
        self._dt = settings.simulation.dt
        self._spikes: dict[str, int] = {network.input.name: settings.num_steps}

    def population(self, layer: Spiking) -> Population:
        """Return the population of a layer, in integers if asked for."""
        exact = self._exact(layer)
        if self.options.arithmetic == "float":
            return exact
        return self._fixed(exact)

    def _exact(self, layer: Spiking) -> Population:
        """Return the population without rounding."""
        network, name = self.network, self.network.input.name
        names = populations_behind(network, layer)
        current, spiking = None, names
        if self._is_current and name in names:
            spiking = tuple(item for item in names if item != name)
            listed = None
            if spiking:
                found = projections_of(network, layer)
                listed = next(item.synapses for item in found if item.source == name)
            current = Current(network=network, layer=layer, dt=self._dt, synapses=listed)
        connections = connections_of(network, layer, names=spiking, input_unit=self.input_unit)
        fires = not (layer is network.output and network.readout == "membrane")
        bias_l = drive_bias(network, layer) * np.float32(self._dt)
        return Population(
            layer=layer,
            connections=connections,
            bias_l=bias_l,
            threshold_c=layer.threshold,
            start_c=layer.threshold * layer.v_init,
            scale_c=np.ones((), np.float64),
            fires=fires,
            current=current,
        )

    def _fixed(self, exact: Population) -> Population:
        """Return a population in integers, or the exact one after noting why there are none."""
        options, layer = self.options, exact.layer
        if not exact.fires and options.thresholds == "channel":
            options = options.model_copy(update={"thresholds": "layer"})
        channels = layer.output_shape[-1]
        theta_o = np.broadcast_to(exact.threshold_c, channels).astype(np.float64)
        bias_l, largest_o = self._constant(exact, theta_o)
        bounds = self._bounds(
            exact, exact.connections, bias_l, theta_o, exact.start_c, in_integers=False
        )
        limits = limits_of(
            bounds, threshold_o=theta_o, bias_o=largest_o, fires=exact.fires, options=options
        )
        choosing = refusal.Layer(
            connections=exact.connections, limits=limits, threshold_o=theta_o, options=options
        )
        choice = choosing.choose()
        problem = refusal.problem(choosing, choice, num_steps=self.settings.num_steps, dt=self._dt)
        if problem:
            self.problems.append(f"{layer.name}: {problem}")
            self._spikes[layer.name] = bounds.max_spikes
            return exact
        return self._settled(exact, choice, theta_o, bias_l, largest_o, options)

    def _settled(
        self,
        exact: Population,
        choice: Choice,
        theta_o: Array,
        bias_l: tuple[Array, Array],
        largest_o: Array,
        options: LoihiOptions,
    ) -> Population:
        """Return integers whose bounds hold after rounding, too."""
        while True:
            made = self._rounded(exact, choice, largest_o, options)
            scaled = (bias_l[0] * choice.scale_o, bias_l[1] * choice.scale_o)
            widened = (scaled[0] + 2.0**made.bias_exponent, scaled[1] - 2.0**made.bias_exponent)
            threshold_o = choice.mantissa_o * UNIT
            bounds = self._bounds(
                made, made.connections, widened, threshold_o, made.start_c, in_integers=True
            )
            if bounds.holds or not options.do_overflow_estimate or (choice.mantissa_o <= 1).all():
                break
            if options.compartment_kwargs.vThMant is not None:
                fits = int(float(choice.mantissa_o.max()) * bounds.headroom)
                self.problems.append(
                    f"{exact.name}: vThMant = {options.compartment_kwargs.vThMant} leaves the "
                    f"range of 24 bits once weights are rounded; at most {fits} fits"
                )
                break
            choice = smaller(choice, theta_o)
        self._spikes[exact.name] = bounds.max_spikes
        loss = self._loss(exact, made, choice, bounds)
        logger.info("%s: %s", exact.name, loss)
        return replace(made, bounds=bounds, loss=loss)

    def _constant(self, exact: Population, theta_o: Array) -> tuple[tuple[Array, Array], Array]:
        """Return largest and smallest constant input of each channel, and the largest magnitude."""
        flat = exact.bias_l.reshape(-1, exact.layer.output_shape[-1]).astype(np.float64)
        high_o, low_o = flat.max(axis=0), flat.min(axis=0)
        if exact.current is not None:
            if _saturates(exact):
                high_o, low_o = SATURATING * theta_o, -SATURATING * theta_o
            else:
                self.input_max = self.options.input_max
                reach_o = self._reach_of_input(exact) * self.options.input_max * self._dt
                high_o, low_o = high_o + reach_o, low_o - reach_o
        return (high_o, low_o), np.maximum(np.abs(high_o), np.abs(low_o))

    def _reach_of_input(self, exact: Population) -> Array:
        """Return the largest sum of magnitudes of weights from the input, per channel."""
        name, layer = self.network.input.name, exact.layer
        found = projections_of(self.network, layer)
        synapses = next(item.synapses for item in found if item.source == name)
        weight = np.abs(synapses.weight)
        each = np.bincount(synapses.post, weights=weight, minlength=synapses.shape[1])
        reach_o: Array = each.reshape(-1, layer.output_shape[-1]).max(axis=0)
        return reach_o

    def _bounds(
        self,
        population: Population,
        connections: tuple[Connection, ...],
        bias: tuple[Array, Array],
        threshold_o: Array,
        start_c: Array,
        *,
        in_integers: bool,
    ) -> Bounds:
        reaches = []
        for item in connections:
            factor = UNIT * 2.0**item.exponent if in_integers else 1.0
            high, low = (part * factor for part in item.reach_o())
            if self.network.input.name in item.sources:  # input spikes may be negative
                high = np.maximum(high, -low)
                low = -high
            number = max(self._spikes[name] for name in item.sources)
            reaches.append((high, low, number))
        load = load_of(reaches, bias_high_o=bias[0], bias_low_o=bias[1])
        return bounds_of(
            load,
            threshold_o=threshold_o,
            start_o=np.broadcast_to(start_c, threshold_o.shape).astype(np.float64),
            num_steps=self.settings.num_steps,
            fires=population.fires,
        )

    def _rounded(
        self, exact: Population, choice: Choice, largest_o: Array, options: LoihiOptions
    ) -> Population:
        bits = options.connection_kwargs.numWeightBits
        connections = tuple(
            rounded(item, choice, exponent, bits=bits)
            for item, exponent in zip(exact.connections, choice.exponents, strict=True)
        )
        scale_o = choice.scale_o
        held = (1 << options.connection_kwargs.numBiasBits) - 1
        exponent = options.compartment_kwargs.biasExp
        if exponent is None:
            needed = float((largest_o * scale_o).max(initial=0)) / held
            fitting = (e for e in range(BIAS_EXPONENTS[1] + 1) if (1 << e) >= needed)
            exponent = next(fitting, BIAS_EXPONENTS[1])
        limit = held * (1 << exponent)
        bias_l = np.clip(round_bias(exact.bias_l * scale_o, exponent=exponent), -limit, limit)
        return replace(
            exact,
            connections=connections,
            bias_l=bias_l.astype(np.float32),
            threshold_c=(choice.mantissa_o * UNIT).astype(np.float32),
            start_c=np.rint(exact.start_c * scale_o).astype(np.float32),
            scale_c=scale_o,
            bias_exponent=exponent,
            bias_limit=float(limit),
            saturates=_saturates(exact),
        )

    def _loss(self, exact: Population, made: Population, choice: Choice, bounds: Bounds) -> Loss:
        errors = [
            channel_errors(before, after, choice.scale_o)
            for before, after in zip(exact.connections, made.connections, strict=True)
        ]
        known = [error[np.isfinite(error)] for error in errors]
        known = [error for error in known if len(error)]
        bits = self.options.connection_kwargs.numWeightBits
        levels = [
            int(np.abs(item.weights).max(initial=0) // weight_step(bits, mixed=before.mixed))
            for before, item in zip(exact.connections, made.connections, strict=True)
        ]
        theta = np.broadcast_to(exact.threshold_c, exact.layer.output_shape[-1])
        shift = np.abs(made.bias_l / choice.scale_o - exact.bias_l) / theta
        bias_error = 0.0 if exact.current is not None else float(shift.max(initial=0))
        return Loss(
            weight_error=max((float(error.mean()) for error in known), default=0.0),
            worst_channel=max((float(error.max()) for error in known), default=0.0),
            bias_error=bias_error,
            levels=max(levels, default=0),
            threshold_mantissa=int(choice.mantissa_o.min()) if made.fires else 0,
            weight_exponents=choice.exponents,
            bias_exponent=made.bias_exponent,
            headroom=bounds.headroom,
            limited_by=choice.limited_by,
        )


def _saturates(exact: Population) -> bool:
    """Return whether currents may be cut off at `SATURATING` thresholds: see there."""
    only_current = exact.current is not None and not exact.connections
    return only_current and exact.fires and bool((exact.start_c >= 0).all())
