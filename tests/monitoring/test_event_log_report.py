"""The whole report: any log gets one, sound logs get a quiet one."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.page import render_page
from tidemill_monitoring.event_log.report import examine
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status

NAMES = {"page_viewed": 120, "search_done": 60, "cart_filled": 45, "order_completed": 30}


@pytest.fixture
def report_of(log_end):
    def build(con, hours: float = 0.0):
        at = log_end + timedelta(hours=hours)
        return examine(con, Span(at, 14), at, 3, lambda line: None)

    return build


def sound(days_of, days: int = 84, seed: int = 0):
    """Four events with weekdays of their own, two minutes of lag, three properties."""
    rng = np.random.default_rng(seed)
    week = rng.uniform(0.5, 1.5, (len(NAMES), 7))
    for row, (name, rate) in enumerate(NAMES.items()):
        counts = rng.poisson(rate * week[row, np.arange(days) % 7])
        yield days_of(
            name,
            counts.tolist(),
            properties=lambda day, n: json.dumps({"price": n / 2, "size": "L", "page": f"/{n}"}),
            lag=lambda day, n: 120.0 + n,
            device=lambda day, n: f"a{n}",
        )


def verdict_of(report, concern: LogConcern):
    return next(found for found in report.verdicts if found.concern is concern)


def test_a_sound_log_is_quiet(report_of, log_of_days, days_of):
    """Nothing to watch and nothing to do, some hours into the next day."""
    report = report_of(log_of_days(*sound(days_of)), hours=6)
    loud = [v for v in report.verdicts if v.status in (Status.WATCH, Status.ACT)]
    assert loud == []
    assert report.status is Status.OK
    assert len(verdict_of(report, LogConcern.VOLUMES).evidence["days_judged"]) == 14


def test_there_is_one_verdict_for_each_concern(report_of, log_of_days, days_of):
    """In the order in which a person should read them."""
    report = report_of(log_of_days(*sound(days_of, 20)))
    assert [verdict.concern for verdict in report.verdicts] == list(LogConcern)


def test_the_urgent_comes_first(report_of, log_of_days, days_of):
    """A broken event above what is fine."""
    broken = list(sound(days_of))
    broken[0].counts = [*broken[0].counts[:-4], 0, 0, 0, 0]
    report = report_of(log_of_days(*broken))
    assert report.status is Status.ACT
    assert report.urgent_first[0].status is Status.ACT
    assert "`page_viewed`" in verdict_of(report, LogConcern.TRACKING).sentence


def test_a_lost_event_is_said_once(report_of, log_of_days, days_of):
    """Volumes send the reader to tracking, which says what to do."""
    broken = list(sound(days_of))
    broken[1].counts = [*broken[1].counts[:-5], *(n // 2 for n in broken[1].counts[-5:])]
    report = report_of(log_of_days(*broken))
    assert (
        verdict_of(report, LogConcern.VOLUMES).sentence == "`search_done` fell alone: see tracking."
    )


def test_a_fall_of_everything_is_no_tracking_fault(report_of, log_of_days, days_of):
    """An outage, a holiday or less demand."""
    fallen = list(sound(days_of))
    for each in fallen:
        each.counts = [*each.counts[:-2], *(n // 4 for n in each.counts[-2:])]
    report = report_of(log_of_days(*fallen))
    assert "everything fell together" in verdict_of(report, LogConcern.VOLUMES).sentence
    assert verdict_of(report, LogConcern.TRACKING).status is Status.OK


@pytest.mark.parametrize("days", [[], [50], [1], [0, 0, 1], [50] * 13])
def test_small_logs_get_a_report(report_of, log_of_days, days_of, days: list[int]):
    """Empty, of one day, of one event, younger than the judged days."""
    report = report_of(log_of_days(days_of("e", days)), hours=3)
    assert not [v for v in report.verdicts if v.status is Status.ACT]
    assert verdict_of(report, LogConcern.VOLUMES).status is Status.UNDECIDED
    assert "<!doctype html>" in render_page(report, report.span.at)


def test_the_json_holds_json_only(report_of, log_of_days, days_of):
    """No number of numpy's, no set, no NaN."""
    broken = list(sound(days_of))
    broken[0].counts = [*broken[0].counts[:-4], 0, 0, 0, 0]
    facts = report_of(log_of_days(*broken)).to_json()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_names_of_others_cannot_write_into_the_page(report_of, log_of_days, days_of):
    """Event names, properties and reasons come from outside."""
    evil = "<script>alert(1)</script>"
    days = days_of(evil, [40] * 70, properties=lambda d, n: "{}" if d > 65 else f'{{"{evil}": 1}}')
    page = render_page(report_of(log_of_days(days)), report_of(log_of_days(days)).span.at)
    assert evil not in page
    assert "&lt;script&gt;" in page


def test_the_page_draws_alarms_first_and_at_most_sixty_names(report_of, log_of_days, days_of):
    """The rest is counted."""
    many = [days_of(f"name {n:03}", [3] * 60) for n in range(70)]
    broken = days_of("zz rare", [25] * 56 + [0] * 4)
    page = render_page(report_of(log_of_days(*many, broken)), report_of(log_of_days()).span.at)
    assert page.count("<figure>") == 60
    assert page.index("zz rare</code></h3>") < page.index("name 000</code></h3>")
    assert "11 rarer event names" in page
