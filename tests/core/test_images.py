"""The images: lean, pinned, without root, and each holding exactly its component's extras."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = {
    "platform": "operator",
    "platform/collector": "collector,online",
    "pipelines": "pipelines,online,sample",
    "serving": "serving,online",
    "monitoring": "monitoring,online",
}
FOLDERS = sorted(EXTRAS)
INSTRUCTIONS = {
    "ADD",
    "ARG",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "FROM",
    "LABEL",
    "RUN",
    "USER",
    "WORKDIR",
}
PAGE = (ROOT / "docs" / "images.md").read_text()
NOT_IN_SERVING = (
    "torch",
    "kfp",
    "mlflow",
    "feast",
    "evidently",
    "pandas",
    "pyarrow",
    "duckdb",
    "deltalake",
    "kubernetes",
)


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile."""

    name: str
    rest: str


def read_steps(folder: str) -> list[Step]:
    text = (ROOT / folder / "Dockerfile").read_text()
    joined = re.sub(r"^#.*\n", "", text, flags=re.M).replace("\\\n", "")
    lines = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [Step(name, rest) for name, rest in lines]


def read_stages(folder: str) -> list[list[Step]]:
    """The arguments before any stage, then each stage with its FROM first."""
    stages: list[list[Step]] = [[]]
    for step in read_steps(folder):
        if step.name == "FROM":
            stages.append([])
        stages[-1].append(step)
    return stages


