"""Days are judged one by one; what is unusual is one incident from its beginning to its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_monitoring.alerting.series import Series
from tidemill_monitoring.alerting.watching import BOTH, Watch, first_judgeable, watch
from tidemill_monitoring.forecasting.regression import expect

START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = np.array([1.0, 1.1, 0.9, 1.0, 1.3, 0.6, 0.5])
Counts = NDArray[np.float64]


def weekly(days: int, level: float = 1000, seed: int = 0) -> Counts:
    rate = level * WEEK[np.arange(days) % 7]
    return np.random.default_rng(seed).poisson(rate).astype(np.float64)


def hourly(days: int, level: float = 100, seed: int = 0) -> Counts:
    """A quiet night, a busy evening."""
    rate = level * (1.2 + np.sin(2 * np.pi * (np.arange(24 * days) % 24) / 24))
    return np.random.default_rng(seed).poisson(rate).astype(np.float64)


def series_of(counts: Counts, every: timedelta = timedelta(days=1), unit: float = 1.0) -> Series:
    return Series(START, every, counts, unit, np.ones(len(counts)), np.zeros(len(counts)))


def judged(counts: Counts, newest: int) -> Watch:
    return watch(series_of(counts), BOTH, len(counts) - newest, {})


@pytest.mark.parametrize("seed", range(5))
def test_a_weekly_rhythm_is_nothing_unusual(seed: int) -> None:
    """Eight weeks, with weekdays that differ by a factor of 2.6."""
    assert judged(weekly(150, seed=seed), 56).incidents == []


@pytest.mark.parametrize(("factor", "kind"), [(0.6, "fell"), (1.6, "rose")])
def test_a_change_is_found_on_its_day(factor: float, kind: str) -> None:
    """One incident of one day, outside of its band, and it says which way."""
    counts = weekly(120)
    counts[-1] *= factor
    found = judged(counts, 14)
    (incident,) = found.incidents
    assert (incident.kind, incident.first, incident.is_open) == (kind, 119, True)
    single = found.points[119].single
    assert not single.lower <= single.observed <= single.upper
    assert incident.ratio == pytest.approx(factor, abs=0.1)


def test_a_loss_that_lasts_is_one_incident_until_it_ends() -> None:
    """Nine days; two usual days close it."""
    counts = weekly(140)
    counts[110:119] *= 0.6
    found = judged(counts, 40)
    (incident,) = found.incidents
    assert (incident.first, incident.last, incident.is_open) == (110, 118, False)
    assert incident.is_serious


def test_a_loss_does_not_become_what_is_expected() -> None:
    """On its thirteenth day it lies as far below as on its first, in a log of two months too."""
    counts = weekly(60)
    counts[47:] *= 0.6
    found = judged(counts, 20)
    for day in (47, 59):
        single = found.points[day].single
        assert single.observed / single.expected == pytest.approx(0.6, abs=0.07)


def test_after_two_weeks_the_new_level_is_the_usual_one() -> None:
    """The incident ends, and the next day at that level is as expected."""
    counts = weekly(150)
    counts[110:] *= 0.6
    found = judged(counts, 45)
    (incident,) = found.incidents
    assert (incident.is_open, incident.last) == (False, 123)
    assert incident.settled == pytest.approx(0.6, abs=0.05)
    last = found.points[149].single
    assert last.lower <= last.observed <= last.upper


def test_an_event_that_stopped_may_come_back() -> None:
    """After two weeks of nothing, nothing is usual; then its return is a rise."""
    counts = weekly(150)
    counts[110:149] = 0
    found = judged(counts, 45).incidents
    assert [(each.kind, each.first, each.last) for each in found] == [
        ("fell", 110, 123),
        ("rose", 149, 149),
    ]


def test_a_slow_loss_is_seen_in_a_run_of_days() -> None:
    """Days that pass one by one may not pass together."""
    rng = np.random.default_rng(3)
    counts = np.round(weekly(140) * np.exp(rng.normal(0, 0.06, 140)))
    counts[-3:] *= 0.78
    incidents = judged(counts, 14).incidents
    assert [incident.kind for incident in incidents] == ["fell"]


def test_far_out_is_serious_at_once_and_a_little_out_is_not() -> None:
    """A fall to 0.6 asks to act; one to 0.8 only to look."""
    far, little = weekly(120), weekly(120)
    far[-1] *= 0.5
    little[-1] *= 0.79
    assert judged(far, 5).incidents[0].is_serious
    (incident,) = judged(little, 5).incidents
    assert not incident.is_serious


@pytest.mark.parametrize("seed", [2, 3])
def test_a_day_without_business_is_expected_to_have_none(seed: int) -> None:
    """Neither a fall, nor an outlier that the forecast leaves out."""
    rng = np.random.default_rng(seed)
    week = np.append(np.exp(rng.normal(0, 0.4, 7))[:6], 0.0)
    counts = rng.poisson(1000 * week[np.arange(140) % 7]).astype(np.float64)
    assert judged(counts, 28).incidents == []
    assert expect(counts[None, :139], np.ones((1, 139), bool), 1)[0, 0] < 5


def test_rare_events_are_judged_as_rare_events() -> None:
    """None on a day where two are expected is chance; twenty are not."""
    counts = weekly(150, level=2.0)
    counts[-2] = 0
    assert judged(counts, 14).incidents == []
    counts[-1] = 20
    (incident,) = judged(counts, 14).incidents
    assert incident.kind == "rose"


def test_only_the_direction_that_matters_alerts() -> None:
    """A rise is nothing where only falls are asked for."""
    counts = weekly(120)
    counts[-1] *= 2
    assert watch(series_of(counts), ("fell",), 110, {}).incidents == []


def test_what_was_unusual_last_year_may_happen_again() -> None:
    """A holiday on the same weekday; without a full year before, it would be a fall."""
    days = 364 + 60
    counts = weekly(days + 1)
    counts[60] *= 0.3
    counts[-1] *= 0.3
    assert judged(counts, 3).incidents == []
    counts[60] /= 0.3
    assert [incident.kind for incident in judged(counts, 3).incidents] == ["fell"]


def test_a_day_that_is_not_complete_is_compared_with_its_share() -> None:
    """Four fifths have usually arrived by now: that is no fall. Half is not judged at all."""
    counts = weekly(120)
    counts[-1] *= 0.8
    complete = np.ones(120)
    complete[-1] = 0.8
    late = Series(START, timedelta(days=1), counts, 1.0, complete, np.zeros(120))
    assert watch(late, BOTH, 115, {}).incidents == []
    complete[-1] = 0.5
    assert max(watch(late, BOTH, 115, {}).points) == 118


def test_hours_are_judged_by_the_hour_of_the_day() -> None:
    """A quiet night is usual; the same number in the evening is a fall."""
    counts = hourly(60)
    every = timedelta(hours=1)
    assert watch(series_of(counts, every), BOTH, 24 * 53, {}).incidents == []
    counts[-19] = counts[-3]  # the busiest hour as quiet as the quietest
    incidents = watch(series_of(counts, every), BOTH, 24 * 58, {}).incidents
    assert [(each.kind, each.first) for each in incidents] == [("fell", 24 * 60 - 19)]


def test_the_unit_of_a_sum_decides_what_chance_may_do() -> None:
    """Ten orders of 100 vary like ten orders, not like a thousand."""
    counts = weekly(120, level=10) * 100
    assert watch(series_of(counts, unit=100.0), BOTH, 64, {}).incidents == []
    low, high = (
        watch(series_of(counts, unit=unit), BOTH, 119, {}).points[119].single
        for unit in (1.0, 100.0)
    )
    assert high.expected * 100 == pytest.approx(low.expected, rel=0.1)


def test_a_young_series_waits_for_four_weeks() -> None:
    """The first day is part of one and does not count."""
    assert first_judgeable(series_of(weekly(20))) == 20
    assert first_judgeable(series_of(weekly(40))) == 29
    assert watch(series_of(weekly(40)), BOTH, 29, {}).points.keys() == set(range(29, 40))
