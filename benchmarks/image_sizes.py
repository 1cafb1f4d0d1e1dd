"""Installed size of each image's environment: what stands in the images above the base.

    python benchmarks/image_sizes.py        # writes the table of docs/images.md

For each Dockerfile, a fresh virtual environment gets the extras the Dockerfile names, under the
same constraints, and loses what the Dockerfile trims. Fails when a package is there that the image
must not carry. Packages come from where pip is told to look (its configuration and environment);
torch needs the CPU index, as in the Dockerfile. In serving's environment the server is started too.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from serving_start import measure_start, sentence

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "images.md"
FOLDERS = {
    "operator": "platform",
    "collector": "platform/collector",
    "pipelines": "pipelines",
    "serving": "serving",
    "monitoring": "monitoring",
}
_LEAN = ("torch", "kfp", "mlflow", "mlflow-skinny", "feast", "evidently", "deltalake", "duckdb")
FORBIDDEN = {
    "operator": (*_LEAN, "pyarrow", "pandas", "onnxruntime"),
    "collector": ("torch", "kfp", "mlflow", "mlflow-skinny", "feast", "evidently", "pandas"),
    "pipelines": ("evidently", "triton"),
    "serving": (*_LEAN, "pyarrow", "pandas", "kubernetes"),
    "monitoring": ("torch", "kfp", "mlflow", "mlflow-skinny", "kubernetes"),
}
"""What each image must do without. Triton comes with torch's CUDA build; pip is wanted by none."""
HEAVIEST = 5
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """What a Dockerfile says about its environment."""

    extras: str
    trim: str
    """The shell command that removes files, run in the image at /opt/tidemill."""


@dataclass(frozen=True)
class Installed:
    """One environment: bytes on disk, and bytes of each package in it."""

    component: str
    extras: str
    size: int
    packages: dict[str, int]

    @property
    def heaviest(self) -> list[str]:
        return sorted(self.packages, key=self.packages.__getitem__, reverse=True)[:HEAVIEST]


def read_recipe(dockerfile: Path) -> Recipe:
    """The extras and the trimming of a Dockerfile, so that this page and the image agree."""
    text = dockerfile.read_text().replace("\\\n", "")
    (extras,) = re.findall(r"^ARG EXTRAS=(\S+)$", text, re.M)
    (trim,) = re.findall(r"^RUN (cd /opt/tidemill.*)$", text, re.M)
    return Recipe(extras, trim)


def install(recipe: Recipe, folder: Path) -> None:
    """Make the environment that the Dockerfile makes, at `folder`."""
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-q"]
    constraints = str(ROOT / "constraints.txt")
    subprocess.run([*pip, "-c", constraints, f"{ROOT}[{recipe.extras}]"], check=True)
    trim = recipe.trim.replace("/opt/tidemill", str(folder))
    subprocess.run(["/bin/sh", "-ec", trim], check=True)


def measure(component: str, recipe: Recipe, folder: Path) -> Installed:
    """Bytes of all files of the environment, and of each package in it."""
    (site,) = folder.glob("lib/python3*/site-packages")
    found = distributions(path=[str(site)])
    packages = {each.metadata["Name"].lower(): _size(_files(each)) for each in found}
    return Installed(component, recipe.extras, _size(folder.rglob("*")), packages)


def unwanted(installed: Installed) -> list[str]:
    """Packages the image must not carry, and does."""
    forbidden = (*FORBIDDEN[installed.component], "pip")
    return [name for name in forbidden if name in installed.packages]


def markdown(images: list[Installed]) -> str:
    """The table of the page."""
    rows = [
        f"| {image.component} | `{image.extras}` | {_megabytes(image.size)} | "
        f"{len(image.packages)} | {_heaviest(image)} |"
        for image in images
    ]
    head = "| image | extras | installed, MB | packages | heaviest, MB |"
    return "\n".join([head, "|---|---|--:|--:|---|", *rows])


def write_between(page: Path, marker: str, text: str) -> None:
    """Replace what stands between `<!-- marker -->` and `<!-- end of marker -->`."""
    marked = rf"(<!-- {marker} -->\n).*?(<!-- end of {marker} -->)"
    old = page.read_text()
    page.write_text(re.sub(marked, lambda match: f"{match[1]}{text}\n{match[2]}", old, flags=re.S))


def _files(package: Distribution) -> Iterator[Path]:
    return (Path(str(package.locate_file(file))) for file in package.files or ())


def _size(files: Iterator[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def _heaviest(image: Installed) -> str:
    return ", ".join(f"{name} {_megabytes(image.packages[name])}" for name in image.heaviest)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.0f}"


def main() -> None:
    images = []
    start = ""
    for component, home in FOLDERS.items():
        recipe = read_recipe(ROOT / home / "Dockerfile")
        with tempfile.TemporaryDirectory(prefix="tidemill-image-") as folder:
            install(recipe, Path(folder))
            images.append(measure(component, recipe, Path(folder)))
            if component == "serving":
                start = sentence(measure_start(Path(folder) / "bin" / "python"))
        if unwanted(images[-1]):
            sys.exit(f"the {component} image would carry {', '.join(unwanted(images[-1]))}")
    write_between(PAGE, "sizes", markdown(images))
    write_between(PAGE, "start", start)
    print(markdown(images), start, sep="\n\n")


if __name__ == "__main__":
    main()
