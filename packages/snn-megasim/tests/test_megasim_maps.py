"""Maps of images behind layers that only move them."""

from __future__ import annotations

import numpy as np

from snn_core.testing.builder import NetworkBuilder
from snn_megasim.translate.outlets import Map, maps_of


def test_thousands_of_paddings_in_a_row_move_a_map() -> None:
    builder = NetworkBuilder((1, 1, 1)).conv2d(np.ones((1, 1, 1, 1)), name="first")
    for _ in range(1500):
        builder.zero_padding(((1, 0), (0, 0)))
    last = builder.last
    network = builder.flatten().dense(np.ones((1501, 1)), name="output").build()
    images = {"first": (Map(node="module"),)}
    assert maps_of(network, last, images) == (Map(node="module", dy=1500),)
    assert maps_of(network, "first", images) == images["first"]
    assert maps_of(network, last, {}) is None, "the population is no array"
    assert maps_of(network, "output", images) is None
