"""Importing NEST without what would disturb."""

from __future__ import annotations

from functools import cache

from snn_core.errors import SimulatorImportError
from snn_core.installing import how_to_install
from snn_core.simulation.synapses.tables import Tables
from snn_pynn.engine import Engine
from snn_pynn.plan import Plan
from snn_pynn.quiet import quietly
from snn_pynn.standard import StandardEngine


def import_nest() -> None:
    """Import PyNN's module of NEST.

    NEST's threads wait for each other several times in each step. Unless told otherwise when they
    are loaded, they do so without giving way: where processors have other work, two threads took
    ten times as long as one.

    NEST ignores OMP_NUM_THREADS, and says so on standard output, where results may go.

    PyNN tries to compile an extension for two stochastic synapses, which fails with NEST's wheel
    and leaves folders where the user works; it does not try if it does not find ``nest-config``.

    Raises
    ------
    SimulatorImportError
        If it cannot be imported.
    """
    try:
        with quietly(PYNEST_QUIET="1", OMP_WAIT_POLICY="passive", OMP_NUM_THREADS=None):
            import pyNN.core

            find = pyNN.core.find
            pyNN.core.find = lambda name: None
            try:
                import pyNN.nest
            finally:
                pyNN.core.find = find
    except Exception as error:
        # Libraries that do not fit fail in various ways.
        raise SimulatorImportError(
            f"NEST cannot be imported: {type(error).__name__}: {error}. "
            f"{how_to_install('snn-pynn', extra='nest')}"
        ) from error


@cache
def check_once() -> None:
    """Make sure, once, that NEST's neurons spike as they must."""
    from snn_pynn.nest.engine import check_neuron

    check_neuron()


def start(tables: Tables, plan: Plan) -> Engine:
    """Import NEST and build a network."""
    import_nest()
    check_once()
    from snn_pynn.nest.engine import STANDARD, NestEngine

    if not plan.options.is_exact:
        return StandardEngine(tables, plan, STANDARD)
    return NestEngine(tables, plan)
