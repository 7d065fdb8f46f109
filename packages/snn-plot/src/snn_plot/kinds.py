"""A kind of figure of a run: what it needs, and the functions that draw its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from matplotlib.figure import Figure

from snn_core.running.result import RunResult
from snn_plot.recorded import LayerView
from snn_plot.scene import PROBES, Scene, of_layers, probe_files
from snn_plot.style import name_subject

Maker: TypeAlias = Callable[[], Figure]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    makers
        Returns file name, without ending, to function that draws the figure.
    needs
        Recorded variables without which there is nothing to draw; ``network`` is the network,
        ``probes`` a folder of measurements.
    of
        What it is of, where it is not of every run.
    applies
        Whether it is of a run.
    """

    makers: Callable[[Scene], Mapping[str, Maker]]
    needs: tuple[str, ...] = ()
    of: str = "runs"
    applies: Callable[[RunResult], bool] = lambda result: True

    def missing(self, scene: Scene) -> list[str]:
        """Return which needs are not met."""
        available = set(scene.run.recorded)
        if scene.network is not None:
            available.add("network")
        if probe_files(scene.run):
            available.add(PROBES)
        return [need for need in self.needs if need not in available]


def named(scene: Scene, draw: Maker, *, of_sample: bool) -> Maker:
    """Return what draws a figure that names the run, and the sample if it is of one."""

    def make() -> Figure:
        figure = draw()
        name_subject(figure, scene.subject(of_sample=of_sample))
        return figure

    return make


def single(
    name: str, draw: Callable[[Scene], Figure], *, has: str = "", hidden: bool = False,
    of_sample: bool = False,
) -> Callable[[Scene], Mapping[str, Maker]]:  # fmt: skip
    """Return what makes a figure of the whole run, or of all layers that have an attribute.

    There is none if no layer has it, as the rates of a network without hidden layers.
    """

    def makers(scene: Scene) -> Mapping[str, Maker]:
        if has and not of_layers(scene.run, has, hidden=hidden):
            return {}
        return {name: named(scene, partial(draw, scene), of_sample=of_sample)}

    return makers


def per_layer(
    name: str, draw: Callable[[Scene, LayerView], Figure], *, has: str, of_sample: bool = False,
    rates_only: bool = False,
) -> Callable[[Scene], Mapping[str, Maker]]:  # fmt: skip
    """Return the makers of one figure of each layer of which ``has`` was recorded.

    An output that is read by its potential can be left out, since it has no rates.
    """
    return lambda scene: {
        f"{name}/{layer.name}": named(scene, partial(draw, scene, layer), of_sample=of_sample)
        for layer in scene.run.layers
        if getattr(layer, has) is not None and (layer.fires or not rates_only)
    }
