import json
import os
import shutil
from dataclasses import replace

import pytest

from snn_core import run
from snn_plot.catalogue import KINDS

PNG = b"\x89PNG"


@pytest.mark.smoke
def test_figures_are_written(snn, run_dir, tmp_path):
    done = snn("plot", run_dir, "--only", "error_vs_time", "--only", "hist", "-o", tmp_path / "f")
    assert done.exit_code == 0, done.stderr
    files = sorted(path.relative_to(tmp_path / "f").as_posix() for path in tmp_path.rglob("*.png"))
    assert files == [
        "error_vs_time.png",
        "hist/01Conv2D_4x4x3.png",
        "hist/03Dense_40.png",
        "hist/04Dense_4.png",
    ]
    assert all((tmp_path / "f" / name).read_bytes().startswith(PNG) for name in files)
    assert done.stdout == f"4 figures in {tmp_path / 'f'}\n"
    assert done.stderr == ""


@pytest.mark.parametrize(("kind", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_formats(snn, plain_dir, tmp_path, kind, start):
    done = snn("plot", plain_dir, "--format", kind, "-o", tmp_path, "--unit", "ms")
    assert done.exit_code == 0
    assert (tmp_path / f"confusion_matrix.{kind}").read_bytes().startswith(start)
    kinds = len(KINDS) - len({"error_vs_time", "ops_vs_time", "confusion_matrix"})
    kinds -= len({"outputs", "probes", "weight_distribution", "parameter_histogram"})
    assert done.stderr.splitlines() == [
        f"  for {kinds} more kinds, run again with --record all",
        "  for 2 more kinds, give the converted network with --model FILE.snn",
    ]
    quiet = snn("plot", plain_dir, "--format", kind, "-o", tmp_path, "--force", "--quiet")
    assert quiet.stdout == done.stdout
    assert quiet.stderr == ""


def test_weights_are_drawn_from_the_network(snn, plain_dir, network, tmp_path):
    network.save(tmp_path / "model.snn")
    done = snn("plot", plain_dir, "--model", tmp_path / "model.snn", "-o", tmp_path / "f")
    assert done.exit_code == 0
    assert (tmp_path / "f" / "weight_distribution.png").exists()
    assert (tmp_path / "f" / "parameter_histogram" / "01Conv2D_4x4x3.png").exists()


def test_another_network_than_that_of_the_run_is_refused(snn, network, data, tmp_path):
    rescaled = replace(network.output, bias_o=network.output.bias_o + 1)
    for name, made in (("one", network), ("two", network.replace(rescaled))):
        made.save(tmp_path / f"{name}.snn")
    one, two = tmp_path / "one.snn", tmp_path / "two.snn"
    run(one, "reference", data=data, timesteps=4, output_dir=tmp_path / "run")
    done = snn("plot", tmp_path / "run", "--model", two)
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert f"Found {two} as the network (SHA-256" in said
    assert f"run is a run of {one} (" in said
    assert not (tmp_path / "run" / "figures").exists()
    found = snn("plot", tmp_path / "run", "--model", one, "--only", "parameter_histogram")
    assert found.exit_code == 0


def test_a_run_that_does_not_tell_its_network_takes_any(snn, network, plain_dir, tmp_path):
    folder = shutil.copytree(plain_dir, tmp_path / "run")
    described = json.loads((folder / "run.json").read_text())
    del described["identity"]["network_sha256"]
    (folder / "run.json").write_text(json.dumps(described))
    network.save(tmp_path / "model.snn")
    wanted = ("--model", tmp_path / "model.snn", "--only", "parameter_histogram")
    assert snn("plot", folder, *wanted).exit_code == 0


def test_runs_are_compared_under_names_that_tell_them_apart(snn, run_dir, plain_dir, tmp_path):
    done = snn("plot", "--compare", run_dir, plain_dir, "-o", tmp_path, "--format", "svg")
    assert done.exit_code == 0
    assert (tmp_path / "comparison.svg").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plot", "{tmp}"], "no result folder; expected the folder of a run, which `snn run"),
        (["plot", "{plain}/run.json"], "is a file; expected the folder of a run, which `snn run"),
        (["report", "{plain}/run.json"], "is a file; expected the folder of a run"),
        (["plot", "{run}", "{plain}"], "or --compare"),
        (["plot", "{run}", "--only", "x"], "No figure x; expected some of"),
        (["plot", "{plain}", "--only", "potential"], "--record potentials"),
        (["plot", "{run}", "--sample", "99"], "no sample 99"),
        (["plot", "{run}", "-o", "{tmp}/file"], "file"),
        (["plot", "--compare", "{run}", "--only", "hist"], "leave out --only"),
        (["plot", "--compare", "{run}", "{tmp}"], "no result folder"),
        (["report", "{tmp}"], "no result folder"),
        (["report"], "RUN_DIR"),
        (["report", "a", "b"], "a report is of one. To compare them: snn plot --compare a b."),
        (["report", "a", "b", "--serve", "{tmp}"], "a report is of one"),
        (["report", "{run}", "--serve", "{tmp}"], "either RUN_DIR"),
        (["report", "{run}", "-o", "{tmp}/missing/r.html"], "missing"),
        (["report", "--serve", "{tmp}/missing"], "no folder"),
        (["report", "--serve", "{tmp}", "-o", "x"], "leave out -o"),
    ],
)
def test_bad_input_is_a_message_and_status_2(snn, run_dir, plain_dir, tmp_path, arguments, message):
    (tmp_path / "file").write_text("not a folder")
    places = {"tmp": tmp_path, "run": run_dir, "plain": plain_dir}
    done = snn(*(text.format(**places) for text in arguments))
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr


