import shutil

import pytest

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
    assert "without spiketrains: run again with spiketrains in output.log_vars" in done.stderr


def test_weights_are_drawn_from_the_network(snn, plain_dir, network, tmp_path):
    network.save(tmp_path / "model.snn")
    done = snn("plot", plain_dir, "--model", tmp_path / "model.snn", "-o", tmp_path / "f")
    assert done.exit_code == 0
    assert (tmp_path / "f" / "weight_distribution.png").exists()
    assert (tmp_path / "f" / "parameter_histogram" / "01Conv2D_4x4x3.png").exists()


def test_runs_are_compared_under_names_that_tell_them_apart(snn, run_dir, plain_dir, tmp_path):
    done = snn("plot", "--compare", run_dir, plain_dir, "-o", tmp_path, "--format", "svg")
    assert done.exit_code == 0
    assert (tmp_path / "comparison.svg").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plot", "{tmp}"], "no result folder"),
        (["plot", "{run}", "{plain}"], "or --compare"),
        (["plot", "{run}", "--only", "x"], "No figure x; expected some of"),
        (["plot", "{plain}", "--only", "potential"], "output.log_vars"),
        (["plot", "{run}", "--sample", "99"], "no sample 99"),
        (["plot", "{run}", "-o", "{tmp}/file"], "file"),
        (["plot", "--compare", "{run}", "--only", "hist"], "leave out --only"),
        (["plot", "--compare", "{run}", "{tmp}"], "no result folder"),
        (["report", "{tmp}"], "no result folder"),
        (["report"], "RUN_DIR"),
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
    assert "00001.npz is damaged" in done.stderr
    assert not (tmp_path / "run" / "figures").exists()


def test_a_report_is_written_beside_the_run(snn, make_run, tmp_path):
    make_run(tmp_path / "run", log_vars=())
    done = snn("report", tmp_path / "run", "--unit", "ms")
    assert done.exit_code == 0, done.stderr
    assert "Not recorded: spiketrains" in (tmp_path / "run" / "report.html").read_text("utf-8")
    assert done.stdout.startswith(f"{tmp_path / 'run' / 'report.html'} (1.")
