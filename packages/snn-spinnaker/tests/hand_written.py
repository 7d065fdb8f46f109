"""The network `board_networks.dense` as one would write it for sPyNNaker, without this package.

python hand_written.py hand FOLDER       build, map and describe it
python hand_written.py package FOLDER    the same for what this package's script builds there
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyNN.spiNNaker as sim  # noqa: N813 - PyNN's own convention
from spynnaker.pyNN.data import SpynnakerDataView as View


def describe(population):
    vertex = population._vertex
    shifts = vertex.get_ring_buffer_shifts()
    parameters = ("v_thresh", "tau_m", "cm", "v_rest", "v_reset", "tau_refrac", "i_offset")
    return {
        "size": population.size,
        "shifts": [int(n) for n in shifts],
        "scales": [float(n) for n in vertex.get_weight_scales(shifts)],
        "parameters": {name: [float(n) for n in vertex.parameters[name]] for name in parameters},
        "state": {
            name: [float(n) for n in vertex.initial_state_variables[name]]
            for name in ("v", "refract_timer")
        },
    }


def connect(source, target, weight_io, unit):
    """Connect all pairs, excitatory and inhibitory apart."""
    for receptor, sign in (("excitatory", 1), ("inhibitory", -1)):
        pre, post = np.nonzero(sign * weight_io > 0)
        rows = np.column_stack([pre, post, unit * np.abs(weight_io[pre, post])])
        sim.Projection(
            source,
            target,
            sim.FromListConnector(rows, column_names=["weight"]),
            sim.StaticSynapse(delay=1.0),
            receptor_type=receptor,
        )


def largest(weight_io, unit):
    return [unit * float(np.maximum(s * weight_io, 0).sum(axis=0).max()) for s in (1, -1)]


def neurons(size, *, unit, tau_m, weight_io, bias_o, first_tick, label):
    cell = sim.IF_curr_delta(
        tau_m=tau_m,
        cm=1.0,
        v_rest=0.0,
        v_reset=0.0,
        tau_refrac=0.0,
        v_thresh=unit,
        i_offset=(unit * bias_o).tolist(),
    )
    made = sim.Population(
        size,
        cell,
        label=label,
        neurons_per_core=64,
        max_expected_summed_weight=largest(weight_io, unit),
    )
    made.initialize(v=0.0, refract_timer=first_tick)
    return made


def by_hand(folder):
    with np.load(folder / "weights.npz") as stored:
        first_io, second_io, bias_o = (stored[n].astype(float) for n in ("first", "second", "bias"))
    sim.setup(1.0, time_scale_factor=1)
    source = sim.Population(12, sim.SpikeSourceArray(spike_times=[]), label="input")
    given = {"unit": 2.0**-2, "tau_m": 32768.0}
    hidden = neurons(
        20, weight_io=first_io, bias_o=np.zeros(20), first_tick=1, label="hidden", **given
    )
    output = neurons(6, weight_io=second_io, bias_o=bias_o, first_tick=2, label="output", **given)
    connect(source, hidden, first_io, 2.0**-3)
    connect(hidden, output, second_io, 2.0**-3)
    return [hidden, output]


def by_package(folder):
    sys.path.insert(0, str(folder))
    import plain

    description, arrays = plain.load(folder)
    plain.set_up(description)
    populations, _ = plain.build(sim, description, arrays)
    return list(populations.values())[1:]


def main(how, folder):
    populations = by_hand(folder) if how == "hand" else by_package(folder)
    for population in populations:
        population.record("spikes")
    sim.run(14.0)
    found = {
        "populations": [describe(population) for population in populations],
        "cores": [
            [place.x, place.y, place.p, place.vertex.app_vertex.n_atoms]
            for place in View.iterate_placemements()
            if place.vertex.app_vertex is not None
        ],
        "entries": [table.number_of_entries for table in View.get_uncompressed().routing_tables],
    }
    (folder / f"{how}.json").write_text(json.dumps(found))
    sim.end()


main(sys.argv[1], Path(sys.argv[2]))
