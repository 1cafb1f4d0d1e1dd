"""A choice that the data cannot carry is refused before training, with the number and the fix."""

from datetime import timedelta

import pytest

from tidemill.errors import NotReadyError
from tidemill.objective import load_objective
from tidemill_pipelines.recommending.readiness import check_choice_readiness

OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: next-items}
spec:
  %s
  training: {minimum_positives: %d}
"""
ITEMS = {f"i{n}": f'{{"brand": "b{n % 3}", "until": "2024-05-01"}}' for n in range(8)}


def objective_of(folder, block, minimum=20):
    path = folder / "next-items.yaml"
    path.write_text(OBJECTIVE % (block, minimum))
    return load_objective(path)


def orders(events_of, users=30, **changed):
    """Everybody orders one of eight items every four days, for eighty days."""
    rows = [
        {"user": f"u{user}", "item": f"i{(user + day) % 8}", "days_ago": day, **changed}
        for user in range(users)
        for day in range(1, 80, 4)
    ]
    return events_of(*rows)


@pytest.fixture
def check(con_of, events_of, tmp_path, cutoff):
    """`check("recommendation: {...}")` of the orders, or of another table."""

    def run(block, events=None, minimum=20, items=ITEMS):
        con = con_of(orders(events_of) if events is None else events, items)
        return check_choice_readiness(con, objective_of(tmp_path, block, minimum), cutoff)

    return run


@pytest.fixture
def refusal(check):
    """The error of what cannot be carried."""

    def refuse(*args, **options):
        with pytest.raises(NotReadyError) as caught:
            check(*args, **options)
        return caught.value

    return refuse


PLAIN = "recommendation: {event: order, within: 14d, count: 3}"


def test_what_is_ready_is_counted(check, cutoff):
    """Items, and distinct pairs of user and item in two windows that touch."""
    readiness = check(PLAIN)
    assert readiness.windows.later == cutoff - timedelta(days=14)
    assert readiness.windows.earlier == cutoff - timedelta(days=28)
    assert readiness.items == 8
    # Days 13, 9, 5 and 1 before the end: items n+13, n+9, n+5 and n+1 of eight are two.
    assert [(count.users, count.outcomes) for count in readiness.counts] == [(30, 60), (30, 60)]


def test_an_event_that_never_occurs(refusal):
    """Zero, and the nearest name."""
    error = refusal("recommendation: {event: ordr, within: 14d}")
    assert "'ordr' never occurs" in error.message
    assert error.hint == "did you mean 'order'?"


def test_a_condition_that_never_holds(refusal):
    """With the values there are."""
    error = refusal("recommendation: {event: order, where: {item.brand: x}, within: 14d}")
    assert error.message == "'order' occurs, but never where item.brand = x"
    assert "item.brand is b0, b1, b2" in error.hint


def test_events_without_an_item(refusal, events_of):
    """There is nothing to offer."""
    error = refusal(PLAIN, orders(events_of, item=None))
    assert error.message.startswith("none of the 600 events 'order' has an item_id")


@pytest.mark.parametrize(
    ("by", "hint"),
    [
        ("item.brnd", "did you mean 'item.brand'?"),
        ("property.shp", "did you mean 'property.shop'?"),
    ],
)
def test_groups_by_a_field_that_is_never_set(refusal, events_of, by, hint):
    """With the nearest field that is."""
    events = orders(events_of, properties='{"shop": "north"}')
    error = refusal(f"recommendation: {{event: order, within: 14d, items: {{by: {by}}}}}", events)
    assert f"'{by}', which `items.by` names, is never set for the 600 events" in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    "given",
    [
        "items: {where: {item.brnd: b1}}",
        "items: {available: {end: item.brnd}}",
        "at_most: {item.brnd: 2}",
    ],
)
def test_an_unknown_attribute(refusal, given):
    """Wherever it is named, with the nearest known one."""
    error = refusal(f"recommendation: {{event: order, within: 14d, count: 2, {given}}}")
    assert error.message.startswith("no item has 'item.brnd', which `recommendation.")
    assert error.hint == "did you mean 'item.brand'?"


def test_an_attribute_without_items(refusal):
    """Then the items were never imported."""
    error = refusal(
        "recommendation: {event: order, within: 14d, at_most: {item.brand: 2}}", items={}
    )
    assert "tidemill items import" in error.hint


def test_too_few_items(refusal):
    """One is no choice; the conditions that left it are named."""
    error = refusal("recommendation: {event: order, within: 14d, items: {minimum_users: 31}}")
    assert error.message.startswith("'next-items' has 0 items to choose from (minimum_users 31)")


def test_items_that_are_gone(refusal):
    """What was available until before the test window is no candidate."""
    block = "recommendation: {event: order, within: 14d, items: {available: {end: item.until}}}"
    assert "0 items to choose from (available)" in refusal(block).message


def test_longer_lists_than_the_catalogue(refusal):
    """With both numbers."""
    error = refusal("recommendation: {event: order, within: 14d, count: 9}")
    assert "lists of 9 items, and there are 8" in error.message
    assert error.hint == "set `recommendation.count` to at most 8"


def test_too_short_a_log(refusal):
    """History, outcomes to choose by, outcomes to judge by: three horizons."""
    error = refusal("recommendation: {event: order, within: 28d, count: 3}")
    assert "covers 77 days" in error.message
    assert "needs at least 84" in error.message


def test_too_few_outcomes(refusal):
    """With the window, the number found and the number asked for."""
    error = refusal(PLAIN, minimum=61)
    assert error.message.startswith("60 outcomes of known users in the window from 2024-05-04")
    assert "asks for 61" in error.message


def test_outcomes_of_newcomers_do_not_count(refusal, events_of):
    """Of whom nothing was known, nothing can be learnt."""
    late = [{"user": f"n{n}", "item": "i1", "days_ago": 3} for n in range(50)]
    early = [{"user": "u1", "item": "i1", "days_ago": 70}, {"user": "u1", "item": "i2"}]
    error = refusal(PLAIN.replace("3", "2"), events_of(*late, *early), minimum=1)
    assert error.message.startswith("0 outcomes of known users in the window from 2024-05-04")


def test_other_events_that_never_occur_are_noted(check):
    """They may come later; a misspelt one is seen before anybody wonders."""
    interest = "interest: [{event: ordre, weight: 0.5}]"
    readiness = check(f"recommendation: {{event: order, within: 14d, count: 3, {interest}}}")
    assert readiness.notes == ("'ordre' never occurs in the event log; did you mean 'order'?",)


UNTIL = PLAIN.replace("count", "items: {available: {end: item.until}}, count")


def test_times_of_availability_that_cannot_be_read_are_noted(check):
    """Such items are not offered; without a time, or with an empty one, they always are."""
    times = ["31.12.2099", "2099-05-01T10:00:00Z", "2099-05-01", ""]
    items = {f"i{n}": f'{{"until": "{times[n % 4]}"}}' for n in range(7)} | {"i7": "{}"}
    found = check(UNTIL, items=items)
    assert found.items == 6
    assert found.notes == (
        "2 items are never offered, because 'item.until' is no ISO 8601 date or instant there, "
        "such as '31.12.2099'",
    )


def test_a_catalogue_whose_times_cannot_be_read_is_refused_for_that(refusal):
    """Whoever exports other dates learns it before anything is trained."""
    items = {f"i{n}": '{"until": "31.12.2099"}' for n in range(8)}
    error = refusal(UNTIL, items=items)
    assert "0 items to choose from (available)" in error.message
    assert error.hint.startswith("8 items are never offered, because 'item.until'")


def test_too_few_users(refusal, events_of):
    """However many outcomes they have, nothing can be said of others."""
    error = refusal(PLAIN, events=orders(events_of, users=9), minimum=1)
    assert "9 known users" in error.message
    assert "10 are needed" in error.message
