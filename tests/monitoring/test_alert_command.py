"""`tidemill monitor` of an alert: one verdict, which remembers what it said."""

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
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.home import Home
from tidemill.objective import known_objectives, resolve_objective
from tidemill.objective.alerting import OBJECTIVE_VARIABLE

START = datetime(2024, 1, 1, tzinfo=UTC)
SHOPS = ("north", "south", "west")
DAYS = 70
Change = Callable[[int, str, int], float]
"""(day, shop, number of the event on its day) to the share that is kept, 0 or 1, or more."""


def at(day: float) -> str:
    return (START + timedelta(days=day)).isoformat()


def fill(home: Home, keep: Callable[[int, str], float] | None = None, days: int = DAYS) -> None:
    """Orders of three shops, some 60 a day each; `keep` says which share of them came."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for day in range(days):
        for shop in SHOPS:
            count = rng.poisson(60 * (1.5 if day % 7 == 5 else 1.0))
            count = round(count * (keep(day, shop) if keep else 1.0))
            for number in range(count):
                when = START + timedelta(days=day, seconds=86_399 * (number + 1) / (count + 1))
                rows.append(
                    {
                        "event_id": f"{shop} {day} {number}",
                        "name": "order",
                        "user_id": f"u{number}",
                        "timestamp": when,
                        "received_at": when,
                        "value": 10.0 if shop == "north" else 20.0,
                        "properties": json.dumps({"shop": shop, "total": "7.5"}),
                    }
                )
    EventLog(home.events).append(pa.Table.from_pylist(rows, schema=EVENTS))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(OBJECTIVE_VARIABLE, raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def alert(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        declared = {
            "apiVersion": "tidemill.dev/v1alpha1",
            "kind": "Objective",
            "metadata": {"name": "orders"},
            "spec": {"alert": {"event": "order", "by": ["property.shop"], **changes}},
        }
        path = tmp_path / "orders.yaml"
        path.write_text(json.dumps(declared))
        return path

    return write


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app(), ["monitor", *map(str, arguments)])


def verdict(*arguments: str | Path) -> dict[str, Any]:
    found = json.loads(run(*arguments, "--json").stdout)
    return dict(found["verdicts"][0])


def south_gone(day: int, shop: str) -> float:
    return 0.0 if day == DAYS - 1 and shop == "south" else 1.0


def test_a_usual_day_is_ok_and_the_alert_is_known_by_its_name(
    home: Home, alert: Callable[..., Path]
) -> None:
    """No training has to bring it into the home."""
    fill(home)
    result = run(alert(), "--at", at(DAYS))
    assert result.exit_code == 0
    assert known_objectives(home) == ["orders"]
    said = verdict("orders", "--at", at(DAYS))
    assert said["status"] == "ok"
    assert "are usual" in said["sentence"]


def test_a_fall_names_the_band_and_the_segment(home: Home, alert: Callable[..., Path]) -> None:
    """And exits with 3."""
    fill(home, south_gone)
    assert run(alert(), "--at", at(DAYS)).exit_code == 3
    said = verdict("orders", "--at", at(DAYS))
    assert "`property.shop` = south explains" in said["sentence"]
    assert "`order` on Sunday, 2024-03-10, where" in said["sentence"]
    evidence = said["evidence"]
    assert evidence["observed"] < evidence["lower"] < evidence["upper"]
    (part,) = evidence["contributors"]
    assert (part["value"], part["observed"]) == ("south", 0.0)
    assert part["explains"] > 0.8


def test_a_fall_of_everything_blames_nobody(home: Home, alert: Callable[..., Path]) -> None:
    """No shop explains more than its usual part."""
    fill(home, lambda day, _: 0.5 if day == DAYS - 1 else 1.0)
    said = verdict(alert(), "--at", at(DAYS))
    assert (said["status"], said["evidence"]["contributors"]) == ("act", [])


def test_the_last_incomplete_day_is_not_judged(home: Home, alert: Callable[..., Path]) -> None:
    """Neither by the clock nor by the end of the log."""
    fill(home, lambda day, _: 0.3 if day == DAYS - 1 else 1.0)
    said = verdict(alert(), "--at", at(DAYS - 0.5))
    assert said["status"] == "ok"
    assert said["evidence"]["until"] == at(DAYS - 1)


def test_the_end_of_the_log_is_no_midnight(home: Home, alert: Callable[..., Path]) -> None:
    """A log that ends at noon holds half of its last day."""
    fill(home)
    EventLog(home.events).append(_orders_until_noon())
    said = verdict(alert())
    assert (said["status"], said["evidence"]["until"]) == ("ok", at(DAYS))


def _orders_until_noon() -> pa.Table:
    rows = [
        {
            "event_id": f"last {number}",
            "name": "order",
            "user_id": "u",
            "timestamp": START + timedelta(days=DAYS, minutes=7 * number),
            "received_at": START + timedelta(days=DAYS, minutes=7 * number),
            "properties": "{}",
        }
        for number in range(100)
    ]
    return pa.Table.from_pylist(rows, schema=EVENTS)


def test_an_incident_is_new_once(home: Home, alert: Callable[..., Path]) -> None:
    """It stays open, and is over after two usual days."""
    fill(home, lambda day, _: 0.4 if day in (60, 61) else 1.0)
    news = [
        (found["status"], found["evidence"].get("incident", {}).get("is_new"))
        for found in (verdict(alert(), "--at", at(day)) for day in (60, 61, 62, 62, 63, 64))
    ]
    assert news == [
        ("ok", None),
        ("act", True),
        ("act", False),
        ("act", False),
        ("act", False),
        ("ok", None),
    ]


def test_what_began_and_ended_between_two_runs_is_said_once(
    home: Home, alert: Callable[..., Path]
) -> None:
    """As a look, because nothing can be done about it any more."""
    fill(home, lambda day, _: 0.4 if day == 60 else 1.0)
    verdict(alert(), "--at", at(59))
    first, second = (verdict("orders", "--at", at(day)) for day in (66, 67))
    assert (first["status"], second["status"]) == ("watch", "ok")
    assert "It is over" in first["sentence"]


def test_late_arrivals_mend_a_fall(home: Home, alert: Callable[..., Path]) -> None:
    """What was judged in the last week is judged again."""
    fill(home, south_gone)
    assert verdict(alert(), "--at", at(DAYS))["status"] == "act"
    rows = [
        {
            "event_id": f"late {number}",
            "name": "order",
            "user_id": "u",
            "timestamp": START + timedelta(days=DAYS - 1, minutes=number),
            "received_at": START + timedelta(days=DAYS, minutes=number / 10),
            "properties": '{"shop": "south"}',
        }
        for number in range(60)
    ]
    EventLog(home.events).append(pa.Table.from_pylist(rows, schema=EVENTS))
    assert verdict("orders", "--at", at(DAYS + 0.1))["status"] == "ok"


def test_a_young_log_says_what_it_needs(home: Home, alert: Callable[..., Path]) -> None:
    """And exits with 4."""
    fill(home, days=12)
    result = run(alert(), "--at", at(12))
    assert result.exit_code == 4
    sentence = verdict("orders", "--at", at(12))["sentence"]
    assert "known for 11 whole days, and 29 are needed" in sentence
    assert "again in 18 days" in sentence


def test_an_event_that_never_came_is_undecided(home: Home, alert: Callable[..., Path]) -> None:
    """A misspelt name is not a fall to zero."""
    fill(home)
    said = verdict(alert(event="ordr"), "--at", at(DAYS))
    assert said["status"] == "undecided"
    assert "holds no `ordr`" in said["sentence"]


@pytest.mark.parametrize(
    ("metric", "least", "most"),
    [("users", 50, 90), ("value", 2000, 4500), ("property.total", 1000, 1800)],
)
def test_users_and_sums_are_watched_too(
    metric: str, least: float, most: float, home: Home, alert: Callable[..., Path]
) -> None:
    """In their own unit."""
    fill(home)
    evidence = verdict(alert(metric=metric), "--at", at(DAYS))["evidence"]
    assert least < evidence["lower"] < evidence["observed"] < evidence["upper"] < most


def test_conditions_narrow_what_is_counted(home: Home, alert: Callable[..., Path]) -> None:
    """A third of the orders is the north's."""
    fill(home)
    narrowed = alert(where={"property.shop": "north"}, by=[])
    assert verdict(narrowed, "--at", at(DAYS))["evidence"]["expected"] == pytest.approx(60, abs=15)


