"""Options of the simulator on SpiNNaker: the section ``[spinnaker]`` of the settings."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from snn_core.settings import MOST_SECONDS, MOST_STEPS, Options, Settings

NeuronModel = Literal["IF_curr_delta", "IF_curr_exp", "IF_trunc_delta"]


DT_LEAST, DT_MOST = 0.001, 10.0
"""Shortest and longest tick in ms.

Shorter ones no board has. Longer ones leave neurons so few numbers below their threshold that
rounding changes rates by more than some hundredths.
"""

LEAST_SYNAPSE = 2.0**-10
"""Smallest tau_syn, in ticks, whose quotient with a tick has enough bits."""

HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
"""Host name or address."""

NAMES = {
    "machine_name": (HOST, "a host name or an address"),
    "spalloc_server": (
        rf"{HOST}|https?://{HOST}(:[0-9]+)?[A-Za-z0-9._/-]*",
        "a host name or a URL",
    ),
    "spalloc_user": (r"[A-Za-z0-9@._-]+", "letters, digits and @ . _ -"),
}
"""Form of what goes into a configuration file, where no line may end and no section begin."""


class SpinnakerOptions(Options):
    """Options of SpiNNaker."""

    engine: Literal["auto", "emulator", "board"] = Field(
        "auto", description="`emulator` computes the board's arithmetic on this computer, `board` "
        "runs on SpiNNaker through sPyNNaker; `auto` takes the board where `machine_name` or "
        "`spalloc_server` names one",
    )  # fmt: skip
    neuron_model: NeuronModel = Field(
        "IF_curr_delta", description="sPyNNaker's neuron. `IF_curr_exp` is the one that native "
        "convolution has; `IF_trunc_delta` cuts potentials off at 0, which loses inhibition",
    )  # fmt: skip
    expected_weights: Literal["sums", "spynnaker"] = Field(
        "sums", description="what the scale of weights is chosen for: `sums` tells sPyNNaker the "
        "largest sum of weights that can arrive in a tick; `spynnaker` leaves it to expect the "
        "largest weight times the number of synapses, which is far more and rounds more",
    )  # fmt: skip
    tau_syn: float = Field(
        0.1, ge=0.001, le=10, description="time constant in ms of the synapses of `IF_curr_exp`"
    )
    input_max: float = Field(
        1.0, gt=0, le=2**24, description="largest magnitude of an input value under constant "
        "current, for which potentials get room",
    )  # fmt: skip
    x_norm: str = Field(
        "", description="data set of typical samples, with which thresholds are calibrated for a "
        "reset to zero",
    )  # fmt: skip
    num_norm: int = Field(100, ge=1, description="number of samples of `x_norm` that are used")
    number_of_neurons_per_core: int = Field(
        64, ge=1, le=256, description="most neurons of a core; sPyNNaker's limit is 256"
    )
    virtual: bool = Field(
        False, description="map the network with sPyNNaker onto a virtual board, too, and report "
        "what it takes; spikes are still emulated",
    )  # fmt: skip
    native_convolution: bool = Field(
        True, description="while mapping, also map convolutions as kernels where sPyNNaker can, "
        "and report the saving",
    )  # fmt: skip
    boards: int = Field(1, ge=1, le=1200, description="boards of 48 chips that a network may take")
    machine_name: str = Field("", description="host name or address of a board")
    version: Literal[3, 5] = Field(5, description="version of the board: 5 has 48 chips, 3 has 4")
    spalloc_server: str = Field("", description="host name or URL of a spalloc server")
    spalloc_port: int = Field(22244, ge=1, le=65535, description="port of the spalloc server")
    spalloc_user: str = Field("", description="user of the spalloc server")
    time_scale_factor: int = Field(
        0, ge=0, le=10**6, description="slow-down against real time; 0: what the estimate of the "
        "time per tick asks for, at least 1",
    )  # fmt: skip
    samples: Literal["reset", "long"] = Field(
        "reset", description="on the board: `reset` the network before each sample, or one `long` "
        "input of all samples of a batch with pauses between them, over which potentials stay",
    )  # fmt: skip
    pause: int = Field(
        20, ge=0, le=MOST_STEPS, description="steps between the samples of a `long` input"
    )
    serialise_only: str = Field(
        "", description="folder to write the network to, with a script for plain PyNN, instead of "
        "running it",
    )  # fmt: skip
    reports: str = Field("", description="folder to keep sPyNNaker's own reports in")
    timeout: float = Field(
        600.0, gt=0, le=MOST_SECONDS, description="seconds after which sPyNNaker is stopped"
    )
    memory_limit_mb: float = Field(
        4000.0, gt=0, description="a network that needs more memory is refused"
    )

    @field_validator(*NAMES)
    @classmethod
    def _check_name(cls, value: str, info: ValidationInfo) -> str:
        pattern, expected = NAMES[str(info.field_name)]
        if value and not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")
        return value

    def problems_at(self, dt_ms: float) -> list[str]:
        """Return what makes ticks of a length impossible."""
        if not DT_LEAST <= dt_ms <= DT_MOST:
            limits = f"{DT_LEAST:g} to {DT_MOST:g} ms"
            return [f"simulation.dt is {dt_ms:g} ms; the board's numbers work for {limits}"]
        least = LEAST_SYNAPSE * dt_ms
        if self.neuron_model == "IF_curr_exp" and self.tau_syn < least:
            found = f"spinnaker.tau_syn is {self.tau_syn:g} ms, too short for the board's numbers"
            return [f"{found}; choose at least {least:g} ms for ticks of {dt_ms:g} ms"]
        return []

    def board_problems(self, settings: Settings) -> list[str]:
        """Return what a board cannot do."""
        found = []
        if not self.machine_name and not self.spalloc_server:
            found.append(
                "spinnaker.engine = 'board' needs a board: name it in spinnaker.machine_name, or a "
                "server in spinnaker.spalloc_server"
            )
        if settings.cell.reset == "subtraction":
            found.append(
                "no neuron of sPyNNaker subtracts its threshold; set cell.reset = 'zero', with "
                "typical samples in spinnaker.x_norm for thresholds that are calibrated for it"
            )
        if self.samples == "long" and settings.input.encoding == "constant":
            found.append(
                "spinnaker.samples = 'long' does not go with a constant input, which is set "
                "between runs; choose 'reset', or an input of spikes"
            )
        return found

    @property
    def on_board(self) -> bool:
        """Whether the network runs on a board."""
        named = bool(self.machine_name or self.spalloc_server)
        return self.engine == "board" or (self.engine == "auto" and named)
