"""Saving a network so that it runs in plain PyNN, under the names of snn_toolbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from snn_core.errors import ArtifactError, DataError, SimulationError
from snn_core.files import as_path, atomic_write, make_folder
from snn_core.reading import read_json, spend, while_reading
from snn_core.simulation.synapses.tables import INTEGRATORS, Population, Tables
from snn_core.typing import PathLikeStr
from snn_pynn.engine import thresholds
from snn_pynn.simulator import PyNNSNN

FORMAT = 1

SCRIPT = '''"""Run a sample through the network that was saved here, in plain PyNN.

    python {filename}.py sample.txt

{sample}
It prints step and cell of every spike, and the decision, as JSON.{first}
"""

import json
import os
import sys
from pathlib import Path

# What the simulator writes goes to standard error: standard output is for the result.
output = os.dup(1)
os.dup2(2, 1)

import pynn_cells
import pynn_network

folder = Path(__file__).resolve().parent
result = pynn_network.simulate(folder, "{filename}", sys.argv[1], pynn_cells)
with os.fdopen(output, "w") as file:
    file.write(json.dumps(result) + "\\n")
'''

CONSTANT = "sample.txt holds the value of each input cell, row by row, channels last."
SPIKING = "sample.txt holds the input cell and the step, counted from 0, of each spike."
COMPILE = """

NEURON compiles the neuron: run `nrnivmodl` once in this folder, and start the script in it."""


class AssemblySNN(PyNNSNN):
    """Adds saving for plain PyNN.

    ``save_assembly``, ``save_connections`` and ``save_biases``, given the same folder, together
    write a network that runs without this package.
    """

    cells: ClassVar[str]
    """Name of the module with the simulator's neurons."""

    def save_assembly(self, path: PathLikeStr, filename: str, *, overwrite: bool = False) -> None:
        """Write labels, sizes and cells of all populations, and a script that runs the network.

        The script ``filename.py`` reads ``filename.json``, which is written here, and what
        `save_connections` and `save_biases` write. All files are written, or none.

        Parameters
        ----------
        path
            Folder, which is made if it is missing.
        filename
            Name of the script, without ending.
        overwrite
            Whether files that are there may be replaced.

        Raises
        ------
        SimulationError
            With standard cells, whose weights hold for one simulator and length of steps.
        DataError
            If a file cannot be written, or is there already.
        """
        folder = self._folder_for_plain(path)
        described = json.dumps(self._described(), indent=1)
        constant = self.is_constant
        is_compiled = self.name == "pynn-neuron"
        script = SCRIPT.format(
            filename=filename,
            sample=CONSTANT if constant else SPIKING,
            first=COMPILE if is_compiled else "",
        )
        copies = {"pynn_cells.py": f"{self.cells}.py", "pynn_network.py": "plain.py"}
        if f"{filename}.py" in copies:
            raise DataError(f"{filename}.py lies beside the script; choose another filename.")
        texts = {f"{filename}.json": described, f"{filename}.py": script}
        if is_compiled:
            copies["integrate_and_fire.mod"] = "neuron/integrate_and_fire.mod"
        for name, source in copies.items():
            texts[name] = (resources.files("snn_pynn") / source).read_text(encoding="utf-8")
        with _all_or_none(folder, overwrite=overwrite) as new_file:
            for name, text in texts.items():
                new_file(name).write(text.encode())

    def save_connections(self, path: PathLikeStr, *, overwrite: bool = False) -> None:
        """Write source, target, weight and delay in ms of each synapse to text files.

        A file has the name of the layer it connects to, with a number if there are several or if
        another file has that name, and can be given to PyNN's ``FromListConnector`` by way of
        ``numpy.loadtxt``. All files are written, or none.

        Parameters
        ----------
        path, overwrite
            As for `save_assembly`.

        Raises
        ------
        SimulationError, DataError
            As for `save_assembly`.
        """
        folder = self._folder_for_plain(path)
        with _all_or_none(folder, overwrite=overwrite) as new_file:
            for name, connection in zip(
                self._files.connections, self.tables.connections, strict=True
            ):
                columns = [connection.pre, connection.post, connection.weight_s.astype(float)]
                delay_ms = np.full(len(connection), self.engine.delay_ms(connection))
                ends = f"{connection.source}→{connection.target}"
                np.savetxt(
                    new_file(name),
                    np.column_stack([*columns, delay_ms]),
                    fmt=["%d", "%d", "%.17g", "%.17g"],
                    header=f"{ends}: source, target, weight, delay_ms",
                    encoding="utf-8",
                )

    def save_biases(self, path: PathLikeStr, *, overwrite: bool = False) -> None:
        """Write the bias of each neuron, in units of the potential per ms, to text files.

        Parameters
        ----------
        path, overwrite
            As for `save_assembly`.

        Raises
        ------
        SimulationError, DataError
            As for `save_assembly`.
        """
        folder = self._folder_for_plain(path)
        with _all_or_none(folder, overwrite=overwrite) as new_file:
            for population in self.tables.populations:
                np.savetxt(
                    new_file(self._files.biases[population.name]),
                    population.current_l.astype(float),
                    fmt="%.17g",
                )

    def load_assembly(self, path: PathLikeStr, filename: str) -> list[Any]:
        """Return PyNN's populations of an assembly, in a new network of the simulator.

        Raises
        ------
        ArtifactError
            If there is no such assembly, or it was saved from another simulator.
        """
        file = as_path(as_path(path) / f"{filename}.json", error=ArtifactError)
        said, advice = "does not hold an assembly", "save one with save_assembly"
        if not file.is_file():
            raise ArtifactError(f"There is no file {file}; {advice}.")
        with while_reading(file, error=ArtifactError, advice=advice, said=said):
            description = read_json(file)
            if description.get("simulator") != self.name or description.get("format") != FORMAT:
                raise ArtifactError(
                    f"{file} holds an assembly of {description.get('simulator')!r} in format "
                    f"{description.get('format')}; expected {self.name!r} in format {FORMAT}."
                )
            _require_assembly(description)
        return list(self.engine.load_assembly(description).values())

    def _folder_for_plain(self, path: PathLikeStr) -> Path:
        if not self.options.is_exact:
            raise SimulationError(
                f"Networks of {self.options.cell} are not saved for plain PyNN; choose cell = "
                f"'exact'."
            )
        folder = as_path(path)
        make_folder(folder)
        return folder

    @property
    def _files(self) -> Files:
        return Files.of(self.tables)

    def _described(self) -> dict[str, Any]:
        plan, tables = self.plan, self.tables
        source = {"label": tables.input_name, "size": tables.input_size, "is_source": True}
        return {
            "format": FORMAT,
            "simulator": self.name,
            "dt_ms": plan.dt_ms,
            "steps": plan.steps,
            "run_steps": plan.timing.run_steps,
            "longest_delay": plan.longest_delay,
            "reset": plan.reset,
            "rest_steps": plan.rest_steps,
            "is_constant": plan.is_constant,
            "input": tables.input_name,
            "populations": [
                *([] if plan.is_constant else [source]),
                *(self._described_population(item) for item in tables.populations),
            ],
            "connections": [
                {"source": item.source, "target": item.target, "file": file}
                for file, item in zip(self._files.connections, tables.connections, strict=True)
                if len(item)
            ],
        }

    def _described_population(self, population: Population) -> dict[str, Any]:
        layer = self.network[population.name]
        return {
            "label": population.name,
            "size": population.size,
            "shape": list(layer.output_shape),
            "is_source": False,
            "integrates": population.role == INTEGRATORS,
            "biases": self._files.biases[population.name],
            "first_step": self.plan.late(population.name),
            "theta": thresholds(population).tolist(),
            "theta_read": population.threshold_l.tolist(),
            "start": population.start_l.tolist(),
        }


