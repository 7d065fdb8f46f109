"""Development tasks: every package is built and tested in environments of its own.

nox -l                                  list every session
nox                                     the whole check, as CI runs it
nox -t snn-core                         everything for one package
nox -t matrix                           every package on every Python, all tests
nox -s "tests(snn-core, 3.11)" -- -k ir pass arguments on to pytest

The Pythons that a package supports are the classifiers in its pyproject.toml. CI tests on three
tiers: everything on the newest Python, from built wheels (`full`); on the oldest one, with the
oldest dependencies, what can depend on them (`floor`); on those between, what tells within seconds
that they work (`smoke`). The markers in a package's pyproject.toml sort its tests.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "tools",
    "docs",
    "release_check",
    "typecheck",
    "build",
    "full",
    "floor",
    "smoke",
    "frontends",
    "tutorial",
    "agreement",
]

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
TORCH = "torch==2.13.0"
# Their tests of a file share what is costly to make; those of the others go to whoever is free.
SHARED_BY_FILE = {"snn-core", "snn-inisim"}
# Simulators that take a second for a sample run a few only.
FEWER_SAMPLES = {"snn-pynn": ("--samples", "50")}
# Packages whose readers are fuzzed besides those of the core.
FUZZED = ("snn-plot", "snn-megasim", "snn-loihi")
# Left out on the oldest Python: these take minutes and hardly depend on its version.
ONLY_FULL = ("exhaustive", "compiled")
TOOLS = nox.project.load_toml(ROOT / "pyproject.toml")
# The worked example is a real package: it is built and tested like all others.
PYPROJECTS = [
    path
    for top in ("packages", "examples")
    for path in sorted(ROOT.glob(f"{top}/*/pyproject.toml"))
]
FOLDERS = {path.parent.name: path.parent for path in PYPROJECTS}
PROJECTS = {
    name: nox.project.load_toml(folder / "pyproject.toml") for name, folder in FOLDERS.items()
}


def simulators(package: str) -> list[str]:
    """Return the names under which a package registers simulators."""
    return list(PROJECTS[package]["project"].get("entry-points", {}).get("snn.simulators", {}))


def pythons(package: str) -> list[str]:
    """Return the Pythons that a package supports, oldest first."""
    return nox.project.python_versions(PROJECTS[package])


def newest_python(package: str) -> list[str]:
    """Return the newest Python that a package supports, as a list of one."""
    return pythons(package)[-1:]


def oldest_python(package: str) -> list[str]:
    """Return the oldest Python that a package supports, unless it is the newest, too."""
    return pythons(package)[:-1][:1]


def middle_pythons(package: str) -> list[str]:
    """Return the Pythons between the oldest and the newest."""
    return pythons(package)[1:-1]


def with_siblings(package: str) -> list[str]:
    """Return a package after those packages of this repository that it needs."""
    found: list[str] = []
    for line in PROJECTS[package]["project"].get("dependencies", []):
        name = Requirement(line).name
        if name in PROJECTS:
            found += [sibling for sibling in with_siblings(name) if sibling not in found]
    return [*found, package]


def cells(versions, tag: str = "") -> list:
    """Return one parameter set per package and Python, tagged with the package or as given."""
    return [
        nox.param(python, package, id=f"{package}, {python}", tags=[tag or package])
        for package in PROJECTS
        for python in versions(package)
    ]


def each() -> list:
    """Return one parameter per package, tagged with it."""
    return [nox.param(package, id=package, tags=[package]) for package in PROJECTS]


def group(name: str, project: dict = TOOLS) -> tuple[str, ...]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(project, name)


def extras(package: str) -> str:
    """Return the extras that a package's tests need, in brackets; ``tool.snn`` names them."""
    names = PROJECTS[package]["tool"].get("snn", {}).get("test-extras", [])
    return f"[{','.join(names)}]" if names else ""


def install(session: nox.Session, package: str, *extra: str) -> None:
    """Install a package, with what its tests need, and its siblings from the source tree."""
    folders = [f"{FOLDERS[name]}{extras(name)}" for name in with_siblings(package)]
    editable = [arg for folder in folders for arg in ("-e", folder)]
    session.install(*editable, *extra)


def needed_by_tests(package: str) -> tuple[str, ...]:
    """Return the requirements of a package's tests when several processes share them."""
    return *group("test", PROJECTS[package]), *group("parallel")


def run_tests(session: nox.Session, package: str, *arguments: str, **options) -> None:
    """Run pytest on one package's tests with one process per core."""
    share = "loadfile" if package in SHARED_BY_FILE else "worksteal"
    session.run("pytest", "-n", "auto", "--dist", share, *arguments, *session.posargs, **options)