def test_another_definition_begins_anew(home: Home, alert: Callable[..., Path]) -> None:
    """What was judged of orders says nothing about users."""
    fill(home, south_gone)
    verdict(alert(), "--at", at(DAYS))
    verdict(alert(metric="users"), "--at", at(DAYS))
    kept = json.loads((home.monitoring("orders") / "alert.json").read_text())
    assert kept["spec"] == resolve_objective(home, "orders").hash


def test_what_is_remembered_is_in_the_metrics_own_unit(
    home: Home, alert: Callable[..., Path]
) -> None:
    """The unit that judges a sum changes as the log grows; what was said does not."""
    fill(home, south_gone)
    first = verdict(alert(metric="value"), "--at", at(DAYS))["evidence"]["incident"]
    kept = json.loads((home.monitoring("orders") / "alert.json").read_text())
    assert kept["incidents"][-1]["observed"] == pytest.approx(first["observed"], abs=0.01)
    again = verdict("orders", "--at", at(DAYS))["evidence"]["incident"]
    assert {**again, "is_new": True} == first


def test_a_look_back_leaves_what_is_remembered_alone(
    home: Home, alert: Callable[..., Path]
) -> None:
    """`--at` in the past is a question, not news."""
    fill(home)
    verdict(alert(), "--at", at(DAYS))
    before = (home.monitoring("orders") / "alert.json").read_bytes()
    assert verdict("orders", "--at", at(DAYS - 20))["evidence"]["until"] == at(DAYS - 20)
    assert (home.monitoring("orders") / "alert.json").read_bytes() == before


def test_the_page_shows_the_band_and_escapes_names(home: Home, alert: Callable[..., Path]) -> None:
    """Self-contained, beside the verdict."""
    fill(home, south_gone)
    run(alert(where={"property.total": "7.5"}, by=["property.<b>"]), "--at", at(DAYS))
    (folder,) = home.monitoring("orders").glob("2024*")
    page = (folder / "alert.html").read_text()
    assert 'class="band"' in page
    assert 'class="alarm"' in page
    assert "<b>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_operator_hands_the_alert_over(
    home: Home, alert: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The home knows it from then on; the verdict is the termination message."""
    fill(home)
    text = alert().read_text()
    monkeypatch.setenv(OBJECTIVE_VARIABLE, text)
    message = tmp_path / "message"
    assert run("orders", "--at", at(DAYS), "--termination-log", message).exit_code == 0
    said = json.loads(message.read_text())
    assert (said["status"], said["drift"], said["retrain"]) == ("ok", "", False)
    assert known_objectives(home) == ["orders"]
