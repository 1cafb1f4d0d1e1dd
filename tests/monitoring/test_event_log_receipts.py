"""Refused, duplicate and marked events, by what the log's receipts and marks say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.marked import judge_marked, read_marked
from tidemill_monitoring.event_log.receipts import (
    judge_duplicates,
    judge_refused,
    read_receipts,
)
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status


@pytest.fixture
def receipt(log_end):
    def build(channel: str, accepted: int, duplicates: int = 0, days_ago: float = 1) -> dict:
        at = log_end - timedelta(days=days_ago)
        none = {"rejected": 0, "repeats": 0, "bots": 0, "clock_offset": None}
        counts = {"accepted": accepted, "duplicates": duplicates}
        return {"at": at, "channel": channel, **counts, **none}

    return build


@pytest.fixture
def dead(log_end):
    def build(reason: str, count: int, days_ago: float = 1) -> list[dict]:
        at = log_end - timedelta(days=days_ago)
        return [
            {"received_at": at, "reason": reason, "source": "s", "line": n, "raw": "{}"}
            for n in range(count)
        ]

    return build


@pytest.mark.parametrize(
    ("count", "status"), [(0, Status.OK), (3, Status.OK), (20, Status.WATCH), (120, Status.ACT)]
)
def test_refused_events_count_by_their_share(
    log_of_days, receipt, dead, log_end, count: int, status: Status
):
    """Of about a thousand: a few are ordinary, a fiftieth is worth a look, a tenth is for now."""
    con = log_of_days(receipts=[receipt("web", 1_000)], dead_letters=dead("no name", count))
    verdict = judge_refused(*read_receipts(con, log_end, 14))
    assert verdict.status is status
    assert verdict.evidence["refused"] == count


def test_reasons_and_days_are_told_apart(log_of_days, receipt, dead, log_end):
    """The most frequent reason first."""
    letters = [*dead("plan: total is text", 8), *dead("no name", 2, 2)]
    con = log_of_days(receipts=[receipt("web", 90)], dead_letters=letters)
    evidence = judge_refused(*read_receipts(con, log_end, 14)).evidence
    assert list(evidence["by_reason"]) == ["plan: total is text", "no name"]
    assert ["2024-05-30", "no name", 2] in evidence["by_day"]


def test_what_was_refused_last_month_is_over(log_of_days, receipt, dead, log_end):
    """Nor does what will be refused tomorrow count."""
    letters = [*dead("no name", 9, 20), *dead("no name", 9, -1)]
    con = log_of_days(receipts=[receipt("web", 10)], dead_letters=letters)
    assert judge_refused(*read_receipts(con, log_end, 14)).status is Status.OK


def test_a_channel_that_sends_much_twice_is_worth_a_look(log_of_days, receipt, log_end):
    """By channel: a quiet one does not hide a loud one."""
    con = log_of_days(receipts=[receipt("web", 100_000, 50), receipt("app", 700, 300)])
    verdict = judge_duplicates(read_receipts(con, log_end, 14)[0])
    assert verdict.status is Status.WATCH
    assert "30% of what `app` sent" in verdict.sentence


def test_importing_a_file_again_is_nothing(log_of_days, receipt, log_end):
    """Which is safe, and all duplicates."""
    con = log_of_days(receipts=[receipt("import", 0, 5_000), receipt("web", 900, 9)])
    assert judge_duplicates(read_receipts(con, log_end, 14)[0]).status is Status.OK


def marks_of(log_of_days, days_of, log_end, marked_days, share: int, reason: str = "repeat"):
    """A log of 42 days with 50 clicks each, of which every `share`th of `marked_days` is marked."""
    marks = [
        {"event_id": f"click {day} {n}", "reason": reason, "marked_at": log_end}
        for day in marked_days
        for n in range(0, 50, share)
    ]
    con = log_of_days(days_of("click", [50] * 42), marks=marks)
    totals = {"click": (50 * 14, 50 * 28)}
    return judge_marked(read_marked(con, totals, Span(log_end, 14).recent), 50 * 14)


def test_a_button_that_suddenly_sends_twice_is_found(log_of_days, days_of, log_end):
    """Half of its clicks are repeats now, and none was before."""
    verdict = marks_of(log_of_days, days_of, log_end, range(28, 42), 2)
    assert (verdict.concern, verdict.status) == (LogConcern.MARKS, Status.WATCH)
    assert "50% of `click` are repeats (0% before)" in verdict.sentence


def test_a_button_that_always_did_is_no_news(log_of_days, days_of, log_end):
    """Nothing has changed, and nobody has to look again."""
    assert marks_of(log_of_days, days_of, log_end, range(42), 3).status is Status.OK


def test_bots_are_named_as_such(log_of_days, days_of, log_end):
    """With their own threshold and advice."""
    verdict = marks_of(log_of_days, days_of, log_end, range(28, 42), 10, "bot")
    assert verdict.status is Status.WATCH
    assert "bot-like" in verdict.sentence
