"""`tidemill objective` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tidemill.cli import objective
from tidemill.home import Home
from tidemill.objective import remember_objective

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    objective.register(app)
    return CliRunner().invoke(app, ["objective", *map(str, arguments)])


def test_valid_files_pass() -> None:
    """Each is said to be valid, with what it predicts."""
    result = run("validate", *sorted(EXAMPLES.glob("*.yaml")))
    assert result.exit_code == 0
    assert "churn.yaml: valid, churn (no order_completed within 28d)" in result.stdout


def test_one_bad_file_fails_all(tmp_path: Path) -> None:
    """Its problems are on stderr, one a line, as compilers print them."""
    bad = tmp_path / "bad.yaml"
    bad.write_text((EXAMPLES / "churn.yaml").read_text().replace("within: 28d", "within: x"))
    result = run("validate", EXAMPLES / "churn.yaml", bad)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{bad}:9: spec.churn.within: a duration")


def test_json_holds_every_problem(tmp_path: Path) -> None:
    """For scripts: file, line, key and message."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: Objective\n")
    (found,) = json.loads(run("validate", "--json", bad).stdout)
    assert found["file"] == str(bad)
    assert {"line": 1, "key": "spec", "message": "missing"} in found["problems"]


def test_known_objectives_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what they predict."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    remember_objective(Home(tmp_path), EXAMPLES / "churn.yaml")
    (found,) = json.loads(run("list", "--json").stdout)
    assert (found["name"], found["target"]) == ("churn", "no order_completed within 28d")
    assert "churn" in run("list").stdout
