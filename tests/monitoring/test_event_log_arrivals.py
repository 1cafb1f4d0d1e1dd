"""Days are compared with what had arrived of earlier days at the same age."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tidemill_monitoring.event_log.arrivals import read_arrivals
from tidemill_monitoring.event_log.forecasts import forecast
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.event_log.volume_verdicts import judge_volumes, measure_volumes
from tidemill_monitoring.verdicts import Status


@pytest.fixture
def late_log(log_of_days, days_of, log_end):
    """A third of all events arrives a day and a half late; `at` cuts off what is still to come."""
    late = lambda day, number: 36 * 3600.0 if number % 3 == 0 else 60.0  # noqa: E731 - two words
    return log_of_days(*(days_of(f"e{n}", [60] * 70, lag=late) for n in range(4)))


def test_a_day_is_expected_to_be_as_complete_as_others_at_its_age(late_log, log_end):
    """Six hours after midnight, an early third of the late ones has come; a day later most."""
    arrivals = read_arrivals(late_log, Span(log_end + timedelta(hours=6), 14))
    newest, before, old = arrivals.complete[0, [-1, -2, -4]]
    assert newest == pytest.approx(2 / 3, abs=0.02)
    assert before == pytest.approx(1 - 1 / 3 * 0.25, abs=0.03)
    assert old == 1.0


def test_events_on_their_way_are_no_loss(late_log, log_end):
    """A day later 92% of the newest day are here, which is usual."""
    span = Span(log_end + timedelta(hours=30), 14)
    verdict = judge_volumes(measure_volumes(read_arrivals(late_log, span), span), span)
    assert verdict.status is Status.OK


def test_a_day_that_is_mostly_still_to_come_is_not_judged(log_of_days, days_of, log_end):
    """Nothing can be said of a day of which a third has usually arrived."""
    late = lambda day, number: 60.0 if number % 3 == 0 else 90_000.0  # noqa: E731 - two words
    con = log_of_days(days_of("e", [60] * 70, lag=late))
    judged = forecast(read_arrivals(con, Span(log_end + timedelta(minutes=5), 14)), 14).judged
    assert judged.tolist() == [True] * 13 + [False]


def test_an_imported_history_counts_as_complete(log_of_days, days_of, log_end):
    """Its arrival times are its own times and tell nothing about lag."""
    arrivals = read_arrivals(log_of_days(days_of("e", [60] * 70)), Span(log_end, 14))
    assert np.all(arrivals.complete == 1.0)


def test_a_backfill_does_not_make_days_look_late(log_of_days, days_of, log_end):
    """A history imported months later, arrival times included, is no lag."""
    months_late = lambda day, number: 60.0 if day >= 40 else 86_400.0 * (69 - day)  # noqa: E731 - short
    con = log_of_days(days_of("e", [60] * 70, lag=months_late))
    arrivals = read_arrivals(con, Span(log_end + timedelta(hours=1), 14))
    assert arrivals.complete.min() > 0.95


def test_what_was_not_known_yet_does_not_count(late_log, log_end):
    """A report about last month says what it would have said then."""
    early = read_arrivals(late_log, Span(log_end - timedelta(days=10), 14))
    assert early.counts[:, -1].tolist() == [40.0] * 4


def test_counts_are_those_of_utc_days(log_of_days, days_of, log_end):
    """The newest day last; the day that has begun is left out."""
    con = log_of_days(days_of("e", [3, 1, 4]))
    counts = read_arrivals(con, Span(log_end + timedelta(hours=5), 2)).counts
    assert counts[0, -4:].tolist() == [0, 3, 1, 4]
