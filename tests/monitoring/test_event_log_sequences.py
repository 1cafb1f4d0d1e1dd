"""Counters inside of events give lost events away."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tidemill_monitoring.event_log.arrivals import read_arrivals
from tidemill_monitoring.event_log.sampling import take_sample
from tidemill_monitoring.event_log.sequences import judge_sequences
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status

DEVICES, DAYS = 40, 42


@pytest.fixture
def judge(log_of_days, days_of, log_end):
    """The verdict on a log in which device n sends its `numbered(day, n)`-th event on `day`."""

    def verdict(properties, loss: float = 0.0, seed: int = 0):
        span = Span(log_end, 14)
        days = days_of(
            "tap",
            [DEVICES * 5] * DAYS,
            properties=lambda day, number: json.dumps(properties(day, number)),
            device=lambda day, number: f"d{number % DEVICES}",
        )
        con = log_of_days(days)
        kept = np.random.default_rng(seed).random(DEVICES * 5 * DAYS) >= loss
        con.register("kept", con.sql("FROM events").to_arrow_table().filter(kept))
        con.unregister("events")
        con.execute("CREATE VIEW events AS FROM kept")
        take_sample(con, read_arrivals(con, span), span.recent)
        return judge_sequences(con, span.recent)

    return verdict


def running(day: int, number: int) -> int:
    return day * 5 + number // DEVICES


def test_counters_without_holes_are_fine(judge):
    """Nothing is missing, and the interval says how sure that is."""
    verdict = judge(lambda day, number: {"$sequence": running(day, number)})
    assert verdict.status is Status.OK
    now = verdict.evidence["now"]
    assert (now["missing"], now["streams"]) == (0, DEVICES)
    assert now["upper"] < 0.002


@pytest.mark.parametrize("key", ["$sequence", "sequence_number", "event_id"])
def test_the_loss_is_estimated_with_an_interval(judge, key: str):
    """A tenth of the events, taken out at random, under each name that clients use."""
    verdict = judge(lambda day, number: {key: running(day, number)}, loss=0.1)
    assert verdict.status is Status.ACT
    now = verdict.evidence["now"]
    assert now["lower"] < 0.1 < now["upper"]
    assert now["upper"] - now["lower"] < 0.04


def test_the_interval_holds_what_it_promises(judge):
    """In at least eight of ten logs the true loss lies inside."""
    found = [
        judge(lambda day, number: {"$sequence": running(day, number)}, 0.05, seed).evidence["now"]
        for seed in range(10)
    ]
    assert sum(now["lower"] <= 0.05 <= now["upper"] for now in found) >= 8


def test_a_counter_below_the_context_is_found(judge):
    """Where connectors keep what is no property."""
    numbered = lambda day, number: {"context": {"event_id": running(day, number)}}  # noqa: E731 - short
    verdict = judge(numbered, loss=0.1)
    assert verdict.evidence["counter"] == "$.context.event_id"
    assert verdict.status is Status.ACT


def test_sessions_that_count_from_one_are_streams_of_their_own(judge):
    """No number is missing between sessions."""
    verdict = judge(lambda day, number: {"$sequence": number // DEVICES, "session_id": f"s{day}"})
    assert verdict.evidence["now"]["missing"] == 0


def test_a_counter_that_restarts_is_not_a_loss(judge):
    """The same numbers again say that it began anew; such streams say nothing."""
    verdict = judge(lambda day, number: {"$sequence": running(day, number) % 20 * 3})
    assert verdict.status is Status.UNDECIDED


def test_random_numbers_are_no_counter(judge):
    """An id that happens to be a number has holes everywhere."""
    rng = np.random.default_rng(0)
    verdict = judge(lambda day, number: {"event_id": int(rng.integers(0, 2**40))})
    assert verdict.status is Status.UNDECIDED


def test_without_a_counter_nothing_is_said(judge):
    """Not even that nothing was lost."""
    assert judge(lambda day, number: {"price": 3}).status is Status.UNDECIDED
