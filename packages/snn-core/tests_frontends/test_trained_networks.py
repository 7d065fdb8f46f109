"""MobileNetV2 trained on digits, converted by the default preset: same function, same decisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_zoo import Inverted

from snn_core import convert
from snn_core.conversion import preset
from snn_core.evaluation.forward import predict
from snn_core.simulation.reference import ReferenceSNN

DIGITS = Path(__file__).parents[3] / "examples" / "mnist" / "data"
EPOCHS = 30
CALIBRATION = 300


def digits(name: str) -> tuple[Tensor, Tensor]:
    """Return digits of half the size, with values from 0 to 1, and their labels."""
    stored = np.load(DIGITS / f"{name}.npz")
    x = torch.from_numpy(stored["x"].astype(np.float32) / 255).permute(0, 3, 1, 2)
    return F.avg_pool2d(x, 2), torch.from_numpy(stored["y"])


def mobilenet_v2() -> nn.Module:
    """Return a slim MobileNetV2 (Sandler et al. 2018)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        Inverted(16, 16, 2, 1), Inverted(16, 24, 1, 6), Inverted(24, 24, 1, 6),
        nn.Conv2d(24, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def train(module: nn.Module, x: Tensor, y: Tensor) -> None:
    """Train on images that are shifted by up to one pixel."""
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=0.3)
    steps = EPOCHS * len(x) // 50
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
    module.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(50):
            shift = torch.randint(-1, 2, (2,)).tolist()
            loss = F.cross_entropy(module(torch.roll(x[batch], shift, (2, 3))), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    module.eval()


@pytest.mark.exhaustive
def test_a_trained_mobilenet_keeps_its_accuracy():
    torch.manual_seed(0)
    module, (x, y), (x_test, y_test) = mobilenet_v2(), digits("test"), digits("calibration")
    train(module, x, y)
    with torch.no_grad():
        expected = module(x_test).numpy()
    network = convert(
        module,
        np.moveaxis(x[:CALIBRATION].numpy(), 1, -1),
        input_shape=(1, 14, 14),
        trial=False,
    )
    x_b_l = np.moveaxis(x_test.numpy(), 1, -1)
    # Float32 sums in another order.
    np.testing.assert_allclose(
        predict(network, x_b_l), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
    )
    settings = preset("fast").updated({"simulation": {"batch_size": len(x_b_l)}})
    assert settings.num_steps == 32
    found = ReferenceSNN(network, settings).run_batch(x_b_l).output_b_l_t[..., -1]
    analog, spiking = ((z.argmax(axis=1) == y_test.numpy()).mean() for z in (expected, found))
    assert analog > 0.94
    assert spiking >= analog - 0.01
