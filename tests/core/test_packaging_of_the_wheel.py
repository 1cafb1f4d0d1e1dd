"""What is installed is what is in the repository, and nothing shadows the standard library."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    subprocess.run([*build, str(folder), str(ROOT)], check=True, capture_output=True)
    return set(zipfile.ZipFile(next(folder.glob("*.whl"))).namelist())


def test_nothing_shadows_the_standard_librarys_platform():
    """`import platform` must not find a folder of ours."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not (ROOT / "tests" / "platform").exists()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_the_wheel(wheel, package):
    """A misspelled path is dropped without a word; templates and stubs count too."""
    folder = ROOT / package
    files = [p.relative_to(folder.parent) for p in folder.rglob("*") if p.is_file()]
    ours = {p.as_posix() for p in files if not any(n.startswith((".", "__py")) for n in p.parts)}
    assert f"{folder.name}/__init__.py" in ours
    assert ours - wheel == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(wheel, package):
    """`py.typed` tells type checkers to look inside."""
    assert f"{Path(package).name}/py.typed" in wheel


def test_every_component_is_packaged():
    """Each folder of the house with a package in it is listed."""
    found = {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("*/tidemill*/py.typed")}
    assert set(PACKAGES) == found


def test_the_protocol_stubs_are_in_the_wheel(wheel):
    """Generated files are easily left out."""
    stubs = ("open_inference_pb2.py", "open_inference_pb2_grpc.py")
    assert {f"tidemill_serving/{name}" for name in stubs} <= wheel


def test_the_examples_are_in_the_wheel(wheel):
    """`tidemill demo` reads them wherever it is installed."""
    examples = {f"tidemill/examples/{path.name}" for path in (ROOT / "examples").glob("*.yaml")}
    assert examples
    assert examples <= wheel


def test_nothing_else_is_in_the_wheel(wheel):
    """No tests, no state, no caches."""
    names = {Path(package).name for package in PACKAGES}
    outside = {name for name in wheel if name.split("/")[0] not in names}
    assert all(name.startswith("tidemill-0.1.0.dist-info/") for name in outside)
    assert not any("__pycache__" in name for name in wheel)


def test_the_layers_are_checked_by_machine():
    """The core below the features, the features below components that never meet."""
    contract, *_ = PROJECT["tool"]["importlinter"]["contracts"]
    assert contract["type"] == "layers"
    assert contract["layers"][1:] == ["tidemill_features", "tidemill"]
    components = {Path(package).name for package in PACKAGES} - {"tidemill", "tidemill_features"}
    assert set(contract["layers"][0].split(" | ")) == components