def markers(package: str) -> set[str]:
    """Return the markers that a package's tests may carry; pytest refuses all others."""
    lines = PROJECTS[package]["tool"]["pytest"]["ini_options"].get("markers", [])
    return {line.partition(":")[0].partition("(")[0].strip() for line in lines}


def leaving_out(package: str, *names: str) -> list[str]:
    """Return the arguments that leave out tests with any of some markers."""
    found = [f"not {name}" for name in names if name in markers(package)]
    return ["-m", " and ".join(found)] if found else []


def wheels(package: str) -> list[str]:
    """Return the built wheels of a package and of its siblings, with what their tests need."""
    return [f"{next((DIST / name).glob('*.whl'))}{extras(name)}" for name in with_siblings(package)]


SIMULATORS = [package for package in PROJECTS if simulators(package)]
BUILDS = [f"build({package})" for package in PROJECTS]


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format, the style, the spelling and the import rules."""
    session.install(*group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("typos")
    sources = ":".join(str(folder / "src") for folder in FOLDERS.values())
    session.run("lint-imports", env={"PYTHONPATH": sources})


def install_fuzzed(session: nox.Session) -> None:
    """Install the packages whose readers are fuzzed, and what their files are made with."""
    others = [arg for name in FUZZED for arg in ("-e", str(FOLDERS[name]))]
    session.install("-e", f"{FOLDERS['snn-core']}[events,images,onnx,testing]", *others)
    session.install(*group("test", PROJECTS["snn-core"]))


@nox.session
def tools(session: nox.Session) -> None:
    """Test the scripts under tools/, and that fuzzing starts from files that are read."""
    install_fuzzed(session)
    session.install(*group("tools"))
    session.run("pytest", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Change valid files of every reader at random for a minute each; more as an argument.

    ``--guided`` has Atheris look for changes that reach more of the code, where it installs.
    """
    install_fuzzed(session)
    if "--guided" in session.posargs:
        session.install("--only-binary", ":all:", "atheris", success_codes=[0, 1])
    found = ROOT / "build" / "fuzz"
    session.chdir("tools")
    session.run("python", "-m", "fuzzing", "--output", str(found), *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site without a warning; check file names, quotations and the page of settings."""
    # Packages that bring commands, for the reference of them.
    commands = [part for name in ("snn-plot", "snn-megasim") for part in ("-e", str(FOLDERS[name]))]
    install(session, "snn-core", *commands, *group("docs"))
    session.run("python", "tools/check_docs.py")
    session.run("python", "tools/site_pages.py", "build/pages")
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})
    page = ROOT / "docs" / "settings.md"
    generate = ("python", "tools/settings_page.py")
    expected = session.run(*generate, silent=True, stderr=None)
    if not page.exists() or page.read_text(encoding="utf-8").strip() != expected.strip():
        session.error(
            f"docs/settings.md is out of date: run `{' '.join(generate)} > docs/settings.md`."
        )


@nox.session
def release_check(session: nox.Session) -> None:
    """Check that versions, changelogs and tags agree."""
    session.install(*group("tools"))
    session.run("python", "tools/release.py", "check", *session.posargs)


@nox.session
@nox.parametrize("package", each())
def typecheck(session: nox.Session, package: str) -> None:
    """Check one package's types strictly."""
    install(session, package, *group("test", PROJECTS[package]), *group("typecheck"))
    session.run("mypy", str(FOLDERS[package] / "src"))


@nox.session
@nox.parametrize("package", each())
def build(session: nox.Session, package: str) -> None:
    """Build one package's sdist and wheel into dist/ and check what they hold."""
    session.install(*group("build"))
    out = DIST / package
    shutil.rmtree(out, ignore_errors=True)
    session.run("uv", "build", "--quiet", str(FOLDERS[package]), "--out-dir", str(out))
    files = [str(path) for path in sorted(out.glob("snn*"))]
    session.run("twine", "check", "--strict", *files)
    session.run("check-wheel-contents", *(name for name in files if name.endswith(".whl")))


@nox.session(requires=BUILDS)
@nox.parametrize("python, package", cells(newest_python))
def full(session: nox.Session, package: str) -> None:
    """Run all of one package's tests against built wheels, away from the source tree."""
    suite = FOLDERS[package] / "tests"
    if simulators(package) and not list(suite.rglob("test_conformance*.py")):
        session.error(f"{package} registers a simulator but has no tests/test_conformance.py.")
    # A wheel built anew has the version of the one that it replaces.
    anew = [arg for name in with_siblings(package) for arg in ("--reinstall-package", name)]
    session.install(*anew, *wheels(package), *needed_by_tests(package))
    session.chdir(session.create_tmp())
    run_tests(session, package, str(suite))


@nox.session
@nox.parametrize("python, package", cells(oldest_python))
def floor(session: nox.Session, package: str) -> None:
    """Run one package's tests with the oldest direct dependencies; no exhaustive ones."""
    install(session, package, "--resolution=lowest-direct", *needed_by_tests(package))
    session.chdir(FOLDERS[package])
    run_tests(session, package, *leaving_out(package, *ONLY_FULL))


@nox.session
@nox.parametrize("python, package", cells(middle_pythons))
def smoke(session: nox.Session, package: str) -> None:
    """Run those of one package's tests that show within seconds that a Python is supported."""
    if "smoke" not in markers(package):
        session.error(f"{package} has no marker `smoke` in its pyproject.toml.")
    install(session, package, *group("test", PROJECTS[package]))
    session.chdir(FOLDERS[package])
    session.run("pytest", "-m", "smoke", *session.posargs)


@nox.session(default=False)
@nox.parametrize("python, package", cells(pythons, "matrix"))
def tests(session: nox.Session, package: str) -> None:
    """Run all of one package's tests on one Python, from the source tree."""
    install(session, package, *needed_by_tests(package))
    session.chdir(FOLDERS[package])
    run_tests(session, package)


@nox.session(python="3.11", venv_backend="venv", tags=["snn-core"])
def frontends(session: nox.Session) -> None:
    """Test the readers of PyTorch and ONNX models against these frameworks.

    Only one Python, as PyTorch is large. pip finds a build without CUDA where one is at hand, which
    uv does not look for.
    """
    core = FOLDERS["snn-core"]
    session.install(TORCH)
    session.install(
        "-e", f"{core}[onnx,torch]", *group("frontends", PROJECTS["snn-core"]), *group("parallel")
    )
    session.install("-e", str(FOLDERS["snn-plot"]))
    session.run("python", "tools/tutorial.py", "docs/tutorial.md", "PyTorch", "ONNX")
    session.chdir(core)
    run_tests(session, "snn-core", "tests_frontends", env={"OMP_NUM_THREADS": "1"})


@nox.session
def tutorial(session: nox.Session) -> None:
    """Run the tutorial's part on Keras as a reader would; `frontends` runs the others."""
    install(session, "snn-inisim", "-e", str(FOLDERS["snn-plot"]))
    session.run("python", "tools/tutorial.py", "docs/tutorial.md", "Keras")


@nox.session(default=False)
@nox.parametrize("package", each())
def coverage(session: nox.Session, package: str) -> None:
    """Measure how much of one package its tests reach."""
    install(session, package, *group("test", PROJECTS[package]), *group("coverage"))
    session.chdir(FOLDERS[package])
    module = package.replace("-", "_")
    config = f"--cov-config={ROOT / 'pyproject.toml'}"
    session.run("pytest", f"--cov={module}", config, *session.posargs)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Convert a trained MNIST network, run it on INIsim, and draw the results."""
    install(session, "snn-inisim", "-e", str(FOLDERS["snn-plot"]))
    session.run("python", "examples/mnist/demo.py", *session.posargs)


@nox.session(requires=BUILDS)
def agreement(session: nox.Session) -> None:
    """Run one model.snn on every simulator, each in its own environment, and compare."""
    session.install("uv>=0.5", *wheels("snn-core"))
    work = Path(session.create_tmp()).resolve()
    mnist, model = ROOT / "examples" / "mnist", work / "model.snn"
    calibration, test = mnist / "data" / "calibration.npz", mnist / "data" / "test.npz"
    session.run(
        "snn",
        "convert",
        str(mnist / "model.keras"),
        "--data",
        str(calibration),
        "-o",
        str(model),
        "--force",
    )
    results = []
    for package in SIMULATORS:
        snn = simulator_environment(session, package, work / f"env-{package}")
        for name in simulators(package):
            out = work / f"result-{name}"
            shutil.rmtree(out, ignore_errors=True)
            options = ("--simulator", name, "--data", str(test), "--json", "-o", str(out))
            fewer = FEWER_SAMPLES.get(package, ())
            session.run(str(snn), "run", str(model), *options, *fewer, external=True)
            results.append(str(out))
    reference = str(work / "result-reference")
    results.remove(reference)
    session.run("python", "tools/agreement.py", reference, *results)


def simulator_environment(session: nox.Session, package: str, folder: Path) -> Path:
    """Make an environment that holds only one package's wheels; return its ``snn`` command."""
    supported = pythons(package)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = sys.executable if running in supported else supported[-1]
    session.run(
        "uv", "venv", "--quiet", "--clear", "--no-python-downloads", "-p", python, str(folder)
    )
    session.run("uv", "pip", "install", "--quiet", "-p", str(folder), *wheels(package))
    return folder / ("Scripts/snn.exe" if sys.platform == "win32" else "bin/snn")
