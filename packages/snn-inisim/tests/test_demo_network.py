from pathlib import Path

from snn_core import convert, run
from snn_core.conversion import preset
from snn_core.data import load_dataset


def test_the_demo_network_decides_alike_in_continuous_time():
    folder = Path(__file__).parents[3] / "examples" / "mnist"
    x_b_l = load_dataset(folder / "data" / "calibration.npz").x_b_l
    settings = preset("fast").updated(
        {
            "conversion": {"spike_code": "ttfs_exact", "window_steps": 0},
            "simulation": {"num_to_test": 60},
        }
    )
    network = convert(folder / "model.keras", x_b_l[:100], settings=settings)
    result = run(network, "inisim", data=folder / "data" / "test.npz", settings=settings)
    assert result.agreement == 1
    assert (result.spikes_b_n <= result.metadata["num_neurons"][1:]).all()
    assert result.timesteps == 4