@dataclass(frozen=True)
class Files:
    """Names of the text files of a saved network, all of them different.

    Parameters
    ----------
    connections
        File of each connection.
    biases
        File of the biases of each population, by its name.
    """

    connections: list[str]
    biases: dict[str, str]

    @classmethod
    def of(cls, tables: Tables) -> Files:
        """Return the names for a network."""
        taken: set[str] = set()
        targets = [item.target for item in tables.connections]
        connections = []
        for number, target in enumerate(targets):
            several = f"_{targets[:number].count(target) + 1}" if targets.count(target) > 1 else ""
            connections.append(_unique(f"{_file_name(target)}{several}", ".txt", taken))
        biases = {
            item.name: _unique(_file_name(item.name), ".biases.txt", taken)
            for item in tables.populations
        }
        return cls(connections, biases)


def _file_name(label: str) -> str:
    """Return a label without what separates folders."""
    return label.replace("/", "_")


def _unique(name: str, ending: str, taken: set[str]) -> str:
    """Return a file's name, with a number if it is taken, and take it."""
    names = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 2)))
    # Some file systems do not tell capitals from small letters.
    found = next(item + ending for item in names if (item + ending).casefold() not in taken)
    taken.add(found.casefold())
    return found


@contextmanager
def _all_or_none(folder: Path, *, overwrite: bool) -> Iterator[Callable[[str], IO[bytes]]]:
    """Yield a function that returns a new file of a folder, given its name.

    The files take their places when the block ends, or none does if there is an error.
    """
    with ExitStack() as stack:
        last: list[IO[bytes]] = []

        def new_file(name: str) -> IO[bytes]:
            if last:
                last.pop().flush()  # so that a full disk is noticed before any file is in its place
            last.append(stack.enter_context(atomic_write(folder / name, overwrite=overwrite)))
            return last[0]

        yield new_file
        if last:
            last.pop().flush()


def _require_assembly(description: Mapping[str, Any]) -> None:
    """Make sure that cells can be made of a description; call it in a `while_reading`.

    Raises
    ------
    ValueError, KeyError, TypeError
        If they cannot.
    """
    numbers = [float(description[name]) for name in ("dt_ms", "longest_delay", "rest_steps")]
    if not np.isfinite(numbers).all() or numbers[0] <= 0:
        raise ValueError(f"found dt_ms, longest_delay and rest_steps {numbers}")
    labels = [str(item["label"]) for item in description["populations"]]
    if len(set(labels)) < len(labels):
        raise ValueError("several populations have the same label")
    for item in description["populations"]:
        size = int(item["size"])
        spend(_PER_CELL * size, f"the cells of {item['label']}")
        if size < 1:
            raise ValueError(f"{item['label']} has {size} cells")
        if item["is_source"]:
            continue
        states = [np.asarray(item[name], np.float64) for name in ("theta", "start")]
        if any(values.shape != (size,) or not np.isfinite(values).all() for values in states):
            raise ValueError(f"the thresholds or starts of {item['label']} are no {size} numbers")
        int(item["first_step"])


_PER_CELL = 1000
"""Bytes that a simulator takes for a cell at least."""
