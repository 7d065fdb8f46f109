import numpy as np

from snn_core import convert
from snn_core.testing.builder import NetworkBuilder


def test_a_network_shows_itself_in_a_line_and_as_a_table():
    builder = NetworkBuilder((4, 4, 1)).flatten().dense(np.eye(16))
    network = builder.dense(np.ones((16, 3))).build()
    assert repr(network) == "<Network: 4×4×1 to 3, 2 layers with neurons, not converted>"
    x = np.linspace(0, 1, 64, dtype=np.float32).reshape(4, 4, 4, 1)
    converted = convert(network, x, timesteps=8, trial=False)
    assert repr(converted) == (
        "<Network: 4×4×1 to 3, 2 layers with neurons, temporal_mean_rate, 8 steps>"
    )
    page = converted._repr_html_()
    assert page.count("<tr>") == 1 + len(converted.layers)
    assert "<td>4×4×1</td>" in page
    assert "<td>272</td>" in page  # 16 * 16 weights and 16 biases; thresholds are not trained
    assert page.count("<li>") == len(converted.history)


def test_names_cannot_break_a_table():
    network = NetworkBuilder((2,)).dense(np.eye(2)).build()
    page = network.replace(note="<script>")._repr_html_()
    assert "<li>&lt;script&gt;</li>" in page
