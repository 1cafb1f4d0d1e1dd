"""Event names that stop, appear, or change into each other."""

from __future__ import annotations

import pytest

from tidemill_monitoring.event_log.arrivals import read_arrivals
from tidemill_monitoring.event_log.names import judge_names
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status

DAYS = 70


@pytest.fixture
def judge(log_of_days, days_of, log_end):
    def verdict(**counts):
        con = log_of_days(*(days_of(name, found) for name, found in counts.items()))
        span = Span(log_end, 14)
        return judge_names(con, read_arrivals(con, span), span)

    return verdict


def test_the_same_names_as_ever_are_fine(judge):
    """Rare ones included, which pause for days."""
    verdict = judge(view=[40] * DAYS, refund=[1, 0, 0, 0, 0] * 14)
    assert verdict.status is Status.OK


def test_a_name_that_stopped_is_for_now(judge):
    """With the day of its last event."""
    verdict = judge(view=[40] * DAYS, order=[20] * (DAYS - 5) + [0] * 5)
    assert verdict.status is Status.ACT
    assert "`order` stopped on 2024-05-26; restore its tracking." in verdict.sentence


def test_a_new_name_is_worth_a_look(judge):
    """And an entry in the tracking plan."""
    verdict = judge(view=[40] * DAYS, gift=[0] * (DAYS - 5) + [20] * 5)
    assert verdict.status is Status.WATCH
    assert "New: `gift`" in verdict.sentence


def test_a_renamed_event_is_told_with_its_new_name(judge):
    """It stopped where the other began, at the same volume."""
    halves = [20] * (DAYS - 5) + [0] * 5, [0] * (DAYS - 5) + [21] * 5
    verdict = judge(view=[40] * DAYS, order=halves[0], Order=halves[1])
    assert verdict.evidence["changes"][0]["renamed_to"] == "Order"
    assert verdict.status is Status.ACT


def test_what_stopped_long_ago_is_no_news(judge):
    """Only the judged days are judged."""
    verdict = judge(view=[40] * DAYS, order=[20] * (DAYS - 20) + [0] * 20)
    assert verdict.status is Status.OK


def test_a_young_log_decides_nothing(judge):
    """All of its names are new."""
    assert judge(view=[40] * 15).status is Status.UNDECIDED
