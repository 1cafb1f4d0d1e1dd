"""Lag, clocks, and who events belong to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidemill_monitoring.event_log.daily import read_ids, read_lags
from tidemill_monitoring.event_log.identity import judge_identity, read_devices, read_joins
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.event_log.timing import (
    judge_clocks,
    judge_lag,
    read_offsets,
    spell_seconds,
)
from tidemill_monitoring.verdicts import Status

DAYS = 70


@pytest.fixture
def lag_verdict(log_of_days, days_of, log_end):
    def judge(lag):
        con = log_of_days(days_of("e", [120] * DAYS, lag=lag))
        span = Span(log_end, 14).recent
        return judge_lag(read_lags(con, span), span)

    return judge


def test_the_usual_lag_is_fine(lag_verdict):
    """However long it is."""
    assert lag_verdict(lambda day, number: 7_200.0).status is Status.OK


def test_a_lag_that_grew_from_minutes_to_hours_is_worth_a_look(lag_verdict):
    """Features of the last hours are made without those events."""
    verdict = lag_verdict(lambda day, number: 20_000.0 if day >= DAYS - 4 else 60.0)
    assert verdict.status is Status.WATCH
    assert "within 6 h (60 s before)" in verdict.sentence


def test_a_lag_of_days_is_for_now(lag_verdict):
    """From an hour to two days."""
    slow = lambda day, number: 180_000.0 if day >= DAYS - 6 else 3_600.0  # noqa: E731 - one use
    assert lag_verdict(slow).status is Status.ACT


def test_a_history_without_arrivals_has_no_lag(lag_verdict):
    """It says so instead of 0 s."""
    assert "say nothing of their lag" in lag_verdict(lambda day, number: 0.0).sentence


def test_an_import_of_last_year_is_no_lag(lag_verdict):
    """It is counted apart."""
    verdict = lag_verdict(lambda day, number: 86_400.0 * 30 if number % 10 == 0 else 60.0)
    assert verdict.status is Status.OK
    assert verdict.evidence["backfilled"] > 0


def test_events_after_their_own_arrival_are_found(log_of_days, days_of, log_end):
    """A twentieth of them, by a clock that is an hour ahead and cannot be corrected."""
    ahead = lambda day, number: -3_500.0 if number % 20 == 0 else 5.0  # noqa: E731 - one use
    span = Span(log_end, 14).recent
    lags = read_lags(log_of_days(days_of("e", [120] * DAYS, lag=ahead)), span)
    verdict = judge_clocks(lags, [], span)
    assert verdict.status is Status.WATCH
    assert verdict.evidence["ahead"] == pytest.approx(0.05 * 14 * 120, abs=2)


@pytest.mark.parametrize(("offset", "status"), [(2.0, Status.OK), (-4_000.0, Status.WATCH)])
def test_clocks_that_are_far_off_are_named(log_of_days, log_end, offset: float, status: Status):
    """By channel, although their events were corrected."""
    counts = {"accepted": 9, "duplicates": 0, "rejected": 0, "repeats": 0, "bots": 0}
    receipt = {"at": log_end - timedelta(days=1), "channel": "tv", **counts, "clock_offset": offset}
    con = log_of_days(receipts=[receipt] * 20)
    span = Span(log_end, 14).recent
    verdict = judge_clocks(read_lags(con, span), read_offsets(con, log_end, 14), span)
    assert verdict.status is status
    assert verdict.evidence["offsets"][0]["median"] == offset


def test_spans_are_spelled_as_people_do() -> None:
    """Two digits are enough."""
    assert [spell_seconds(s) for s in (35, 720, 25_000, 260_000)] == [
        "35 s", "12 min", "7 h", "3.0 days",
    ]  # fmt: skip


@pytest.fixture
def identity_verdict(log_of_days, days_of, log_end):
    def judge(user=None, device=None, joins=None):
        each = days_of("e", [100] * DAYS)
        each.user = user or each.user
        each.device = device or each.device
        con = log_of_days(each, identity_owners=owners(joins or [], log_end))
        span = Span(log_end, 14)
        return judge_identity(
            read_ids(con, span.recent),
            read_joins(con, span),
            read_devices(con, span.recent, 3),
            span.recent,
        )

    return judge


def owners(joins: list[int], log_end) -> list[dict]:
    """So many joins on each day, the last of which ends with the log."""
    return [
        {
            "anonymous": True,
            "id": f"a{day} {number}",
            "user_id": f"u{number}",
            "since": log_end - timedelta(days=len(joins) - day, hours=-(number % 24)),
        }
        for day, count in enumerate(joins)
        for number in range(count)
    ]


def test_a_steady_share_of_visitors_is_fine(identity_verdict):
    """A third is anonymous, as ever; joins go on."""
    verdict = identity_verdict(
        lambda day, n: None if n % 3 == 0 else f"u{n}", lambda day, n: f"a{n}", [20] * DAYS
    )
    assert verdict.status is Status.OK
    assert verdict.evidence["anonymous_share"] == pytest.approx(0.34)
    assert sum(verdict.evidence["joins_by_day"][-14:]) == 280


def test_users_that_are_not_set_any_more_are_found(identity_verdict):
    """From a tenth to a half without a user."""
    anonymous = lambda day, n: n % (2 if day >= DAYS - 4 else 10) == 0  # noqa: E731 - one use
    verdict = identity_verdict(
        lambda day, n: None if anonymous(day, n) else f"u{n}", lambda day, n: f"a{n}"
    )
    assert verdict.status is Status.WATCH
    assert "50% of events have no user, 10% before 2024-05-28" in verdict.sentence


def test_joins_that_stopped_are_for_now(identity_verdict):
    """Somebody removed the call of identify."""
    verdict = identity_verdict(joins=[20] * (DAYS - 8) + [0] * 8)
    assert verdict.status is Status.ACT
    assert "join users less often: 0 in the last week, 140 usual" in verdict.sentence


def test_a_till_that_everybody_uses_is_a_shared_device(identity_verdict):
    """More users than the tracking plan takes for one person."""
    verdict = identity_verdict(device=lambda day, n: "till" if n < 50 else f"a{n % 10}")
    assert verdict.evidence["shared"] == 11
    assert "reset the anonymous id at logout" in verdict.sentence


@pytest.mark.parametrize("junk", ["null", "UNDEFINED", "0000-0000", " anonymous "])
def test_ids_of_nobody_are_found(identity_verdict, junk: str):
    """They would make one person of many."""
    verdict = identity_verdict(lambda day, n: junk if n == 0 else f"u{n}")
    assert verdict.status is Status.WATCH
    assert verdict.evidence["junk_events"] == 14
