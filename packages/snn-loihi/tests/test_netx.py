"""A file for the chip holds the network: what is read back gives the emulator's spikes."""

import h5py
import numpy as np
import pytest

from snn_core.errors import ArtifactError, DataError
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT, samples, weights
from snn_loihi import SNN, LoihiOptions
from snn_loihi.netx import export, read

STEPS = 10
SETTINGS = Settings.of(
    {
        "simulation": {"duration": STEPS},
        "input": {"encoding": "regular"},
        "output": {"log_vars": ["spiketrains", "input"]},
    }
)


def convolved(image_hwc, layer, kernel_hwio, stored):
    """Correlate one image as the file says, cell by cell."""
    (pad_y, pad_x), (stride_y, stride_x) = stored["padding"], stored["stride"]
    dilate_y, dilate_x = stored["dilation"]
    groups = int(stored["groups"][()])
    padded = np.pad(image_hwc, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)))
    found = np.zeros(layer.shape, np.int64)
    inputs, outputs = kernel_hwio.shape[2:]
    for y, x in np.ndindex(*layer.shape[:2]):
        for i, j in np.ndindex(*kernel_hwio.shape[:2]):
            cells = padded[y * stride_y + i * dilate_y, x * stride_x + j * dilate_x]
            for group in range(groups):
                part = slice(group * outputs // groups, (group + 1) * outputs // groups)
                own = cells[group * inputs : (group + 1) * inputs].astype(np.int64)
                found[y, x, part] += own @ kernel_hwio[i, j, :, part]
    return found


def simulated(path, input_t_l, input_name):
    """Run a file as a chip would: one step of delay and more, neurons that fire above."""
    layers = read(path)
    with h5py.File(path) as file:
        parent = file["layer" if file.attrs["netx"] else "population"]
        stored = {
            group["name"][0].decode(): {
                key: np.array(group[key]) for key in group if key not in ("neuron", "synapses")
            }
            for group in parent.values()
        }
    total = STEPS + max(layer.first_step for layer in layers)
    sent = {layer.name: np.zeros((total, *layer.shape), np.int64) for layer in layers}
    sent[input_name] = np.zeros((total, *input_t_l.shape[1:]), np.int64)
    sent[input_name][:STEPS] = input_t_l
    v = {layer.name: layer.start.astype(np.int64) for layer in layers}
    for clock in range(total):
        for layer in layers:
            if not 0 <= clock - layer.first_step < STEPS:
                continue
            u = np.zeros(layer.shape, np.int64)
            about = stored[layer.name]
            if layer.kind == "conv":
                source = about["sources"][0].decode()
                arrived = sent[source][clock - int(about.get("delay", 1))]
                sums = convolved(arrived, layer, layer.kernel_hwio, about)
                u += (sums * 64 * 2.0 ** int(about["weightExp"])).astype(np.int64)
            for part in layer.synapses:
                arrived = sent[part.source][clock - part.delay].reshape(-1)
                weighted = arrived[part.pre] * part.weight * 64 * 2.0**part.exponent
                flat = np.bincount(part.post, weights=weighted, minlength=u.size)
                u += flat.reshape(u.shape).astype(np.int64)
            v[layer.name] = v[layer.name] + u + layer.bias * 2**layer.bias_exponent
            if len(layer.threshold_mantissa):
                threshold = layer.threshold_mantissa.astype(np.int64) * 64
                fired = v[layer.name] > threshold
                sent[layer.name][clock] = fired
                lowered = v[layer.name] - fired * threshold
                v[layer.name] = lowered if layer.reset == "soft" else v[layer.name] * ~fired
    return {n.name: sent[n.name][n.first_step : n.first_step + STEPS] for n in layers}, v


AS_NETX = {
    "connection_kwargs": {"weightExponent": 0},
    "compartment_kwargs": {"biasExp": 6},
}


def exported(network, path, *, settings=SETTINGS, **options):
    snn = SNN(network, settings, LoihiOptions(engine="emulator", **options))
    recording = snn.run_batch(samples(network, 1))
    return snn, recording, export(snn.chip, snn.timing, path)


def in_time():
    """Convolutions along one axis, with biases."""
    builder = NetworkBuilder((9, 2)).conv1d(
        weights((3, 2, 4), seed=30, scale=0.6), bias_o=weights((4,), seed=31, scale=0.2)
    )
    builder.conv1d(weights((2, 4, 3), seed=32, scale=0.6), strides=2)
    return builder.flatten().dense(weights((9, 4), seed=33, scale=0.6)).build()


@pytest.mark.parametrize("options", [{}, AS_NETX], ids=["chosen", "as NetX"])
@pytest.mark.parametrize("build", [*LAID_OUT.values(), in_time])
def test_a_file_gives_the_spikes_of_the_emulator(build, options, tmp_path):
    network = build()
    snn, recording, _ = exported(network, tmp_path / "net.h5", **options)
    input_t_l = np.moveaxis(recording.input_b_l_t[0], -1, 0).astype(np.int64)
    spikes, v = simulated(tmp_path / "net.h5", input_t_l, network.input.name)
    for layer, spikes_b_l_t in recording.spiketrains_n_b_l_t.items():
        if not options:
            assert spikes_b_l_t.any() or network.readout == "membrane"
        np.testing.assert_array_equal(np.moveaxis(spikes[layer], 0, -1), spikes_b_l_t[0])
    if network.readout == "membrane":
        item = snn.chip.populations[-1]
        expected = recording.output_b_l_t[0, :, -1] * item.threshold_c
        np.testing.assert_allclose(v[item.name], expected, rtol=1e-6)  # recorded as float32


# As NetX reads a file (lava-dl 0.6), which resets to 0, fires above the threshold, has no exponents
# but the 6 of biases, and passes on images with the width first.


def run_as_netx(path, spikes_t_l):
    """Return the spikes of each layer with neurons, images with the width first.

    Parameters
    ----------
    spikes_t_l
        Spikes of the input, images with the width first.
    """
    found = {}
    with h5py.File(path) as file:
        for number in range(len(file["layer"])):
            group = file[f"layer/{number}"]
            kind = group["type"][0].decode()
            if kind == "flatten":
                # By channels, then by rows.
                spikes_t_l = spikes_t_l.transpose(0, 3, 2, 1).reshape(len(spikes_t_l), -1)
            if kind in ("dense", "conv"):
                arriving = [(drive_dense if kind == "dense" else drive_conv)(group, part)
                            for part in spikes_t_l]  # fmt: skip
                spikes_t_l = fire(group, arriving)
                found[group["name"][0].decode()] = spikes_t_l
    return found


def drive_dense(group, spikes_i):
    weight_oi = np.array(group["weight"])
    assert weight_oi.min() >= -256
    assert weight_oi.max() <= 255
    return weight_oi @ spikes_i


def drive_conv(group, spikes_xyi):
    shape = tuple(group["shape"])[::-1]
    weight_oiyx = np.array(group["weight"])
    (step_y, step_x), (pad_y, pad_x) = group["stride"], group["padding"]
    (apart_y, apart_x), groups = group["dilation"], group["groups"][()]
    padded = np.pad(spikes_xyi, ((pad_x, pad_x), (pad_y, pad_y), (0, 0)))
    outputs, inputs, height, width = weight_oiyx.shape
    drive = np.zeros(shape, np.int64)
    for x, y, o in np.ndindex(shape):
        first = o // (outputs // groups) * inputs
        for j, k in np.ndindex(height, width):
            cells_i = padded[x * step_x + k * apart_x, y * step_y + j * apart_y]
            drive[x, y, o] += weight_oiyx[o, :, j, k] @ cells_i[first : first + inputs]
    return drive


def fire(group, arriving):
    neuron = group["neuron"]
    assert neuron["type"][0] == b"CUBA"
    assert neuron["vDecay"][()] == 0
    decay = neuron["iDecay"][()] - 1  # which NetX hands to a neuron that adds 1
    assert 4096 - (decay + 1) == 0
    v = np.zeros(arriving[0].shape, np.int64)
    spikes = []
    for drive in arriving:
        v = v + drive * 64 + np.array(group["bias"]) * 2**6
        fired = v > int(neuron["vThMant"][()]) * 2**6
        v[fired] = 0
        spikes.append(fired.astype(np.int64))
    return np.stack(spikes)


def deep():
    """Convolutions on an image that is not square, a full layer behind them, biases."""
    builder = NetworkBuilder((7, 6, 2)).conv2d(
        weights((3, 3, 2, 4), seed=6, scale=0.4), bias_o=np.array([0.1, -0.1, 0.2, 0])
    )
    builder.conv2d(
        weights((3, 2, 4, 4), seed=7, scale=0.4), strides=(2, 1), bias_o=weights((4,), seed=3)
    )
    builder.flatten().dense(weights((24, 5), seed=8, scale=0.6), bias_o=weights((5,), seed=4))
    return builder.dense(weights((5, 4), seed=9)).build()


def grouped():
    builder = NetworkBuilder((8, 7, 2)).conv2d(
        weights((3, 3, 1, 4), seed=9, scale=0.5), groups=2, dilation=(2, 1), padding="same"
    )
    builder.conv2d(weights((3, 1, 4, 2), seed=19, scale=0.5), padding="same")
    return builder.flatten().dense(weights((112, 4), seed=10, scale=0.3)).build()


def pooled():
    """A convolution behind layers that NetX takes for full ones."""
    builder = NetworkBuilder((6, 6, 2)).conv2d(weights((3, 3, 2, 4), seed=11, scale=0.4))
    builder.average_pooling((2, 2)).conv2d(weights((2, 1, 4, 3), seed=12, scale=0.9))
    return builder.flatten().dense(weights((6, 4), seed=13, scale=0.9)).build()


@pytest.mark.parametrize("build", [LAID_OUT["dense"], deep, grouped, pooled, in_time])
def test_a_file_gives_the_same_spikes_read_as_netx_does(build, tmp_path):
    network = build()
    _, recording, found = exported(network, tmp_path / "x.net", reset_mode="hard", **AS_NETX)
    assert found.netx
    assert not found.remarks
    input_t_l = np.moveaxis(recording.input_b_l_t[0], -1, 0).astype(np.int64)
    is_image = input_t_l.ndim == 4
    sent = input_t_l.swapaxes(1, 2) if is_image else input_t_l.reshape(len(input_t_l), -1)
    spikes = run_as_netx(tmp_path / "x.net", sent)
    assert len(spikes) == len(network.spiking_layers)
    for name, expected_b_l_t in recording.spiketrains_n_b_l_t.items():
        assert expected_b_l_t.any()
        spikes_t_l = spikes[name]
        if spikes_t_l.ndim == 4:
            spikes_t_l = spikes_t_l.swapaxes(1, 2)
        elif expected_b_l_t.ndim == 5:  # an image that NetX takes for a full layer
            height, width, channels = expected_b_l_t.shape[1:4]
            image = spikes_t_l.reshape(-1, channels, height, width)
            spikes_t_l = np.moveaxis(image, 1, -1)
        else:
            spikes_t_l = spikes_t_l.reshape(-1, *expected_b_l_t.shape[1:-1])
        np.testing.assert_array_equal(np.moveaxis(spikes_t_l, 0, -1), expected_b_l_t[0])


def test_layers_are_stored_as_netx_names_them(tmp_path):
    exported(LAID_OUT["strided"](), tmp_path / "x.net", **AS_NETX)
    with h5py.File(tmp_path / "x.net") as file:
        kinds = [file[f"layer/{n}/type"][0] for n in range(5)]
        assert kinds == [b"input", b"conv", b"conv", b"flatten", b"dense"]
        assert "neuron" not in file["layer/0"]
        assert tuple(file["layer/1/shape"]) == (4, 5, 4)  # channels, height, width
        assert file["layer/1/weight"].shape == (4, 2, 3, 3)
        assert tuple(file["layer/2/stride"]) == (2, 1)
        assert file["layer/1/neuron/vThMant"].shape == ()
        assert set(file["layer/1/neuron"]) == {"type", "iDecay", "vDecay", "vThMant", "refDelay"}


def test_currents_of_the_host_enter_neurons_of_the_first_layer(tmp_path):
    settings = SETTINGS.updated({"input": {"encoding": "constant"}})
    _, _, found = exported(LAID_OUT["dense"](), tmp_path / "x.net", settings=settings, **AS_NETX)
    assert found.netx
    assert any("the host has to write the weighted input" in remark for remark in found.remarks)
    with h5py.File(tmp_path / "x.net") as file:
        assert [file[f"layer/{n}/type"][0] for n in range(2)] == [b"input", b"dense"]
        assert "neuron" in file["layer/0"]
        assert "bias" not in file["layer/0"]
    first, second = read(tmp_path / "x.net")
    assert (first.host_current, second.host_current) == (True, False)


@pytest.mark.parametrize(
    ("name", "options", "remark"),
    [
        ("dense", {}, "its weights have the exponent"),
        ("channels", {"thresholds": "channel", **AS_NETX}, "one threshold per layer"),
        ("skip", AS_NETX, "NetX reads chains of layers"),
        ("branches", AS_NETX, "NetX reads chains of layers"),
    ],
)
def test_what_netx_has_no_words_for_lies_where_it_does_not_look(name, options, remark, tmp_path):
    _, _, found = exported(LAID_OUT[name](), tmp_path / "x.net", **options)
    assert not found.netx
    assert any(remark in line for line in found.remarks)
    with h5py.File(tmp_path / "x.net") as file:
        assert "layer" not in file
        assert list(file.attrs["remarks"]) == list(found.remarks)


@pytest.mark.parametrize(
    ("name", "options", "remark"),
    [
        ("dense", AS_NETX, "reset_mode = 'hard'"),
        ("membrane", AS_NETX, "membranes start at 0"),
        ("dense", {"connection_kwargs": {"weightExponent": 0}}, "biasExp = 6"),
    ],
)
def test_what_netx_computes_differently_is_remarked(name, options, remark, tmp_path):
    _, _, found = exported(LAID_OUT[name](), tmp_path / "x.net", **options)
    assert found.netx
    assert any(remark in line for line in found.remarks)


def test_neurons_that_would_fire_late_are_remarked(tmp_path):
    network = LAID_OUT["channels"]()  # which starts at half a threshold
    _, _, soft = exported(network, tmp_path / "soft.h5", reset_mode="soft")
    _, _, hard = exported(network, tmp_path / "hard.h5", reset_mode="hard")
    late = [line for line in hard.remarks if "fires later on a chip" in line]
    assert [line.partition(":")[0] for line in late] == [
        item.name for item in network.spiking_layers if (item.v_init % 1).any()
    ]
    assert not any("later" in line for line in soft.remarks)


def started(v_init):
    """Two layers of spiking neurons, which start at a share of their threshold, and an output."""
    builder = NetworkBuilder((6,))
    for seed in (40, 41):
        bias_o = weights((6,), seed=seed + 2, scale=0.3)
        builder.dense(weights((6, 6), seed=seed, scale=0.6), bias_o=bias_o, v_init=v_init)
    return builder.dense(weights((6, 3), seed=44, scale=0.6)).build(readout="membrane")


@pytest.mark.parametrize(
    ("options", "cause", "advice"),
    [
        (AS_NETX, "v_init", "convert with cell.v_init = 0"),
        (
            {"connection_kwargs": {"weightExponent": -1}, "compartment_kwargs": {"biasExp": 6}},
            "v_init",
            "convert with cell.v_init = 0",
        ),
        (
            {"compartment_kwargs": {"biasExp": 0}, "connection_kwargs": {"weightExponent": 0}},
            "biases and v_init",
            "set loihi.compartment_kwargs.biasExp = 6, and convert with cell.v_init = 0",
        ),
    ],
)
def test_what_makes_neurons_late_is_said_once(options, cause, advice, tmp_path):
    network = started(0.3)
    _, _, found = exported(network, tmp_path / "x.net", **{**options, "reset_mode": "hard"})
    (line,) = (line for line in found.remarks if "fires later on a chip" in line)
    names = ", ".join(item.name for item in network.spiking_layers[:-1])
    assert line == (
        f"{names}: potentials are no multiples of 64 because of {cause}, so a neuron that meets "
        f"its threshold exactly fires later on a chip; {advice}"
    )


def test_neurons_that_start_at_0_with_the_settings_of_netx_are_never_late(tmp_path):
    network = started(0.0)
    _, _, found = exported(network, tmp_path / "x.net", **{**AS_NETX, "reset_mode": "hard"})
    assert not any("later" in line for line in found.remarks)


def test_only_an_exported_network_is_replaced(tmp_path):
    path = tmp_path / "x.net"
    snn, _, _ = exported(LAID_OUT["dense"](), path)
    with pytest.raises(DataError, match="it is there already"):
        export(snn.chip, snn.timing, path)
    export(snn.chip, snn.timing, path, overwrite=True)
    path.write_bytes(b"something else")
    with pytest.raises(DataError):
        export(snn.chip, snn.timing, path, overwrite=True)


def test_foreign_and_newer_files_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(b"no file of this kind")
    with pytest.raises(ArtifactError, match="export it again"):
        read(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = 99
    with pytest.raises(ArtifactError, match="Update snn-loihi"):
        read(path)


def changed(path, change):
    """Export a network, change the file and read it."""
    exported(LAID_OUT["dense"](), path)
    with h5py.File(path, "r+") as file:
        parent = file["layer" if file.attrs["netx"] else "population"]
        group = next(parent[name] for name in sorted(parent, key=int) if "neuron" in parent[name])
        change(file, group)
    return read(path)


def put(name, value):
    def change(_, group):
        del group[name]
        group[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("cells", [10**12]),
        put("cells", [-3]),
        put("cells", [2**60] * 10**5),
        put("cells", np.zeros(0, int)),
        put("biasExp", 0.5),
        put("biasExp", [1, 2]),
        put("fires", "yes"),
        put("vStart", np.arange(1000)),
        put("bias", np.arange(1000)),
        put("neuron/vThMant", np.arange(1000)),
        put("weight", np.ones((1000, 3), np.int32)),
        put("name", np.array([b"\xff"])),
        put("name", 3),
        put("sources", np.array([b"elsewhere"])),
        lambda file, _: file.attrs.__setitem__("format", "two"),
        lambda file, _: file.attrs.__setitem__("format", [2, 2]),
        lambda file, group: group.parent.create_group("one"),
        lambda file, group: group.parent.__setitem__("5", 3),
        lambda file, group: group.create_group("synapses/0"),
        lambda file, group: group.__delitem__("neuron/vThMant"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change):
    with pytest.raises(ArtifactError, match=r"export it again|would take"):
        changed(tmp_path / "net.h5", change)


def test_no_other_file_is_read(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["start"] = np.arange(1000)
    layout = h5py.VirtualLayout((1000,), "i8")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "start", shape=(1000,))

    def link(_, group):
        del group["vStart"]
        group["vStart"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/start")

    def virtual(_, group):
        del group["vStart"]
        group.create_virtual_dataset("vStart", layout)

    with pytest.raises(ArtifactError, match="vStart"):
        changed(tmp_path / "a.h5", link)
    with pytest.raises(ArtifactError, match="lies in another file"):
        changed(tmp_path / "b.h5", virtual)


def test_a_path_that_no_file_can_have_is_refused():
    with pytest.raises(ArtifactError, match="too long for this system"):
        read("a" * 300)
