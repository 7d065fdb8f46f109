"""Short texts and HTML tables of objects, as Python shells and notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snn_core.ir.network import Network
    from snn_core.typing import Shape


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str) -> str:
    """Return a table as HTML, with its title above; all texts are escaped."""

    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<p>{escape(title)}</p><table>{line(header, 'th')}{body}</table>"


def format_shape(shape: Shape) -> str:
    """Return a shape such as ``28×28×1``."""
    return "×".join(map(str, shape)) or "1"


def describe_network(network: Network) -> str:
    """Return what a network is, in one line."""
    shapes = " to ".join(
        format_shape(layer.output_shape) for layer in (network.input, network.output)
    )
    found = f"Network: {shapes}, {len(network.spiking_layers)} layers with neurons"
    if network.settings is None:
        return f"{found}, not converted"
    code, steps = network.settings.conversion.spike_code, network.settings.num_steps
    return f"{found}, {code}, {steps} steps"


def network_html(network: Network) -> str:
    """Return the layers of a network as an HTML table, and its history as a list."""
    rows = [
        (
            layer.name,
            layer.kind,
            format_shape(layer.output_shape),
            ", ".join(layer.inputs),
            str(layer.num_parameters),
        )
        for layer in network.layers
    ]
    header = ("layer", "kind", "shape", "reads from", "parameters")
    history = "".join(f"<li>{escape(line)}</li>" for line in network.history)
    table = html_table(header, rows, title=describe_network(network))
    return f"{table}<ul>{history}</ul>" if history else table
