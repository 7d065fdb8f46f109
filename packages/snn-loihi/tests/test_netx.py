"""A file for the chip holds the network: what is read back gives the emulator's spikes."""

import h5py
import numpy as np
import pytest
from chip_networks import TEN, samples

from snn_core.errors import ArtifactError
from snn_core.settings import Settings
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
    (pad_x, pad_y), (stride_x, stride_y) = stored["padding"], stored["stride"]
    dilate_x, dilate_y = stored["dilation"]
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
        groups = {layer.name: file[f"layer/{n}"] for n, layer in enumerate(layers, start=1)}
        stored = {
            name: {key: np.array(group[key]) for key in group if key not in ("neuron", "synapses")}
            for name, group in groups.items()
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
                arrived = sent[source][clock - int(about["delay"])]
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
                v[layer.name] = v[layer.name] - fired * threshold
    return {n.name: sent[n.name][n.first_step : n.first_step + STEPS] for n in layers}, v


@pytest.mark.parametrize("name", TEN)
def test_a_file_gives_the_spikes_of_the_emulator(name, tmp_path):
    network = TEN[name]()
    snn = SNN(network, SETTINGS, LoihiOptions(engine="emulator"))
    recording = snn.run_batch(samples(network, 1))
    export(snn.chip, snn.timing, tmp_path / "net.h5")
    input_t_l = np.moveaxis(recording.input_b_l_t[0], -1, 0).astype(np.int64)
    spikes, v = simulated(tmp_path / "net.h5", input_t_l, network.input.name)
    for layer, spikes_b_l_t in recording.spiketrains_n_b_l_t.items():
        assert spikes_b_l_t.any() or network.readout == "membrane"
        np.testing.assert_array_equal(np.moveaxis(spikes[layer], 0, -1), spikes_b_l_t[0])
    if network.readout == "membrane":
        item = snn.chip.populations[-1]
        expected = recording.output_b_l_t[0, :, -1] * item.threshold_c
        np.testing.assert_allclose(v[item.name], expected, rtol=1e-6)  # recorded as float32


def test_convolutions_are_stored_as_such(tmp_path):
    snn = SNN(TEN["convolutions"](), SETTINGS, LoihiOptions(engine="emulator"))
    export(snn.chip, snn.timing, tmp_path / "net.h5")
    assert [layer.kind for layer in read(tmp_path / "net.h5")] == ["conv", "conv", "dense"]
    with h5py.File(tmp_path / "net.h5") as file:
        assert file["layer/0/type"][0] == b"input"
        assert tuple(file["layer/1/shape"]) == (4, 5, 4)  # width, height, channels
        assert file["layer/1/weight"].shape == (4, 2, 3, 3)
        assert set(file["layer/1/neuron"]) >= {"type", "iDecay", "vDecay", "vThMant", "refDelay"}


def test_foreign_and_newer_files_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(b"no file of this kind")
    with pytest.raises(ArtifactError, match="export it again"):
        read(path)
    with h5py.File(path, "w") as file:
        file.attrs["format"] = 99
    with pytest.raises(ArtifactError, match="Update snn-loihi"):
        read(path)
