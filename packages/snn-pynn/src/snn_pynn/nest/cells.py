"""Integrate-and-fire neurons without leak for NEST, and synapses that keep weights as they are.

This file needs PyNN and NEST only, so that saved networks can bring it along.

NEST's ``eprop_iaf`` subtracts the threshold as a spike does here, and ``iaf_psc_delta`` resets to
zero. Both have delta synapses. With a time constant this long their propagator is exactly 1, and
sums are those of the reference in the same order; constant currents then do nothing, so that
whatever a neuron receives in every step has to come as spikes.
"""

import nest
import pyNN.nest as sim
from pyNN.standardmodels import build_translations

MODELS = {"subtraction": "eprop_iaf", "zero": "iaf_psc_delta"}
"""Reset to NEST's model."""

WITHOUT_LEAK = 1e300
"""Time constant in ms. At 1e15 potentials that equal the threshold spike a step late."""

PARAMETERS = {"C_m": 1.0, "E_L": 0.0, "V_th": 1.0, "t_ref": 0.0, "tau_m": WITHOUT_LEAK}


def integrate_and_fire(reset: str) -> type:
    """Return a cell type with parameter ``V_th`` and initial value ``V_m``, in mV.

    Parameters
    ----------
    reset
        ``"subtraction"`` or ``"zero"``.
    """
    model = MODELS[reset]
    parameters = dict(PARAMETERS)
    if reset == "zero":
        parameters["V_reset"] = 0.0
    # `sim.native_cell_type` would pass arrays and texts of `eprop_iaf` on, which PyNN cannot.
    return type(
        model,
        (sim.NativeCellType,),
        {
            "nest_model": model,
            "nest_name": {"on_grid": model, "off_grid": model},
            "default_parameters": parameters,
            "default_initial_values": {"V_m": 0.0},
            "receptor_types": ["excitatory", "inhibitory"],
            "standard_receptor_type": True,
            "conductance_based": False,
            "always_local": False,
            "uses_parrot": False,
            "injectable": True,
            "recordable": ["V_m", "spikes"],
            "units": {"V_m": "mV", "spikes": "ms"},
        },
    )


class PlainSynapse(sim.StaticSynapse):
    """A synapse whose weight is taken as it is.

    PyNN's own multiplies by 1000, which is not exact for all numbers.
    """

    translations = build_translations(("weight", "weight"), ("delay", "delay"))


class IF_curr_delta(sim.IF_curr_delta):  # noqa: N801 - PyNN's name
    """PyNN's cell, told NEST's name of the potential.

    Without it, initial potentials are ignored, those of NEST apply, and none can be recorded.
    """

    variable_map = {"v": "V_m"}  # noqa: RUF012 - PyNN's way
    scale_factors = {"v": 1.0}  # noqa: RUF012 - PyNN's way


def set_up(
    dt_ms: float, *, longest_delay_ms: float, threads: int = 1, flush_ms: float = -1.0
) -> None:
    """Begin a network with steps of ``dt_ms``, in which sources may spike at any step.

    Parameters
    ----------
    flush_ms
        For how long ``sim.reset`` lets NEST run, so that spikes on their way arrive.
    """
    sim.setup(
        timestep=dt_ms,
        min_delay=dt_ms,
        # NEST's own default delay of 1 ms has to lie in between.
        max_delay=max(longest_delay_ms, dt_ms, 1.0),
        # Spikes between the steps need models that this network does not use.
        spike_precision="on_grid",
        threads=threads,
        verbosity="error",
        t_flush=flush_ms,
    )
    # Times that are no multiples of the step in binary, such as 0.3, belong to the nearest step.
    nest.SetDefaults("spike_generator", {"precise_times": False, "allow_offgrid_times": True})
