"""The files of a small network, against those that snn_toolbox wrote, where it wrote them right."""

import numpy as np
import pytest

from snn_core.errors import SimulationError
from snn_core.recording.spike_trains import Events
from snn_core.testing import NetworkBuilder
from snn_megasim.files import write_netlist
from snn_megasim.files.parameters import format_parameters
from snn_megasim.files.schematic import format_schematic
from snn_megasim.files.stimulus import format_events
from snn_megasim.translate import Request, translate

HEADER = """.integers
n_in_ports {ports}
n_out_ports 1
delay_to_process 0
delay_to_ack 0
fifo_depth 0
n_repeat 1
delay_to_repeat 15
"""

CELL = """Xmin 0
Ymin 0
THplus 10000000
THplusInfo 1
THminus -2147483646
THminusInfo 0
Reset_to_reminder 1
MembReset 0
TLplus 0
TLminus 0
Tmin 0
T_Refract 0
"""

# Feature map 0: the correlation kernel is [[1, 2, 3], [4, 5, 6], [7, 8, 9]] / 8. A true convolution
# has it turned by half a turn, and the rows of the file go from the bottom to the top.
CONVOLUTION = (
    HEADER.format(ports=3)
    + "Nx_array 8\nNy_array 8\n"
    + CELL
    + """Nx_kernel 3
Ny_kernel 3
Dx -1
Dy -1
3750000 2500000 1250000
7500000 6250000 5000000
11250000 10000000 8750000
Nx_kernel 8
Ny_kernel 8
Dx 0
Dy 0
"""
    + 8 * (" ".join(8 * ["10000000"]) + "\n")
    + """Nx_kernel 1
Ny_kernel 1
Dx 0
Dy 0
0
crop_xmin 1
crop_xmax 6
crop_ymin 1
crop_ymax 6
xshift_pre -1
yshift_pre -1
x_subsmp 1
y_subsmp 1
xshift_pos 0
yshift_pos 0
rectify 0
.floats
"""
)

FLATTEN = HEADER.format(ports=2) + "Nx_array 3\nNy_array 3\nNx_array 3\nNy_array 3\n.floats\n"

DENSE = (
    HEADER.format(ports=3)
    + "population_size 3\nNy_array 1\n"
    + CELL
    + "Nx_array_pre 18\nNy_array_pre 1\n"
    + "{rows}"
    + """Nx_array_pre 1
Ny_array_pre 1
10000000 10000000 10000000
Nx_array_pre 1
Ny_array_pre 1
0 0 0
crop_xmin 0
crop_xmax 3
crop_ymin 0
crop_ymax 3
xshift_pre 0
yshift_pre 0
x_subsmp 1
y_subsmp 1
xshift_pos 0
yshift_pos 0
rectify 0
.floats
"""
)

# What the ancestor wrote, but for white space.
SCHEMATIC = """.netlist
source {InputLayer} InputLayer.stim
source {bias_clk} bias_clk.stim
source {reset_event} reset_event.stim
module_conv_NPP {InputLayer,bias_clk,reset_event}{0Conv2D_2x6x6_0} \
0Conv2D_2x6x6_0.prm 0Conv2D_2x6x6.stt
module_conv_NPP {InputLayer,bias_clk,reset_event}{0Conv2D_2x6x6_1} \
0Conv2D_2x6x6_1.prm 0Conv2D_2x6x6.stt
module_conv_NPP {0Conv2D_2x6x6_0,reset_event}{1AveragePooling2D_2x3x3_0} \
1AveragePooling2D_2x3x3_0.prm 1AveragePooling2D_2x3x3.stt
module_conv_NPP {0Conv2D_2x6x6_1,reset_event}{1AveragePooling2D_2x3x3_1} \
1AveragePooling2D_2x3x3_1.prm 1AveragePooling2D_2x3x3.stt
module_flatten {1AveragePooling2D_2x3x3_0,1AveragePooling2D_2x3x3_1}{2Flatten_18} \
2Flatten_18.prm 2Flatten_18.stt
module_fully_connected_NPP {2Flatten_18,bias_clk,reset_event}{3Dense_3} 3Dense_3.prm 3Dense_3.stt
.options
Tmax=2147483646
"""

WEIGHT_IO = (np.arange(54).reshape(18, 3) - 20) / 64


def builder():
    kernel_hwio = np.stack([np.arange(1, 10).reshape(3, 3), np.ones((3, 3))], axis=-1) / 8
    made = NetworkBuilder((8, 8, 1), name="InputLayer")
    return made.conv2d(kernel_hwio[:, :, None], bias_o=[1, 1], name="0Conv2D_2x6x6")


def network():
    made = builder().average_pooling((2, 2), name="1AveragePooling2D_2x3x3")
    made = made.flatten(name="2Flatten_18")
    # Rows of cells with channels last.
    return made.dense(WEIGHT_IO, bias_o=[1, 1, 1], name="3Dense_3").build()


def without_pooling():
    made = builder().flatten(name="2Flatten_72")
    return made.dense(np.ones((72, 3)) / 64, bias_o=[1, 1, 1], name="3Dense_3").build()


REQUEST = Request(num_steps=5, clocked=False, batched=True, scaling_factor=10_000_000)


@pytest.fixture(scope="module")
def translation():
    return translate(network(), REQUEST)


def prm(translation, name):
    return format_parameters(translation.netlist.modules[f"{name}.prm"])


