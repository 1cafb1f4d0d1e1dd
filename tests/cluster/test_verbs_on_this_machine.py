"""`tidemill apply` and `tidemill logs` without a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tidemill.cli.main import build_app
from tidemill.errors import TidemillError
from tidemill.home import Home

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, and no cluster."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIDEMILL_CONTEXT", raising=False)
    return Home.from_environment()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), [*map(str, arguments)])


def test_applied_objectives_are_known_by_name(here: Home, tmp_path: Path) -> None:
    """In the same words as on a cluster."""
    file = tmp_path / "churn.yaml"
    file.write_text((EXAMPLES / "churn.yaml").read_text())
    assert run("apply", file).stdout == "churn created\n"
    assert run("apply", file).stdout == "churn unchanged\n"
    file.write_text(file.read_text().replace("28d", "14d"))
    assert json.loads(run("apply", file, "--json").stdout) == [
        {"name": "churn", "result": "configured"}
    ]
    assert "14d" in (here.objectives / "churn.yaml").read_text()


def test_a_bad_file_leaves_the_home_alone(here: Home, tmp_path: Path) -> None:
    """All or nothing."""
    (tmp_path / "bad.yaml").write_text("kind: Objective\n")
    assert run("apply", EXAMPLES / "churn.yaml", tmp_path / "bad.yaml").exit_code == 1
    assert not here.objectives.exists()


def test_the_log_is_that_of_the_newest_run(here: Home) -> None:
    """Whole."""
    for started in ("20260101T000000.0", "20260102T000000.0"):
        folder = here.runs / "churn" / started
        folder.mkdir(parents=True)
        (folder / "run.log").write_text(f"began {started}\n")
    assert run("logs", "churn").stdout == "began 20260102T000000.0\n"


@pytest.mark.parametrize("of", ["training", "serving", "monitoring"])
def test_a_log_that_is_not_kept_is_an_error(of: str) -> None:
    """With what to do instead."""
    result = run("logs", "churn", "--of", of)
    assert isinstance(result.exception, TidemillError)
    assert "`tidemill " in str(result.exception.hint)
