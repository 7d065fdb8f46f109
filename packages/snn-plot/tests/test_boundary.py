"""The public functions: what they are called with by mistake is answered in words."""

import inspect
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import snn_plot
from snn_core.errors import DataError, SNNError
from snn_plot.report import report_html

MISTAKES = {
    "nothing": None,
    "a number": 5,
    "words": "words",
    "a list": [],
    "a dictionary": {},
    "an object": object(),
    "no values": np.zeros(0),
    "texts": np.array(["a", "b"]),
    "a path": Path("nowhere.npz"),
}
FUNCTIONS = [name for name in snn_plot.__all__ if inspect.isfunction(getattr(snn_plot, name))]


@pytest.mark.filterwarnings("ignore::Warning")  # of NumPy and matplotlib, about such values
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mistake_is_an_error_of_this_family(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function = getattr(snn_plot, name)
    needed = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
    ]
    drawn = 0
    for value in MISTAKES.values():
        with suppress(SNNError):
            function(**{parameter.name: value for parameter in needed})
            drawn += 1
    assert drawn < len(MISTAKES)  # some of these values a function may well draw


def test_the_message_tells_what_was_found_and_expected():
    with pytest.raises(DataError) as caught:
        snn_plot.plot_error_vs_time("error", k=3)
    message = str(caught.value)
    assert message.startswith("plot_error_vs_time cannot use what it was given (")
    assert "  - top1err_b_t: found str 'error'; expected " in message
    with pytest.raises(DataError, match=r"Expected the arguments \(top1err_b_t"):
        snn_plot.plot_error_vs_time(nothing=3)


def test_a_function_keeps_its_name_signature_and_help():
    assert snn_plot.report_html.__name__ == "report_html"
    assert inspect.signature(snn_plot.report_html) == inspect.signature(report_html)
    assert snn_plot.report_html.__doc__ == report_html.__doc__


def test_a_report_may_be_made_of_a_folder(run_dir):
    assert snn_plot.report_html(run_dir) == snn_plot.report_html(snn_plot.view(run_dir))