def test_a_convolution_is_written_as_before_the_writer_was_broken(translation):
    assert prm(translation, "0Conv2D_2x6x6_0") == CONVOLUTION


def test_a_flattening_module_is_written_as_it_was(translation):
    assert prm(translation, "2Flatten_18") == FLATTEN


def test_a_dense_module_is_written_as_it_was(translation):
    # Rows are those of addresses: map after map, which is how flattening counts.
    cells = np.arange(18).reshape(3, 3, 2).transpose(2, 0, 1).reshape(-1)
    rows = "".join(
        " ".join(str(round(weight * 10_000_000)) for weight in row) + "\n"
        for row in WEIGHT_IO[cells]
    )
    assert prm(translation, "3Dense_3") == DENSE.format(rows=rows)


def test_states_are_written_as_they_were(translation, tmp_path):
    write_netlist(translation.netlist, tmp_path)
    names = ["0Conv2D_2x6x6", "1AveragePooling2D_2x3x3", "2Flatten_18", "3Dense_3"]
    for name in names:
        text = (tmp_path / f"{name}.stt").read_text()
        assert text == ".integers\ntime_busy_initial 0\n.floats\n"
    assert len(list(tmp_path.glob("*.stt"))) == len(names)


def lines_of(text):
    return [" ".join(line.split()) for line in text.split("\n") if line.strip()]


def test_the_schematic_differs_where_pools_are_prepared(translation):
    # The ancestor's pool had a neuron for each pixel, and sent their spikes with merged addresses.
    # Here only one neuron of each window may spike, and `initial` keeps the others from it.
    added = "source {initial} initial.stim"
    expected = lines_of(SCHEMATIC.replace("_0,reset", "_0,initial,reset").replace(
        "_1,reset", "_1,initial,reset"))  # fmt: skip
    found = lines_of(format_schematic(translation.netlist.schematic))
    assert [line for line in found if line != added] == expected


def test_a_pool_has_the_true_average_and_one_neuron_for_each_window(translation):
    # The ancestor wrote a kernel of one weight of 5000000, so that the rate was twice the average.
    module = translation.netlist.modules["1AveragePooling2D_2x3x3_0.prm"]
    assert module.ports[0].weights_rc.tolist() == [[2500000] * 2] * 2
    assert (module.ports[0].Dx, module.ports[0].Dy) == (-1, -1)
    initial_yx = module.ports[1].weights_rc[::-1]
    spikes = np.zeros((6, 6), bool)
    spikes[::2, ::2] = True
    assert ((initial_yx == 0) == spikes).all()
    assert (initial_yx[~spikes] < -100_000_000).all()
    text = format_parameters(module)
    # All else is what it was.
    assert "\n".join(text.split("\n")[:22]) + "\n" == (
        HEADER.format(ports=3) + "Nx_array 6\nNy_array 6\n" + CELL
    )
    assert text.split("crop_xmin")[1] == (
        " 0\ncrop_xmax 5\ncrop_ymin 0\ncrop_ymax 5\nxshift_pre 0\nyshift_pre 0\nx_subsmp 2\n"
        "y_subsmp 2\nxshift_pos 0\nyshift_pos 0\nrectify 0\n.floats\n"
    )


def test_stimuli_are_written_as_they_were():
    made = translate(without_pooling(), REQUEST)
    column = np.array
    spikes = Events(column([0, 0, 1]), column([0, 4, 0]), column([2, 9, 63]), None)
    stimuli = made.stimuli(spikes, num_samples=2)
    texts = {name: format_events(events) for name, events in stimuli.items()}
    assert texts["InputLayer.stim"] == "0 -1 -1 2 0 1\n4 -1 -1 1 1 1\n6 -1 -1 7 7 1\n"
    assert texts["bias_clk.stim"] == "".join(
        f"{t} -1 -1 0 0 1\n" for t in [*range(5), *range(6, 11)]
    )
    assert texts["reset_event.stim"] == "5 -1 -1 0 -2 -2\n11 -1 -1 0 -2 -2\n"
    assert set(texts) == {"InputLayer.stim", "bias_clk.stim", "reset_event.stim"}


def test_a_pool_shifts_times_by_the_unit_in_which_it_is_prepared(translation):
    none = Events(*[np.zeros(0, np.int32)] * 3)
    texts = {
        name: format_events(events)
        for name, events in translation.stimuli(none, num_samples=2).items()
    }
    assert texts["initial.stim"] == "0 -1 -1 0 0 1\n7 -1 -1 0 0 1\n"
    assert texts["bias_clk.stim"].split()[::6] == [str(t) for t in [*range(1, 6), *range(8, 13)]]
    assert texts["reset_event.stim"] == "6 -1 -1 0 -2 -2\n13 -1 -1 0 -2 -2\n"


def test_times_that_the_files_cannot_hold_are_refused():
    made = translate(without_pooling(), Request(num_steps=10**9, clocked=False))
    with pytest.raises(SimulationError, match=r"3 samples of 1000000000 steps take .* at most"):
        made.stimuli(None, num_samples=3)


def test_single_mode_has_no_resets_and_ends():
    made = translate(without_pooling(), Request(num_steps=5, clocked=False, batched=False))
    text = format_schematic(made.netlist.schematic)
    assert "reset_event" not in text
    assert "_NPP" not in text
    assert text.endswith(".options\nTmax=5\n")
