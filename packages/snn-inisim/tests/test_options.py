import pytest

from snn_core.errors import SettingsError
from snn_inisim import SNN, INIsimOptions
from snn_inisim.options import steps_per_chunk


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_steps": -1}, "chunk_steps is -1; expected a whole number of at least 0"),
        ({"chunk_steps": True}, "chunk_steps is True"),
        ({"chunk_bytes": 0}, "chunk_bytes is 0"),
        ({"jit": "yes"}, "jit is 'yes'; expected true or false"),
        ({"chunks": 3}, "Unknown simulator option 'chunks'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        SNN.parse_options(options)


@pytest.mark.parametrize(
    ("chunk_bytes", "expected"),
    [
        (4 * 10 * 50 * 1000, 100),  # the whole run fits
        (4 * 10 * 50 * 60, 50),  # at most 60 of 100 steps: 50 divides them
        (4 * 10 * 50 * 9, 5),
        (4 * 10 * 50 * 3, 2),
        (1, 1),
    ],
)
def test_chunks_fit_into_the_given_size_and_divide_the_run(chunk_bytes, expected):
    options = INIsimOptions(chunk_bytes=chunk_bytes)
    assert steps_per_chunk(options, num_steps=100, batch_size=10, largest_layer=50) == expected


def test_a_run_of_a_prime_number_of_steps_ends_with_a_shorter_chunk():
    options = INIsimOptions(chunk_bytes=4 * 20)
    assert steps_per_chunk(options, num_steps=97, batch_size=1, largest_layer=1) == 20


def test_the_number_of_steps_can_be_given():
    options = INIsimOptions(chunk_steps=7)
    assert steps_per_chunk(options, num_steps=100, batch_size=1, largest_layer=1) == 7
    assert steps_per_chunk(options, num_steps=5, batch_size=1, largest_layer=1) == 5