def test_a_damaged_batch_is_named(snn, run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "run")
    (tmp_path / "run" / "batches" / "00001.npz").write_bytes(b"PK damaged")
    done = snn("plot", tmp_path / "run")
    assert done.exit_code == 2
    assert "00001.npz cannot be read" in done.stderr
    assert not (tmp_path / "run" / "figures").exists()


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_figures_are_replaced_only_where_that_is_asked_for(snn, plain_dir, tmp_path, kind):
    common = ("plot", plain_dir, "--format", kind, "-o", tmp_path)
    assert snn(*common, "--only", "confusion_matrix").exit_code == 0
    before = (tmp_path / f"confusion_matrix.{kind}").read_bytes()
    refused = snn(*common)
    assert refused.exit_code == 2
    assert f"confusion_matrix.{kind}: it is there already" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == [f"confusion_matrix.{kind}"]
    assert (tmp_path / f"confusion_matrix.{kind}").read_bytes() == before
    assert snn(*common, "--only", "error_vs_time").exit_code == 0, "nothing of that name is there"
    done = snn(*common, "--force")
    assert done.exit_code == 0, done.stderr


def test_what_is_no_figure_of_ours_is_never_replaced(snn, run_dir, plain_dir, tmp_path):
    for command, name in (
        (("plot", plain_dir), "error_vs_time.png"),
        (("plot", "--compare", run_dir, plain_dir), "comparison.png"),
    ):
        (tmp_path / name).write_bytes(PNG + b" of a holiday")
        for arguments in ((), ("--force",)):
            done = snn(*command, "-o", tmp_path, *arguments)
            assert done.exit_code == 2
            assert "a file that is no figure of snn-plot is there" in done.stderr
        assert (tmp_path / name).read_bytes() == PNG + b" of a holiday"


@pytest.mark.parametrize("linked", ["figures", "figures/hist"])
def test_figures_of_a_run_stay_in_its_folder(snn, run_dir, tmp_path, linked):
    run, elsewhere = shutil.copytree(run_dir, tmp_path / "run"), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run / linked).parent.mkdir(exist_ok=True)
    (run / linked).symlink_to(elsewhere)
    done = snn("plot", run, "--only", "hist", "--force")
    assert done.exit_code == 2
    assert f"{run / linked}: it is a link" in " ".join(done.stderr.split())
    assert not list(elsewhere.iterdir())
    named = snn("plot", run, "--only", "error_vs_time", "-o", run / linked)  # as who runs it says
    assert named.exit_code == 0
    assert (elsewhere / "error_vs_time.png").exists()


def test_a_report_is_replaced_only_where_that_is_asked_for(snn, make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=())
    page = tmp_path / "page.html"
    assert snn("report", tmp_path / "run", "-o", page).exit_code == 0
    again = snn("report", tmp_path / "run", "-o", page)
    assert again.exit_code == 2
    assert "page.html: it is there already" in again.stderr
    assert snn("report", tmp_path / "run", "-o", page, "--force").exit_code == 0
    page.write_text("<!DOCTYPE html><title>My page</title>")
    foreign = snn("report", tmp_path / "run", "-o", page, "--force")
    assert foreign.exit_code == 2
    assert "a file that is no report is there" in foreign.stderr
    for name in ("run.json", "batches/00000.npz"):
        done = snn("report", tmp_path / "run", "-o", tmp_path / "run" / name, "--force")
        assert done.exit_code == 2


def test_a_disk_that_is_full_leaves_no_half_figure(snn, plain_dir, tmp_path, monkeypatch):
    def full(**options):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "none")

    (tmp_path / "f").mkdir()
    monkeypatch.setattr("snn_core.files.tempfile.mkstemp", full)
    done = snn("plot", plain_dir, "-o", tmp_path / "f")
    assert done.exit_code == 2
    assert "error_vs_time.png: No space left on device" in done.stderr
    assert list((tmp_path / "f").iterdir()) == []


def test_a_report_is_written_beside_the_run(snn, make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=())
    done = snn("report", tmp_path / "run", "--unit", "ms")
    assert done.exit_code == 0, done.stderr
    assert "Not recorded: spikes, " in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert done.stdout.startswith(f"{tmp_path / 'run' / 'report.html'} (1.")


def test_what_is_no_run_is_called_what_it_is(snn, network, run_dir, tmp_path):
    network.save(tmp_path / "model.snn")
    (tmp_path / "page.html").touch()
    for command in ("plot", "report"):
        for path, found in (
            (tmp_path / "model.snn", "is a converted network"),
            (tmp_path / "page.html", "is a file"),
            (tmp_path / "nowhere", "There is no folder"),
            (run_dir.parent, "it is no result folder: there are runs in everything"),
        ):
            done = snn(command, path)
            assert done.exit_code == 2
            assert found in " ".join(done.stderr.split())
            assert "expected the folder of a run, which `snn run" in " ".join(done.stderr.split())


def test_paths_are_printed_in_one_line_that_no_terminal_obeys(snn, make_run, tmp_path):
    folder = tmp_path / "a\n\x1b[2J"
    make_run(folder, log_vars=())
    shown = f"{tmp_path}/a\\n\\x1b[2J"
    assert snn("report", folder).stdout.startswith(f"{shown}/report.html (")
    assert (
        snn("plot", folder, "--only", "error_vs_time").stdout == f"1 figures in {shown}/figures\n"
    )


def test_empty_paths_are_refused(snn):
    for arguments in (["report", ""], ["report", "--serve", ""], ["plot", "a", "-o", ""]):
        done = snn(*arguments)
        assert done.exit_code == 2
        assert "Found an empty text for" in done.stderr
