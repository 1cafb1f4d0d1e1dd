"""`tidemill experiment`: plan, start, status, analyse, stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from tidemill.cli.main import build_app
from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.experiments.logged import encode_assigned, exposed
from tidemill.experiments.running import ExperimentBook
from tidemill.home import Home
from tidemill.objective import resolve_objective
from tidemill.segments import SegmentLog

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
START = TODAY - timedelta(days=6)
OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: shop}
spec:
  propensity: {event: order, within: 1d}
"""
DECLARED = """
  experiment:
    arms: [{name: old, share: 50%, serve: champion}, {name: new, share: 50%, serve: rule}]
    smallest_effect: 40%
"""

LAYER = """
    layer: {name: pages, start: 10%, share: 20%}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.objectives.mkdir(parents=True)
    (home.objectives / "shop.yaml").write_text(OBJECTIVE + DECLARED)
    return home


@pytest.fixture
def tidemill(home: Home) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner().invoke(build_app(), ["experiment", *words])

    return run


def live(home: Home, old: float, new: float) -> None:
    """A month of visits and orders; for the last six days the running experiment answers."""
    rng, log, rows = np.random.default_rng(2), SegmentLog(home.predictions("shop")), []
    run = ExperimentBook(home).running("shop")
    for day in range(-24, 6):
        at = START + timedelta(days=day, hours=6)
        users = [f"u{day}-{number}" for number in range(150)]
        arms = [None if run is None else run.assign(user) for user in users]
        is_new = [day >= 0 and arm is not None and arm.name == "new" for arm in arms]
        buys = rng.random(150) < np.where(is_new, new, old)
        rows += [(user, "visit", at - timedelta(minutes=1)) for user in users]
        rows += [
            (u, "order", at + timedelta(hours=9)) for u, b in zip(users, buys, strict=True) if b
        ]
        if run is not None and day >= 0:
            at_us = int(at.timestamp() * 1e6)
            log.write(encode_assigned("shop", at_us, users, exposed(run.name, arms)))
    log.close()
    EventLog(home.events).append(pa.Table.from_pylist([event(*row) for row in rows], EVENTS))


def event(user: str, name: str, at: datetime) -> dict[str, Any]:
    known = {"event_id": f"{user} {name}", "name": name, "user_id": user, "properties": "{}"}
    return {**known, "timestamp": at, "received_at": at}


def begin(home: Home) -> None:
    """The declared experiment, running since START."""
    declared = resolve_objective(home, "shop").spec.experiment
    assert declared is not None
    ExperimentBook(home).start("shop", declared, {}, START)


def test_a_plan_says_how_long_it_takes(home, tidemill) -> None:
    """From the history alone, before anything is started."""
    live(home, 0.2, 0.2)
    found = json.loads(tidemill("plan", "shop", "--json").stdout)
    (metric,) = found["metrics"]
    assert metric["baseline"]["mean"] == pytest.approx(0.2, abs=0.02)
    assert 3 < metric["plan"]["days"] < 10
    lifts = [each["lift"] for each in metric["detectable"]]
    assert lifts == sorted(lifts, reverse=True)
    assert "days at present traffic" in tidemill("plan", "shop").stdout


def test_a_plan_without_a_history_is_refused(home, tidemill) -> None:
    """In words, with what is needed."""
    EventLog(home.events).append(pa.Table.from_pylist([event("u", "order", START)], EVENTS))
    with pytest.raises(TidemillError, match="reaches back 0 days") as refused:
        raise tidemill("plan", "shop").exception
    assert "7 are needed" in refused.value.hint


def test_a_decided_experiment_exits_with_0_and_leaves_a_page(home, tidemill) -> None:
    """And its standing, which the status tells without computing anything."""
    begin(home)
    live(home, 0.1, 0.5)
    done = tidemill("analyse", "shop")
    assert (done.exit_code, "Choose `new`" in done.stdout) == (0, True)
    assert "new against old" in (home.reports / "shop-1.html").read_text()
    assert "new, better by outcome" in tidemill("status", "shop").stdout


def test_an_undecided_experiment_exits_with_4(home, tidemill, tmp_path) -> None:
    """As JSON with everything, and the page where it is wanted."""
    begin(home)
    live(home, 0.2, 0.2)
    done = tidemill("analyse", "shop", "--json", "--html", str(tmp_path / "page.html"))
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["verdicts"][0]["answer"]) == (4, "no difference yet")
    assert facts["planned"]["days"] is not None
    assert (tmp_path / "page.html").exists()


def test_segments_can_be_cut_by_a_property(home, tidemill) -> None:
    """Anything else is refused with an example."""
    begin(home)
    live(home, 0.2, 0.2)
    done = tidemill("analyse", "shop", "--json", "--by", "property.country")
    assert [each["name"] for each in json.loads(done.stdout)["segments"]["found"]] == ["unknown"]
    assert "property.country" in tidemill("analyse", "shop", "--by", "country").exception.hint


def test_it_starts_goes_on_and_stops(home, tidemill) -> None:
    """Starting twice changes nothing; a stopped one keeps its reason."""
    for _ in range(2):
        assert "shop-1 runs since" in tidemill("start", "shop").stdout
    assert tidemill("stop", "shop", "--reason", "enough").exit_code == 0
    assert ": enough" in tidemill("status", "shop").stdout
    assert "is running" in str(tidemill("stop", "shop", "--reason", "again").exception)


def test_what_is_not_declared_is_not_started(home, tidemill) -> None:
    """With the line that is missing."""
    (home.objectives / "shop.yaml").write_text(OBJECTIVE)
    assert "holdout: 5%" in tidemill("start", "shop").exception.hint


def test_a_challengers_arm_needs_a_version(home, tidemill) -> None:
    """Nobody guesses which."""
    declared = DECLARED.replace("serve: rule", "serve: challenger")
    (home.objectives / "shop.yaml").write_text(OBJECTIVE + declared)
    assert "--challenger VERSION" in tidemill("start", "shop").exception.hint


def test_an_experiment_that_never_was_is_named(home, tidemill) -> None:
    """With those that were."""
    tidemill("start", "shop")
    refused = tidemill("analyse", "shop", "--number", "7").exception
    assert ("has no experiment 7" in refused.message, "there are: 1" in refused.hint) == (
        True,
        True,
    )


def test_a_start_is_told_as_json(home, tidemill) -> None:
    """Shares as texts, which no float rounds."""
    (home.objectives / "shop.yaml").write_text(OBJECTIVE + DECLARED + LAYER)
    facts = json.loads(tidemill("start", "shop", "--json").stdout)
    assert (facts["experiment"], facts["arms"][0]["share"]) == ("shop-1", "0.5")
    assert facts["slot"] == {"layer": "pages", "start": "0.1", "share": "0.2"}


def test_a_start_says_what_it_ends(home, tidemill) -> None:
    """And only when it ends anything."""
    assert "has ended" not in tidemill("start", "shop").stderr
    assert "has ended" not in tidemill("start", "shop").stderr
    (home.objectives / "shop.yaml").write_text(OBJECTIVE + DECLARED.replace("40%", "30%"))
    assert "shop-1 has ended" in tidemill("start", "shop").stderr


def test_a_start_without_a_model_says_so(home, tidemill) -> None:
    """The experiment waits for the first one."""
    assert "no model of shop is served yet" in tidemill("start", "shop").stderr
    (home.served("shop") / "current").touch()
    assert "served yet" not in tidemill("start", "shop").stderr


def test_before_the_first_whole_day_the_first_look_is_named(home, tidemill) -> None:
    """Instead of saying that nobody was answered, which nobody has looked at."""
    live(home, 0.2, 0.2)
    tidemill("start", "shop")
    said = " ".join(tidemill("analyse", "shop").stdout.split())
    assert f"the first is at {(TODAY + timedelta(days=1)).date()} 00:00 UTC" in said
    assert "Nobody was exposed" not in said
    assert "new: no second opinion yet" in (home.reports / "shop-1.html").read_text()


def test_the_future_is_no_standing(home, tidemill) -> None:
    """The monitor would take it for what is known, once that day has come."""
    begin(home)
    live(home, 0.2, 0.2)
    done = tidemill("analyse", "shop", "--at", (TODAY + timedelta(days=3)).isoformat())
    assert "yet to come" in done.stderr
    assert not home.experiment_standing("shop", 1).exists()


def test_nobody_is_told_to_go_on_with_what_has_ended(home, tidemill) -> None:
    """The advice of an undecided experiment that was stopped."""
    begin(home)
    live(home, 0.2, 0.2)
    tidemill("stop", "shop", "--reason", "enough")
    assert tidemill("analyse", "shop").stdout.startswith("It has ended: `new` is neither")
