"""What the page about an objective's past shows, from no check to many."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidemill.experiments.running import Experiment, RunningArm
from tidemill.home import Home
from tidemill.objective import resolve_objective
from tidemill.report import past
from tidemill.report.facts import Version
from tidemill.report.history import MonitorRun, monitor_runs
from tidemill.report.history_page import render_history, write_history
from tidemill.report.timelines import Line, panel, timeline, verdict_strip

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def lived(
    home: Home, know_objective: Callable[..., None], write_verdict: Callable[..., Path]
) -> Callable[..., list[MonitorRun]]:
    """`lived("ok", "act", ...)`: a check a week with that verdict on performance."""

    def live(*statuses: str, versions: str = "", **changes: Any) -> list[MonitorRun]:
        know_objective()
        for index, status in enumerate(statuses):
            at = (START + timedelta(weeks=index)).isoformat()
            auc = None if status == "undecided" else 0.8 - 0.01 * index
            found = {"auc": {"observed": auc, "lower": 0.6, "upper": 0.9, "promised": 0.82}}
            number = versions[index] if versions else "1"
            verdict = {"performance": (status, "Ranked `so`.", found if auc else {})}
            write_verdict(at, verdict, status=status, model_version=number, **changes)
        return list(monitor_runs(home, "buying"))[::-1]

    return live


def page_of(home: Home, runs: list[MonitorRun], *versions: Version) -> str:
    return render_history(resolve_objective(home, "buying"), runs, versions, NOON)


def shapes(svg: str, css: str) -> list[ET.Element]:
    return [shape for shape in ET.fromstring(svg) if shape.get("class") == css]  # noqa: S314  # drawn by the code under test


@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_the_page_can_be_drawn_at_any_age(
    count: int, home: Home, lived: Callable[..., list[MonitorRun]]
) -> None:
    """Every drawing is whole SVG with finite places, and the page loads nothing."""
    html = page_of(home, lived(*["ok"] * count))
    drawings = re.findall(r'<svg viewBox="0 0 920.*?</svg>', html, re.S)
    assert len(drawings) == (2 if count else 0)
    assert all(ET.fromstring(svg) is not None for svg in drawings)  # noqa: S314  # our own
    assert not re.search(r"<(script|link|img|iframe)|\b(src|href)=|url\(|@import|\bnan\b", html)


def test_experiments_are_among_what_happened(lived: Callable[..., list[MonitorRun]]) -> None:
    """Their beginning with the arms, their end with the reason, in the order of time."""
    arms = (
        RunningArm("control", Decimal("0.9"), "champion", None),
        RunningArm("new", Decimal("0.1"), "challenger", "2"),
    )
    begun, over = START + timedelta(days=1), START + timedelta(days=20)
    tried = Experiment(1, "buying", "buying-1", None, arms, begun, {}, over, "new is better")
    found = past.happenings(lived("ok", "act"), (), [tried])
    assert [each.kind for each in found] == ["experiment", "act", "experiment"]
    assert [each.words for each in (found[0], found[-1])] == [
        "new is better",
        "control 90.0%, new 10.0%",
    ]


def test_before_the_first_check_the_page_names_the_command(
    home: Home, lived: Callable[..., list[MonitorRun]]
) -> None:
    """Nothing is left empty without a word."""
    assert "tidemill monitor buying" in page_of(home, lived())


def test_an_alarm_is_told_when_it_begins_and_when_it_ends(
    lived: Callable[..., list[MonitorRun]],
) -> None:
    """Not in between, and an undecided check ends nothing."""
    found = past.happenings(lived("ok", "act", "act", "undecided", "act", "ok"), [])
    assert [each.title for each in found] == [
        "performance: act to ok",
        "performance: ok to act",
    ]


def test_a_promotion_is_marked_where_another_version_was_first_found(
    home: Home, lived: Callable[..., list[MonitorRun]]
) -> None:
    """In event time, with the registry's reason, across every drawing."""
    runs = lived("ok", "ok", "ok", versions="112")
    version = Version("2", True, (), NOON, "by hand", "better", "better than the champion")
    (promotion,) = past.happenings(runs, [version])
    assert promotion.at == runs[2].at
    assert promotion.words == "better than the champion"
    svg = verdict_strip(runs, timeline(runs, [promotion]))
    assert [shape.text for shape in shapes(svg, "version")] == ["v2"]


def test_urgency_is_a_height_and_not_only_a_colour(
    lived: Callable[..., list[MonitorRun]],
) -> None:
    """For readers and printers without colours."""
    runs = lived("undecided", "ok", "watch", "act")
    svg = verdict_strip(runs, timeline(runs, []))
    tall = [
        float(shapes(svg, f"fill-{status}")[0].get("height", 0))
        for status in ("undecided", "ok", "watch", "act")
    ]
    assert tall == sorted(set(tall))


def test_a_line_does_not_bridge_what_was_not_measured(
    lived: Callable[..., list[MonitorRun]],
) -> None:
    """Two stretches, and between them nothing."""
    runs = lived("ok", "ok", "undecided", "ok", "ok")
    line = Line(past.measured(runs, "performance", "auc"), "model", has_dots=True)
    svg = panel("AUC", [line], timeline(runs, []), str)
    assert svg is not None
    assert len(shapes(svg, "model")) == 2
    assert len(shapes(svg, "happened")) == 4


def test_what_no_check_has_measured_is_not_drawn(
    lived: Callable[..., list[MonitorRun]],
) -> None:
    """An empty panel would look like a flat line."""
    runs = lived("undecided", "undecided")
    line = Line(past.measured(runs, "performance", "auc"), "model")
    assert panel("AUC", [line], timeline(runs, []), str) is None


def test_names_from_the_log_stay_text(home: Home, lived: Callable[..., list[MonitorRun]]) -> None:
    """A sentence may carry any event's name, and a reason too."""
    wish = {"retrain": True, "reason": "<b>so</b>", "concerns": ["<script>"]}
    html = page_of(home, lived("ok", decision=wish))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_page_lies_beside_the_verdicts(
    home: Home, lived: Callable[..., list[MonitorRun]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is written without a registry, which a monitor's image may lack."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow itself sets it, for a process
    lived("ok")
    path = write_history(home, resolve_objective(home, "buying"), NOON)
    assert path == home.monitoring("buying") / "history.html"
    assert "buying over time" in path.read_text()
    assert not home.mlflow_database.exists()
