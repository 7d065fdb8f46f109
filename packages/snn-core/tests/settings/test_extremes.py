"""Numbers that no setting is meant for: refused by name, or simulated without a warning."""

import math
import typing

import numpy as np
import pytest
from pydantic import Field

from snn_core import convert, run
from snn_core.data import Dataset
from snn_core.data.events import CellEvents
from snn_core.data.lazy import LazyItems
from snn_core.errors import SettingsError, SNNError
from snn_core.ir.timing import delay_in_steps
from snn_core.settings import Options, Section, Settings
from snn_core.testing import networks

VALUES = [
    1e300, 1e-300, -1e300, 10**30, math.nan, math.inf, 0, -0.0, -1,
    1e9, 1e-9, -1e-9, 10**9, 2**62, 1e40,
]  # fmt: skip
"""The largest and smallest that are taken are among them."""


def numbers_of(kind):
    """Return the types of numbers in an annotation, each in what holds it: a list, or keys."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in (int, float):
        return [lambda value: value]
    if origin is tuple:
        return [lambda value: (value,) * (1 if ... in arguments else len(arguments))]
    if origin is dict:
        return [lambda value: {"1": value}] if numbers_of(arguments[1]) else []
    return [wrap for part in arguments for wrap in numbers_of(part)]


def numeric(model, prefix=()):
    """Yield the path of each numeric setting, and how it holds a number."""
    for key, item in model.model_fields.items():
        kind = item.annotation
        if typing.get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section):
            yield from numeric(kind, (*prefix, key))
        elif key != "options":
            for wrap in numbers_of(kind)[:1]:
                yield (*prefix, key), wrap


SETTINGS = {".".join(path): (path, wrap) for path, wrap in numeric(Settings)}

MSE = {"normalization": {"method": "mse"}}
ONLINE = {"normalization": {"online_normalization": True}}
POISSON = {"input": {"encoding": "poisson"}, "simulation": {"dt": 0.5}}
EVENTS = {"input": {"encoding": "events"}}
AFTER = {
    "normalization.timesteps": MSE,
    "normalization.diff_to_max_rate": ONLINE,
    "normalization.diff_to_min_rate": ONLINE,
    "normalization.timestep_fraction": ONLINE,
    "conversion.num_bits": {"conversion": {"spike_code": "temporal_pattern"}},
    "conversion.window_steps": {"conversion": {"spike_code": "ttfs_exact", "readout": "membrane"}},
    "input.input_rate": POISSON,
    "input.num_poisson_events_per_sample": POISSON,
    "input.eventframe_width": EVENTS,
    "input.event_amplitude": EVENTS,
    "cell.v_init": {"cell": {"reset": "modulo"}},
    "simulation.dt": {"simulation": {"duration": 4}},
}
"""Settings under which others have an effect."""


def data():
    """Return two samples with the events that they are made of."""
    x_b_l = np.float32([[0.25, 1.0], [0.75, 0.5]])
    events = CellEvents(
        t_us_e=np.array([0, 900, 2500]),
        cell_e=np.array([0, 1, 1]),
        sign_e=np.ones(3, np.int8),
        shape=(2,),
    )
    return Dataset(
        x_b_l=x_b_l, labels_b=np.array([0, 1]), sample_ids=range(2), name="samples", sha256="",
        events_b=LazyItems(lambda _: events, range(2)),
    )  # fmt: skip


def nested(path, value):
    """Return settings with one value."""
    for key in reversed(path):
        value = {key: value}
    return value


def test_there_are_all_numeric_settings():
    assert len(SETTINGS) > 35
    assert {"cell.tau_refrac", "cell.clamp_indices", "input.datagen_kwargs.std"} <= set(SETTINGS)
    assert set(AFTER) <= set(SETTINGS)


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::snn_core.errors.SNNWarning")
@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("name", SETTINGS)
def test_an_extreme_number_is_refused_by_name_or_simulated(name, value):
    path, wrap = SETTINGS[name]
    message = name
    before = Settings.of({"simulation": {"duration": 4}}).updated(AFTER.get(name, {}))
    try:
        settings = before.updated(nested(path, wrap(value)))
        network = convert(networks.dense(2, 2), data(), settings=settings, check="off", trial=False)
        if network.settings_for().num_steps <= 10_000:  # others take what they take
            run(network, "reference", data=data())
    except SNNError as error:
        message = str(error)
    assert path[-1] in message


class ToyOptions(Options):
    """Options of a simulator without limits of their own."""

    number: float = Field(1.0)
    count: int = Field(1)
    numbers: tuple[float, ...] = Field(())


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, 10**30, math.nan, math.inf, 2e9, -1e-10])
def test_options_of_simulators_have_the_same_limits(value):
    for key, given in (("number", value), ("numbers", (1.0, value))):
        with pytest.raises(SettingsError, match=f"{key}.*: found"):
            ToyOptions(**{key: given})
    with pytest.raises(SettingsError, match="count: found"):
        ToyOptions(count=value)


@pytest.mark.parametrize("value", [0, -0.0, -1, 1e9, -1e9, 1e-9])
def test_numbers_within_the_limits_are_taken(value):
    assert ToyOptions(number=value).number == value
    assert ToyOptions(numbers=(value,)).numbers == (value,)


@pytest.mark.parametrize("delay", [1e9, 5e8 + 0.5])
def test_delays_of_more_steps_than_there_may_be_are_refused(delay):
    with pytest.raises(SettingsError, match=r"toy\.delay is .*; expected at most 1000000000 steps"):
        delay_in_steps(delay, 0.5, option="toy.delay")
    assert delay_in_steps(5e8, 0.5, option="toy.delay") == 10**9


@pytest.mark.parametrize(("duration", "dt"), [(0.25, 1), (1e-9, 1), (1, 2), (1e9, 0.5)])
def test_runs_of_no_step_or_too_many_are_refused(duration, dt):
    message = r"simulation\.duration / simulation\.dt = .* steps; expected 1 to 1000000000"
    with pytest.raises(SettingsError, match=message):
        Settings.of({"simulation": {"duration": duration, "dt": dt}})


@pytest.mark.parametrize("tau", [1e9, 5e8 + 0.5])
def test_refractory_times_of_more_steps_than_there_may_be_are_refused(tau):
    step = {"simulation": {"dt": 0.5}}
    message = r"cell\.tau_refrac / simulation\.dt = .* steps; expected at most 1000000000"
    with pytest.raises(SettingsError, match=message):
        Settings.of({"cell": {"tau_refrac": tau}, **step})
    Settings.of({"cell": {"tau_refrac": 5e8}, **step})
