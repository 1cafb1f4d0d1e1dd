"""Event names that stop, are renamed, collapse or appear are told from ordinary variation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_monitoring.volumes import (
    DailyCounts,
    find_changes,
    name_similarity,
    uneven_features,
    unsteady_names,
)

AT = datetime(2024, 6, 1, tzinfo=UTC)
SINCE = AT - timedelta(days=7)


def counts_of(**days: NDArray[np.int64]) -> DailyCounts:
    """Daily counts, newest day first."""
    counts = np.asarray(list(days.values()))
    seen = [np.flatnonzero(row) for row in counts]
    return DailyCounts(
        names=tuple(days),
        counts=counts,
        first_seen=tuple(AT - timedelta(days=int(s[-1]) + 1) for s in seen),
        last_seen=tuple(AT - timedelta(days=int(s[0]), seconds=1) for s in seen),
        days_known=counts.shape[1],
    )


def steady(rate: float, days: int = 63, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).poisson(rate, days)


@pytest.mark.parametrize("seed", range(20))
def test_a_stationary_log_reports_no_change(seed: int) -> None:
    """Thirty names with weekly rhythm and daily noise of 20% give no report at all."""
    rng = np.random.default_rng(seed)
    rhythm = 1 + 0.3 * np.sin(2 * np.pi * np.arange(63) / 7)
    rates = np.exp(rng.uniform(0, 8, 30))[:, None] * rhythm * np.exp(rng.normal(0, 0.2, (30, 63)))
    daily = counts_of(**{f"e{i}": rng.poisson(rate + 0.5) for i, rate in enumerate(rates)})
    assert find_changes(daily, 7, SINCE) == []


def test_a_stopped_event_is_reported_with_its_last_day() -> None:
    """Silence for longer than ever before, though events were due, is a stop."""
    silent = steady(50)
    silent[:3] = 0
    (change,) = find_changes(counts_of(order=silent, visit=steady(400)), 7, SINCE)
    assert (change.name, change.kind, change.renamed_to) == ("order", "stopped", None)
    assert change.since.date() == (AT - timedelta(days=4)).date()


def test_a_renamed_event_is_paired_with_its_new_name() -> None:
    """Of two new names the one that began when the old one stopped, at its volume, is chosen."""
    old, new, other = steady(50), steady(50, seed=1), steady(3000, seed=2)
    old[:4], new[4:], other[4:] = 0, 0, 0
    daily = counts_of(order_completed=old, **{"Order Completed": new}, beacon=other)
    change = find_changes(daily, 7, SINCE)[0]
    assert change.renamed_to is not None
    assert change.renamed_to.name == "Order Completed"
    assert change.renamed_to.daily_after == pytest.approx(50, rel=0.3)


@pytest.mark.parametrize("days_ago", [2, 7, 8, 12])
def test_a_rename_is_seen_whenever_the_monitor_looks(days_ago: int) -> None:
    """Also after the new name has filled more than the window that is judged."""
    old, new = steady(50), steady(50, seed=1)
    old[:days_ago], new[days_ago:] = 0, 0
    change = find_changes(counts_of(old=old, new=new), 7, SINCE)[0]
    assert change.renamed_to is not None
    assert (change.name, change.renamed_to.name) == ("old", "new")


def test_the_new_name_of_a_renamed_event_is_not_reported_twice() -> None:
    """A successor belongs to the name it replaces."""
    old, new = steady(50), steady(50, seed=1)
    old[:4], new[4:] = 0, 0
    changes = find_changes(counts_of(old=old, new=new), 7, SINCE)
    assert [change.name for change in changes] == ["old"]


def test_a_bursty_event_may_be_silent_between_its_bursts() -> None:
    """A mailing every ten days is not missed on the ninth."""
    mailing = np.zeros(63, dtype=np.int64)
    mailing[9::10] = 500
    assert find_changes(counts_of(mailing=mailing, visit=steady(400)), 7, SINCE) == []


def test_losing_most_of_the_volume_is_a_collapse() -> None:
    """One fifth of the usual volume is an incident; two thirds is not even reported."""
    low, slightly_low = steady(200), steady(200, seed=1)
    low[:7] //= 5
    slightly_low[:7] = slightly_low[:7] * 2 // 3 + 10
    changes = find_changes(counts_of(low=low, slightly_low=slightly_low), 7, SINCE)
    assert [(change.name, change.kind) for change in changes] == [("low", "collapsed")]


def test_rare_events_are_left_to_chance() -> None:
    """Two events a week that do not come are no evidence."""
    rare = steady(0.3)
    rare[:7] = 0
    assert find_changes(counts_of(rare=rare, visit=steady(400)), 7, SINCE) == []


def test_a_short_log_has_no_usual_volume() -> None:
    """With fewer than three earlier windows nothing is reported."""
    daily = counts_of(order=np.concatenate([np.zeros(7, dtype=np.int64), steady(50, 14)]))
    assert find_changes(daily, 7, SINCE) == []


def test_names_are_compared_without_case_and_punctuation() -> None:
    """`order_completed` and `Order Completed` are the same word."""
    assert name_similarity("order_completed", "Order Completed") == 1.0
    assert name_similarity("order_completed", "page_view") < 0.5


CAMPAIGN = (0, 384, 0, 123, 0, 0, 0, 176, 0)
"""Mailings a week, the newest week first."""


def weekly(totals: tuple[int, ...]) -> NDArray[np.int64]:
    """Each week's events on its last day."""
    counts = np.zeros(7 * len(totals), dtype=np.int64)
    counts[::7] = totals
    return counts


def test_campaigns_are_unsteady_and_one_outage_is_not() -> None:
    """What comes and goes is told from what failed once."""
    outage = steady(50)
    outage[14:21] = 0
    daily = counts_of(campaign=weekly(CAMPAIGN), order=outage, visit=steady(400))
    assert unsteady_names(daily, 7) == {"campaign"}


def test_the_bursts_and_pauses_of_a_campaign_are_no_news() -> None:
    """A mailing to everybody after weeks of silence, and silence after it."""
    for now in ((1077, *CAMPAIGN[:-1]), CAMPAIGN):
        assert find_changes(counts_of(campaign=weekly(now), visit=steady(400)), 7, SINCE) == []


def test_a_steady_name_that_collapses_is_still_told() -> None:
    """The newest window is judged by the earlier ones, which were steady."""
    fallen = steady(100)
    fallen[:7] //= 10
    (change,) = find_changes(counts_of(order=fallen, campaign=weekly(CAMPAIGN)), 7, SINCE)
    assert (change.name, change.kind) == ("order", "collapsed")


def test_features_of_unsteady_events_are_uneven_and_so_are_those_of_all_events() -> None:
    """A mailing to everybody is in the count of all events as well."""
    events = {"mail__count_7d": "mail", "order__count_7d": "order", "any__count_7d": None}
    assert uneven_features(events, {"mail"}) == {"mail__count_7d", "any__count_7d"}
    assert uneven_features(events, set()) == frozenset()
