"""Hopeless training is refused before it starts, with the number that falls short."""

from datetime import timedelta

import pytest

from tidemill.errors import NotReadyError
from tidemill_features.labels import label_users
from tidemill_pipelines.readiness import check_readiness


@pytest.fixture(scope="module")
def events(shop_events):
    return shop_events(150, 100)


@pytest.fixture
def refusal(con_of, objective_of, cutoff):
    """`refusal(events, target)`: the error of a log that cannot carry the objective."""

    def refuse(table, *target, **options):
        with pytest.raises(NotReadyError) as caught:
            check_readiness(con_of(table), objective_of(*target, **options), cutoff)
        return caught.value

    return refuse


def test_what_is_ready_is_counted(events, con_of, objective_of, cutoff):
    """Users and positives of every window, the test window last."""
    readiness = check_readiness(con_of(events), objective_of(), cutoff)
    assert readiness.windows.test == cutoff - timedelta(days=14)
    assert [count.cutoff for count in readiness.counts] == [
        at.isoformat() for at in readiness.windows.all
    ]
    everybody = [f"u{n}" for n in range(150)]
    labels = label_users(con_of(events), objective_of().target, readiness.windows.test, everybody)
    assert 0 < readiness.counts[-1].positives <= labels.sum()
    assert readiness.counts[-1].users < 150


def test_an_empty_log(events, refusal):
    """Says how to fill it."""
    error = refusal(events.slice(0, 0))
    assert "no event before 2024-06-01" in error.message
    assert "tidemill events import" in error.hint


def test_events_of_nobody(events_of, refusal):
    """Nobody's past can be joined to their future."""
    rows = [{"user": None, "days_ago": days} for days in range(100)]
    assert "no event carries a user_id" in refusal(events_of(*rows)).message


def test_an_event_that_never_occurs(events, refusal):
    """Zero, and the nearest name that does occur."""
    error = refusal(events, "propensity: {event: ordr, within: 14d}")
    assert "'ordr' never occurs in the event log (0 events)" in error.message
    assert error.hint == "did you mean 'order'?"


def test_an_event_like_no_other(events, refusal):
    """Then all names are listed."""
    error = refusal(events, "propensity: {event: xyz, within: 14d}")
    assert error.hint == "known events: order, visit"


def test_a_condition_that_never_holds(events, refusal):
    """The event occurs, but never like that; the hint says what it is like."""
    target = "propensity: {event: order, where: {property.device: fridge}, within: 14d}"
    error = refusal(events, target)
    assert error.message == "'order' occurs, but never where property.device = fridge"
    assert error.hint == "property.device is phone"


def test_a_target_that_lies_in_the_future(events_of, refusal):
    """Its first day is named: a wrong clock shows at once."""
    rows = [{"name": "visit", "days_ago": days} for days in range(1, 100)]
    error = refusal(events_of(*rows, {"days_ago": -3}))
    assert "first 'order' is on 2024-06-04, not before 2024-06-01" in error.message


def test_too_short_a_log(shop_events, refusal):
    """With its length and the horizon."""
    error = refusal(shop_events(20, 30))
    assert "covers 30 days" in error.message
    assert "horizon of 14 days" in error.message


def test_too_few_positives(events, refusal):
    """With the number found and the number asked for."""
    error = refusal(events, minimum=100_000)
    assert "positive outcomes in 3 training windows" in error.message
    assert "asks for 100000" in error.message


def test_too_few_negatives(shop_events, refusal):
    """When everybody does it, nobody can be told apart."""
    everybody = shop_events(100, 100, habit=False)
    error = refusal(everybody, "propensity: {event: visit, within: 14d}")
    assert "negative outcomes" in error.message


def test_too_few_positives_to_judge_by(events_of, refusal):
    """Plenty in training, nine in the test window."""
    rows = [{"user": f"u{n}", "days_ago": d} for n in range(100) for d in (28, 40, 60, 80)]
    rows += [{"user": f"u{n}", "days_ago": 3} for n in range(9)]
    rows += [{"user": f"v{n}", "name": "visit", "days_ago": d} for n in range(90) for d in (60, 16)]
    error = refusal(events_of(*rows))
    assert "9 positive outcomes in the test window from 2024-05-18" in error.message


def test_only_users_known_at_the_cutoff_are_counted(events_of, con_of, objective_of, cutoff):
    """A visit heard of after the test cutoff makes nobody part of its population."""
    rows = [{"user": f"u{n}", "days_ago": d} for n in range(80) for d in (5, 20, 34, 48, 60)]
    rows += [{"user": f"v{n}", "days_ago": d} for n in range(80) for d in (20, 60)]
    late = {"name": "visit", "days_ago": 15, "received": cutoff}
    late_rows = [{**late, "user": f"w{n}"} for n in range(7)]
    objective = objective_of()
    with_late, without = (
        check_readiness(con_of(events_of(*table)), objective, cutoff).counts[-1].users
        for table in (rows + late_rows, rows)
    )
    assert with_late == without == 160
