"""Properties that vanish, appear, turn null or change their type; and those that do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill_monitoring.event_log.arrivals import read_arrivals
from tidemill_monitoring.event_log.properties import judge_properties, read_uses
from tidemill_monitoring.event_log.sampling import take_sample
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.verdicts import Status

DAYS = 42
BREAKS = DAYS - 3
SOUND = '{"price": 12.5, "size": "L"}'


@pytest.fixture
def judge(log_of_days, days_of, log_end):
    """The verdict on a log whose properties of a (day, number) are given."""

    def verdict(properties, count: int = 80) -> Any:
        span = Span(log_end, 14)
        con = log_of_days(days_of("order", [count] * DAYS, properties=properties))
        take_sample(con, read_arrivals(con, span), span.recent)
        return judge_properties(read_uses(con, span.recent.days), span.recent)

    return verdict


def broken(after: str):
    return lambda day, number: after if day >= BREAKS else SOUND


def changes(verdict) -> list[tuple[str, str, str]]:
    return [(each["key"], each["kind"], each["since"]) for each in verdict.evidence["changes"]]


def test_properties_as_ever_are_fine(judge):
    """Whatever their values; a property of half the events varies by chance."""
    sometimes = '{"coupon": 3, "price": 1}'
    verdict = judge(lambda day, number: sometimes if (day * 7 + number) % 13 < 6 else SOUND)
    assert verdict.status is Status.OK
    assert verdict.evidence["changes"] == []


def test_a_property_that_vanished_is_for_now(judge):
    """Named with its event and the day."""
    verdict = judge(broken('{"price": 12.5}'))
    assert verdict.status is Status.ACT
    assert changes(verdict) == [("size", "vanished", "2024-05-29")]
    assert "`size` of `order` vanished on 2024-05-29" in verdict.sentence


def test_a_new_property_is_worth_a_look(judge):
    """It breaks nothing."""
    verdict = judge(broken('{"gift": true, "price": 12.5, "size": "L"}'))
    assert verdict.status is Status.WATCH
    assert changes(verdict) == [("gift", "appeared", "2024-05-29")]


def test_a_number_that_became_text_is_for_now(judge):
    """Sums over it are wrong from that day on."""
    verdict = judge(broken('{"price": "12.5", "size": "L"}'))
    assert verdict.status is Status.ACT
    assert changes(verdict) == [("price", "type", "2024-05-29")]
    (change,) = verdict.evidence["changes"]
    assert (change["type_before"], change["type_now"]) == ("number", "text")


def test_whole_numbers_are_numbers(judge):
    """12 and 12.5 are no change of type."""
    assert judge(broken('{"price": 12, "size": "L"}')).status is Status.OK


def test_a_property_that_became_null_is_found(judge):
    """It is still there, and empty."""
    verdict = judge(broken('{"price": null, "size": "L"}'))
    assert changes(verdict) == [("price", "null", "2024-05-29")]


def test_a_weekend_habit_is_no_change(judge):
    """A property that is rare on two days of each week is not vanishing on Saturdays."""
    weekend = lambda day, number: day % 7 in (0, 1) and number % 10 > 3  # noqa: E731 - one use
    verdict = judge(lambda day, number: "{}" if weekend(day, number) else SOUND)
    assert verdict.status is Status.OK


def test_few_events_decide_nothing(judge):
    """Three events a day for three days could be chance."""
    assert judge(broken("{}"), count=3).status is Status.OK


def test_frequent_events_are_sampled(log_of_days, days_of, log_end):
    """A thousand a day are represented by some two hundred, a rare one by all of its own."""
    span = Span(log_end, 14)
    con = log_of_days(days_of("many", [1_000] * DAYS), days_of("few", [5] * DAYS))
    take_sample(con, read_arrivals(con, span), span.recent)
    rows = dict(con.execute("SELECT name, count(*) FROM event_sample GROUP BY name").fetchall())
    assert rows["few"] == 5 * DAYS
    assert 150 * DAYS < rows["many"] < 260 * DAYS


def test_a_million_keys_do_not_take_the_memory(judge):
    """Of an event whose keys are ids, the hundred most frequent are looked at."""
    verdict = judge(lambda day, number: f'{{"k{day}_{number}": 1, "price": 2}}')
    assert verdict.evidence["properties"] <= 100
    assert verdict.status is Status.OK
