"""Files of converted networks say of the conversion what the network shows, or are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snn_core import artifact, convert
from snn_core.codes.agreement import contradictions
from snn_core.errors import ArtifactError, ParseError
from snn_core.settings import Settings
from snn_core.settings.conversion import SPIKE_CODES
from snn_core.testing.builder import NetworkBuilder

OLD = Path(__file__).parents[1] / "files"


def converted(**conversion):
    rng = np.random.default_rng(0)
    timed = conversion.get("spike_code") not in ("ttfs_exact", "temporal_pattern")
    builder = NetworkBuilder((4, 4, 1)).conv2d(rng.normal(size=(3, 3, 1, 2)))
    builder.max_pooling((2, 2)).flatten()
    builder.dense(rng.normal(size=(2, 3)))
    settings = {"conversion": {"readout": "membrane", **conversion}}
    return convert(
        builder.build(), rng.random((8, 4, 4, 1), np.float32), settings=settings,
        timesteps=16 if timed else None, trial=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def network():
    return converted()


def with_settings(**sections):
    """Return a change of the settings in a manifest."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        for section, values in sections.items():
            manifest["settings"][section].update(values)
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


@pytest.mark.parametrize("code", SPIKE_CODES)
@pytest.mark.parametrize(
    "more", [{}, {"ttfs_ramp": False}, {"window_steps": 0}, {"maxpool_type": "pre_spike_max"}]
)
def test_what_a_conversion_writes_is_read(tmp_path, code, more):
    network = converted(spike_code=code, **more)
    assert contradictions(network) == []
    network.save(tmp_path / "model.snn")
    assert artifact.load(tmp_path / "model.snn").settings == network.settings


@pytest.mark.parametrize(
    ("section", "key", "value", "found"),
    [
        ("conversion", "readout", "counts", "'counts', and the network has 'membrane'"),
        ("conversion", "spike_code", "ttfs", "times of first spikes', and the network's history"),
        ("conversion", "spike_code", "ttfs_dyn_thresh", "times of first spikes', and the netw"),
        ("normalization", "method", "none", "'normalize: none', and the network's history says"),
        ("input", "uint8_scale", 1.0, "1.0, and the network has 0.0039"),
        ("cell", "v_thresh", 5.0, "5.0, and the network has 1.0"),
    ],
)
def test_settings_that_contradict_the_network_are_refused(
    network, rewritten, tmp_path, section, key, value, found
):
    path = tmp_path / "model.snn"
    network.save(path)
    with pytest.raises(ArtifactError, match=f"model.snn contradicts .*{key}.*{found}"):
        artifact.load(rewritten(path, with_settings(**{section: {key: value}})))
    settings = network.settings.updated({section: {key: value}})
    with pytest.raises(ParseError, match=rf"{section}\.{key}.*{found}"):
        network.replace(settings=settings).save(tmp_path / "other.snn")
    assert not (tmp_path / "other.snn").exists()


def test_another_readout_and_scale_of_bytes_contradict_the_settings(network, tmp_path):
    data = replace(network.input_data, uint8_scale=1.0)
    for other in (network.replace(readout="counts"), network.replace(input_data=data)):
        with pytest.raises(ParseError, match="contradicts the settings of its conversion"):
            other.save(tmp_path / "model.snn")


def test_layers_may_be_changed_after_a_conversion(network, tmp_path):
    layer, *_ = network.spiking_layers
    other = replace(layer, threshold=np.float32([0.5, 2]), v_init=np.float32(0.25))
    changed = network.replace(other, note="thresholds by hand")
    changed.save(tmp_path / "model.snn")
    assert artifact.load(tmp_path / "model.snn")[layer.name].threshold.tolist() == [0.5, 2]


def test_settings_beside_a_network_that_was_not_converted_contradict_nothing(tmp_path):
    builder = NetworkBuilder((2,))
    builder.dense(np.eye(2))
    settings = Settings.of({"cell": {"v_thresh": 5.0}, "conversion": {"readout": "membrane"}})
    made = builder.build().replace(settings=settings)
    made.save(tmp_path / "model.snn")
    assert artifact.load(tmp_path / "model.snn").settings == settings


def test_what_a_run_chooses_contradicts_no_network(network):
    chosen = {"cell": {"v_init": "uniform", "reset": "zero"}, "simulation": {"duration": 5.0}}
    assert contradictions(network.replace(settings=network.settings.updated(chosen))) == []


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_of_all_versions_contradict_nothing(version):
    assert contradictions(artifact.load(OLD / f"format{version}.snn")) == []
