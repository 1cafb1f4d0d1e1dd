"""One id per person, the same in all sources: what breaks that is said, what is usual is not."""

from collections import Counter
from datetime import timedelta

import pytest

from tidemill.objective import Target
from tidemill_pipelines.assessing.user_key import judge_user_key


@pytest.fixture
def level(con_of, events_of, cutoff, objective_of):
    """`level(check, rows)`: the level of a check on an in-memory log."""

    def judge(check, rows, target=None):
        found = judge_user_key(con_of(events_of(*rows)), target or objective_of().target, cutoff)
        (finding,) = (each for each in found if each.check == check)
        return finding.level

    return judge


def rows_of(users, name, prefix="u", every=10):
    return [
        {"user": f"{prefix}{n}", "name": name, "days_ago": d + n / 100}
        for n in range(users)
        for d in range(1, 60, every)
    ]


SHOP = rows_of(80, "visit") + rows_of(80, "order")


@pytest.mark.parametrize(
    "check", ["events-without-user", "impossible-ids", "merged-users", "one-key"]
)
def test_a_sound_log(level, check):
    """Nothing is to be done."""
    assert level(check, SHOP) == "ok"


def test_outcomes_under_another_key_block(level):
    """The shop's visitors and its customers never meet: no past belongs to an outcome."""
    assert level("one-key", rows_of(80, "visit") + rows_of(80, "order", "customer-")) == "blocking"


def test_another_source_under_another_key_is_a_warning(level):
    """Its events say nothing about those who are predicted for."""
    assert level("one-key", SHOP + rows_of(80, "ticket", "crm-")) == "warning"


def test_users_of_one_event_each_share_no_names_by_chance(level):
    """Most of a young log's users have done one thing so far."""
    assert level("one-key", rows_of(80, "visit", every=90) + rows_of(80, "order", "v", 90)) == "ok"


def test_outcomes_of_nobody(level):
    """A guest's order trains nobody's model."""
    guests = [{"user": None, "days_ago": d} for d in range(1, 59)]
    assert level("events-without-user", SHOP + guests) == "warning"


def test_an_id_that_never_sleeps(level):
    """It is a machine."""
    bot = [{"user": "bot", "name": "visit", "days_ago": 1 + hour / 24} for hour in range(24 * 5)]
    assert level("impossible-ids", SHOP + bot) == "warning"


def test_logs_of_machines_are_no_surprise(level):
    """Where nobody sleeps, these are sensors, and users all the same."""
    sensors = [
        {"user": f"s{n}", "days_ago": 1 + hour / 24} for n in range(20) for hour in range(24 * 4)
    ]
    assert level("impossible-ids", sensors) == "ok"


def test_an_id_that_stands_for_everybody(level):
    """A shared account has a fifth of all events."""
    shared = [{"user": "till", "name": "visit", "days_ago": 1 + n / 10} for n in range(400)]
    assert level("impossible-ids", SHOP + shared) == "warning"


def test_ids_that_name_nobody(level):
    """`null` is no user."""
    assert level("impossible-ids", [*SHOP, *rows_of(1, "visit", "null")]) == "ok"
    nulls = [{"user": "null", "name": "visit", "days_ago": d} for d in range(1, 20)]
    assert level("impossible-ids", SHOP + nulls) == "warning"


def test_without_an_outcome_nothing_is_said_of_one(con_of, events_of, cutoff):
    """An objective without a target is judged by the rest."""
    found = judge_user_key(con_of(events_of(*SHOP)), None, cutoff)
    assert Counter(finding.level for finding in found) == {"ok": 4}


def test_any_event_may_be_the_outcome(level):
    """Then there is no name to look for."""
    assert level("one-key", SHOP, Target(None, {}, timedelta(days=7), absent=True)) == "ok"
