"""`tidemill assess`: a verdict in the exit code, findings on stdout; trainings start with it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tidemill.cli.main import build_app
from tidemill.errors import NotReadyError
from tidemill.events import EventLog
from tidemill_pipelines import steps
from tidemill_pipelines.assessing.assess import assess

ORDERS = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  propensity: {event: order, within: 14d}
"""


@pytest.fixture
def run(tmp_path, monkeypatch, cutoff):
    """Runs the command in the home below `tmp_path`."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    arguments = ["assess", str(tmp_path / "orders.yaml"), "--at", cutoff.isoformat()]
    return lambda *more: CliRunner().invoke(build_app(), [*arguments, *more])


@pytest.fixture
def files(tmp_path):
    """All files of the home but feature rows and locks."""

    def found():
        paths = (p for p in (tmp_path / "home").rglob("*") if p.is_file())
        return {p for p in paths if not {"features", "locks"} & set(p.parts)}

    return found


def test_a_sound_log_is_ready_and_left_as_it_was(run, tmp_path, home_with, shop_events, files):
    """JSON on stdout, 0 as the exit code; nothing but feature rows is written."""
    home_with(tmp_path, shop_events(300, 150))
    before = files()
    result = run("--json")
    assert result.exit_code == 0, repr(result.exception)
    found = json.loads(result.stdout)
    assert found["verdict"] in ("ready", "ready with warnings")
    assert {"signal", "learning-curve", "need", "gaps"} <= {f["check"] for f in found["findings"]}
    assert files() == before


def test_a_log_without_a_signal_is_not_ready(run, tmp_path, home_with, shop_events):
    """3 as the exit code; what blocks comes first, with what to do."""
    home_with(tmp_path, shop_events(300, 150, habit=False))
    result = run("--json")
    first = json.loads(result.stdout)["findings"][0]
    assert result.exit_code == 3
    assert (first["check"], first["level"]) == ("signal", "blocking")
    assert first["do"]


def test_what_training_refuses_at_once_is_a_finding(run, tmp_path, home_with, shop_events):
    """The checks of the log are made all the same."""
    home_with(tmp_path, shop_events(20, 30))
    result = run("--json")
    found = {f["check"]: f for f in json.loads(result.stdout)["findings"]}
    assert result.exit_code == 3
    assert "covers 30 days" in found["refused"]["seen"]
    assert found["gaps"]["level"] == "ok"


def test_an_empty_log_is_not_ready(tmp_path, monkeypatch):
    """There is no end of the log to ask for, and that is no failure."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    path = tmp_path / "orders.yaml"
    path.write_text(ORDERS)
    result = CliRunner().invoke(build_app(), ["assess", str(path), "--json"])
    assert result.exit_code == 3, repr(result.exception)
    assert "tidemill events import" in json.loads(result.stdout)["findings"][0]["do"]


def test_everything_that_was_found_is_in_the_terminal(run, tmp_path, home_with, shop_events):
    """Each check once, the verdict in words, and the terms that were used."""
    home_with(tmp_path, shop_events(300, 150))
    checks = {each["check"] for each in json.loads(run("--json").stdout)["findings"]}
    text = run().stdout
    assert "Is there enough?" in text
    assert "0.5 is chance" in text
    assert all(check in text for check in checks)


def test_the_page_stands_alone_and_escapes(run, tmp_path, home_with, shop_events):
    """It has the verdict and the curve, and loads nothing."""
    home_with(tmp_path, shop_events(300, 150))
    page = tmp_path / "page.html"
    assert run("--html", str(page)).exit_code == 0
    text = page.read_text()
    assert "<title>orders: ready" in text
    assert "<polyline" in text
    assert "http" not in text.replace("http-equiv", "")


def test_a_training_refuses_what_is_not_ready(
    tmp_path, home_with, shop_events, objective_of, cutoff
):
    """Before features are joined or a model is fitted."""
    home = home_with(tmp_path, shop_events(300, 150, habit=False))
    plan = tmp_path / "plan"
    with pytest.raises(NotReadyError, match="signal: ") as caught:
        steps.validate(
            str(home.root), objective_of().model_dump_json(), cutoff.isoformat(), str(plan)
        )
    assert "record what comes before the outcome" in caught.value.hint
    assert not Path(plan).exists()


@pytest.mark.parametrize("target", ["churn: {within: 14d}", "churn: {event: order, within: 14d}"])
def test_churn_is_assessed_too(tmp_path, home_with, shop_events, objective_of, cutoff, target):
    """The absence of an event is an outcome like any other."""
    home = home_with(tmp_path, shop_events(300, 150))
    with EventLog(home.events).connect() as con:
        found = assess(home, con, objective_of(target, minimum=20), cutoff)
    assert {"signal", "need"} <= {finding.check for finding in found.findings}


def test_what_is_short_says_what_gives_more(tmp_path, home_with, shop_events, objective_of, cutoff):
    """Where everybody has the outcome, a longer horizon would make it worse."""
    home = home_with(tmp_path, shop_events(60, 150, habit=False))
    with EventLog(home.events).connect() as con:
        all_do, none_does = (
            assess(home, con, objective_of(target), cutoff).findings[0]
            for target in (
                "propensity: {event: visit, within: 20d}",
                "churn: {event: visit, within: 20d}",
            )
        )
    assert "negative outcomes" in all_do.seen
    assert "positive outcomes" in none_does.seen
    assert "a shorter `within`" in all_do.do
    assert "a shorter `within`" in none_does.do


def test_a_choice_is_assessed_by_its_log(tmp_path, home_with, shop_events, objective_of, cutoff):
    """Items, outcomes and how the events were collected."""
    home = home_with(tmp_path, shop_events(300, 150))
    target = "recommendation: {event: order, within: 14d, items: {}}"
    with EventLog(home.events).connect() as con:
        found = assess(home, con, objective_of(target), cutoff)
    assert {"gaps", "one-key"} <= {finding.check for finding in found.findings}