def the(name: str, stage: list[Step]) -> list[str]:
    """What follows each instruction of this name."""
    return [step.rest for step in stage if step.name == name]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_dockerfile_has_three_stages(folder: str) -> None:
    """Dependencies, then the package, then what runs: code changes leave the big layer alone."""
    head, *stages = read_stages(folder)
    assert {step.name for step in read_steps(folder)} <= INSTRUCTIONS
    assert [step.name for step in head] == ["ARG"]
    assert [the("FROM", stage) for stage in stages] == [
        ["${BASE} AS dependencies"],
        ["dependencies AS package"],
        ["${BASE}"],
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_base_is_an_argument_pinned_to_a_patch(folder: str) -> None:
    """One line moves both stages; `latest`, or a minor version, would move by itself."""
    (base,) = the("ARG", read_stages(folder)[0])
    assert re.fullmatch(r"BASE=python:3\.11\.\d+-slim-bookworm", base)


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_image_holds_its_components_extras(folder: str) -> None:
    """Neither more nor fewer, and pyproject.toml knows each of them."""
    assert f"EXTRAS={EXTRAS[folder]}" in the("ARG", read_stages(folder)[1])
    assert set(EXTRAS[folder].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_versions_come_from_the_constraints(folder: str) -> None:
    """pip reads the file named by PIP_CONSTRAINT, also for the build backend."""
    stage = read_stages(folder)[1]
    assert "pyproject.toml constraints.txt ./" in the("COPY", stage)
    assert "PIP_CONSTRAINT=/src/constraints.txt" in " ".join(the("ENV", stage)).split()


@pytest.mark.parametrize("folder", FOLDERS)
def test_bytecode_survives_the_copy(folder: str) -> None:
    """Valid by hash: builders round file times, and stale bytecode is compiled at every start."""
    settings = " ".join(the("ENV", read_stages(folder)[1])).split()
    assert "SOURCE_DATE_EPOCH=315532800" in settings


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_fetched_but_packages(folder: str) -> None:
    """No ADD, and no download hidden in a RUN."""
    steps = read_steps(folder)
    assert the("ADD", steps) == []
    assert not any(re.search(r"\b(curl|wget|git)\b", run) for run in the("RUN", steps))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_final_stage_only_copies(folder: str) -> None:
    """It has no RUN: what is in the image was made, and is checked, in the other stages."""
    final = read_stages(folder)[-1]
    assert the("RUN", final) == []
    assert the("COPY", final) == [
        "--from=dependencies /opt/tidemill /opt/tidemill",
        "--from=package /package /opt/tidemill",
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_container_is_not_root(folder: str) -> None:
    """By number, because `runAsNonRoot` cannot read names."""
    assert the("USER", read_stages(folder)[-1]) == ["10001:10001"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_entry_point_needs_no_shell(folder: str) -> None:
    """Exec form: signals reach Tidemill, and arguments start with the verb."""
    (entry,) = the("ENTRYPOINT", read_stages(folder)[-1])
    assert json.loads(entry) == ["/opt/tidemill/bin/tidemill"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_root_filesystem_may_be_read_only(folder: str) -> None:
    """Only /tmp is written: the home of a user nobody declared, and no bytecode."""
    final = read_stages(folder)[-1]
    settings = " ".join(the("ENV", final)).split()
    assert {"HOME=/tmp", "USER=tidemill", "PYTHONDONTWRITEBYTECODE=1"} <= set(settings)
    assert the("WORKDIR", final) == ["/tmp"]  # noqa: S108, the folder is the image's own


@pytest.mark.parametrize("folder", FOLDERS)
def test_nobody_is_told_about_its_use(folder: str) -> None:
    """MLflow and Evidently report home unless this says `true`."""
    settings = " ".join(the("ENV", read_stages(folder)[-1])).split()
    assert "DO_NOT_TRACK=true" in settings


@pytest.mark.parametrize("folder", FOLDERS)
def test_python_is_on_the_path(folder: str) -> None:
    """Kubeflow starts steps with `python3 -m kfp.dsl.executor_main`."""
    settings = " ".join(the("ENV", read_stages(folder)[-1])).split()
    assert "PATH=/opt/tidemill/bin:$PATH" in settings


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_secret_enters_a_build(folder: str) -> None:
    """Arguments and variables stay readable in an image's history."""
    steps = read_steps(folder)
    named = " ".join([*the("ARG", steps), *the("ENV", steps)])
    assert not re.search(r"secret|token|password|credential|://[^/\s]*@", named, re.I)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_label_is_the_version(folder: str) -> None:
    """A release moves the label and the header's tag with pyproject.toml."""
    version = PROJECT["project"]["version"]
    (labels,) = the("LABEL", read_stages(folder)[-1])
    assert f"org.opencontainers.image.version={version}" in shlex.split(labels)
    assert f":{version} ." in (ROOT / folder / "Dockerfile").read_text().splitlines()[1]


def test_the_recipes_differ_only_where_components_do() -> None:
    """All of them install, copy and start in the same words."""
    own = re.compile(r"EXTRAS=|PIP_EXTRA_INDEX_URL|apt-get|find numpy|opencontainers|SERVE_HOST")
    shared = {
        tuple(step for step in read_steps(folder) if not own.search(step.rest))
        for folder in FOLDERS
    }
    assert len(shared) == 1
    assert len(shared.pop()) >= 14


def in_context(path: str) -> bool:
    """Whether a file is sent to the builder: the last line of .dockerignore that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not line.startswith("#") and _fits(path, pattern):
            sent = line.startswith("!")
    return sent


def _fits(path: str, pattern: str) -> bool:
    anywhere = pattern.startswith("**/")
    tails = path.split("/") if anywhere else [path.partition("/")[0]]
    return any(fnmatch.fnmatch(tail, pattern.removeprefix("**/")) for tail in tails)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".tidemill/online.db",
        "tests/conftest.py",
        "docs/images/report.png",
        "helm/tidemill/values.yaml",
        ".env",
        "serving/Dockerfile",
        "platform/tidemill/__pycache__/home.cpython-311.pyc",
    ],
)
def test_the_context_leaves_out(path: str) -> None:
    """Nothing private, and nothing that would undo the cache."""
    assert not in_context(path)


def test_the_context_has_all_that_the_wheel_is_made_of() -> None:
    """What hatchling reads from the repository is sent to the builder."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    sources = [f"{package}/__init__.py" for package in wheel["packages"]]
    sources += [f"{folder}/x.yaml" for folder in wheel["force-include"]]
    sources += ["pyproject.toml", "constraints.txt", PROJECT["project"]["readme"], "LICENSE"]
    assert [path for path in sources if not in_context(path)] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_empty_package_builds(folder: str, tmp_path: Path) -> None:
    """The dependency layer's stand-in for the code satisfies hatchling."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (install,) = [run for run in the("RUN", read_stages(folder)[1]) if "[${EXTRAS}]" in run]
    prepare = [part for part in install.split("&&") if "pip" not in part and "venv" not in part]
    subprocess.run(["/bin/sh", "-ec", "&&".join(prepare)], cwd=tmp_path, check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", str(tmp_path)]
    assert subprocess.run(build, capture_output=True, check=False).returncode == 0


def test_serving_starts_without_what_its_image_lacks() -> None:
    """An import of torch, kfp, MLflow or pandas on its way would end the container at once."""
    code = f"""
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {NOT_IN_SERVING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
for name in ("server", "app", "grpc_v2", "batch", "repository", "cli"):
    importlib.import_module("tidemill_serving." + name)
from tidemill.cli.main import build_app
build_app()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_page_tells_each_images_size(folder: str) -> None:
    """`make image-sizes` was run after the last change of an image's extras."""
    assert re.search(rf"^\| \w+ \| `{EXTRAS[folder]}` \| \d+ \| \d+ \|", PAGE, re.M)


def test_the_page_names_the_base() -> None:
    """The table's sizes stand on it."""
    assert the("ARG", read_stages("serving")[0])[0].removeprefix("BASE=") in PAGE
