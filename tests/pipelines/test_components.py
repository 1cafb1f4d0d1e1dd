"""The Kubeflow wrappers: artifacts around the same plain functions."""

import ast
import json
from pathlib import Path

import pytest
from kfp import dsl

import tidemill_pipelines
from tidemill.errors import BundleError, NotReadyError, PipelineError
from tidemill_pipelines import components
from tidemill_pipelines.reporting import read_error, reported

MAY_KNOW_KFP = {"components.py", "pipeline.py", "local_run.py", "cluster.py", "compiled.py"}


def artifact(kind, path):
    return kind(name=path.name, uri=str(path))


@pytest.mark.parametrize(("lower", "passes"), [(0.01, True), (-0.01, False)])
def test_the_gate_answers_with_one_value(tmp_path, objective_of, lower, passes, capsys):
    """A condition on anything else than a single value is skipped by the local runner."""
    facts = {"over_baseline": {"difference": 0.1, "lower": lower, "upper": 0.2}}
    path = tmp_path / "evaluation"
    path.write_text(json.dumps({**facts, "over_champion": None}))
    found = components.quality_gate.python_func(
        home=str(tmp_path / "home"),
        objective=objective_of().model_dump_json(),
        version="1",
        evaluation=artifact(dsl.Artifact, path),
    )
    assert found is passes
    assert "tidemill: gate: " in capsys.readouterr().out


def test_validate_writes_the_plan_and_logs_counts(
    tmp_path, home_with, shop_events, objective_of, cutoff
):
    """Both come from the same check."""
    home = home_with(tmp_path, shop_events(150, 100))
    metrics = artifact(dsl.Metrics, tmp_path / "metrics")
    components.validate.python_func(
        home=str(home.root),
        objective=objective_of().model_dump_json(),
        at=cutoff.isoformat(),
        readiness=artifact(dsl.Artifact, tmp_path / "plan"),
        metrics=metrics,
    )
    plan = json.loads((tmp_path / "plan").read_text())
    *train, test = plan["counts"]
    assert metrics.metadata["training_rows"] == sum(count["users"] for count in train)
    assert metrics.metadata["test_positives"] == test["positives"]
    assert plan["test"] == test["cutoff"]


def test_an_expected_error_is_one_line_that_can_be_read_back(capsys):
    """The runner keeps stdout, and nothing else, of a failed step."""
    with pytest.raises(NotReadyError), reported("", "not JSON"):
        raise NotReadyError("9 users\nonly", hint="wait")
    (line,) = capsys.readouterr().out.splitlines()
    error = read_error(f"    {line}")
    assert type(error) is NotReadyError
    assert (error.message, error.hint) == ("9 users\nonly", "wait")


def test_other_errors_of_ours_become_pipeline_errors(capsys):
    """Only a refusal is told apart."""
    with pytest.raises(BundleError), reported("", "not JSON"):
        raise BundleError("broken")
    assert type(read_error(capsys.readouterr().out.strip())) is PipelineError


def test_a_bug_is_not_dressed_up(capsys):
    """An unexpected exception keeps its traceback."""
    with pytest.raises(ZeroDivisionError), reported("", "not JSON"):
        raise ZeroDivisionError
    assert capsys.readouterr().out == ""
    assert read_error("anything else") is None


def test_steps_know_nothing_of_kubeflow():
    """Plain functions: testable, and portable to another runner."""
    folder = Path(tidemill_pipelines.__file__).parent
    knowing = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            module = getattr(node, "module", None) or ""
            if any(name.split(".")[0] == "kfp" for name in (module, *names)):
                knowing.add(path.name)
    assert knowing == MAY_KNOW_KFP
