from dataclasses import replace

import numpy as np
import pytest

from snn_core.errors import ParseError
from snn_core.ir import Network, ReLU
from snn_core.ir.validation import require_valid
from snn_core.testing.builder import NetworkBuilder


def network(scale_facs=None, **fields):
    """Return two cells of the fields that are given."""
    built = NetworkBuilder((2,)).dense(np.eye(2), activation=ReLU(), name="c").build()
    changed = replace(built.layers[1], **fields)
    return Network(layers=(built.layers[0], changed), scale_facs=scale_facs or {})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("threshold", (0,)),
        ("threshold", (1, 2)),
        ("threshold", (3,)),
        ("v_init", (3,)),
        ("v_init", (1, 2)),
        ("bias_o", (1,)),
        ("bias_o", (3,)),
        ("scale_facs", (0,)),
        ("scale_facs", (2, 2)),
    ],
)
def test_arrays_that_only_numpy_would_spread_over_a_layer_are_refused(name, shape):
    values = np.ones(shape, np.float32)
    with pytest.raises(ParseError, match=f"Layer 'c': found {name} = an array of shape"):
        require_valid(network({"c": values}) if name == "scale_facs" else network(**{name: values}))


@pytest.mark.parametrize("name", ["threshold", "v_init", "scale_facs"])
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_one_value_or_one_for_each_channel_is_valid(name, shape):
    values = np.ones(shape, np.float32)
    require_valid(network({"c": values}) if name == "scale_facs" else network(**{name: values}))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bias_o": np.zeros((1, 2), np.float32)}, r"expected a float32 array \(o\)"),
        ({"threshold": 1.0}, r"expected a float32 array \(\*c\)"),
        ({"v_init": None}, r"expected a float32 array \(\*c\)"),
        ({"weight_io": np.eye(2, dtype=np.float32)[0]}, r"expected a float32 array \(i o\)"),
        ({"output_shape": (2.0,)}, "expected a whole number"),
        ({"activation": "relu"}, "expected an activation"),
        ({"activation": ReLU(max_value=(1.0, 2.0, 3.0))}, "one for each of 2 channels"),
    ],
)
def test_fields_of_another_type_than_declared_are_refused(fields, expected):
    with pytest.raises(ParseError, match=rf"Layer 'c': found .*{expected}"):
        require_valid(network(**fields))
