"""Leaks planted into a table of past behaviour are found, and the table itself is sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill.objective import Objective
from tidemill_features.instants import in_microseconds
from tidemill_features.labels import label_users
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.leakage.foreign import audit
from tidemill_pipelines.assessing.leakage.table import DAY_US, TrainingTable
from tidemill_pipelines.readiness import active_users

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Shop:
    """A synthetic log, and a table of what was known at three cutoffs and is known now."""

    con: Any
    objective: Objective
    at: datetime
    table: TrainingTable

    def counted(self, event: str, since: float, until: float, late: bool = False) -> Values:
        """Events from `since` to `until` days after each cutoff."""
        by_row = []
        for user, cutoff in zip(self.table.users, self.table.cutoffs, strict=True):
            at, received = self.events[event].get(user, (np.empty(0), np.empty(0)))
            inside = (at >= cutoff + since * DAY_US) & (at < cutoff + until * DAY_US)
            known = late | (received < cutoff + max(until, 0) * DAY_US)
            by_row.append((inside & known).sum())
        return np.asarray(by_row, dtype=np.float64)

    @cached_property
    def events(self) -> dict[str, dict[str, tuple[Any, Any]]]:
        found: dict[str, dict[str, tuple[Any, Any]]] = {}
        rows = self.con.execute(
            "SELECT name, user_id, list(epoch_us(timestamp)), list(epoch_us(received_at)) "
            "FROM user_events GROUP BY name, user_id"
        ).fetchall()
        for name, user, at, received in rows:
            found.setdefault(name, {})[user] = (np.asarray(at), np.asarray(received))
        return found

    def findings(self, **columns: Values) -> dict[str, Finding]:
        """By check, of the table with more columns."""
        every = {**self.table.columns, **columns}
        table = replace(self.table, columns=every, origins={name: name for name in every})
        return self.audited(table)

    def audited(self, table: TrainingTable) -> dict[str, Finding]:
        found = audit(self.con, self.objective, self.at, table)
        return {finding.check: finding for finding in found}


@pytest.fixture(scope="module")
def shop(
    objective_of: Callable[..., Objective], shop_events: Callable[..., Any], cutoff: datetime
) -> Shop:
    import duckdb

    from tidemill.events.identity import create_trivial_views

    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.register("events", shop_events(700, 150))
    create_trivial_views(con)
    objective = objective_of()
    cutoffs = [cutoff - timedelta(days=days) for days in (42, 28, 14, 0)]
    parts = [_rows(con, objective, at, cutoff) for at in cutoffs]
    users, stamps, labels, labelled = (np.concatenate(c) for c in zip(*parts, strict=True))
    bare = Shop(
        con, objective, cutoff, TrainingTable(users, stamps, labels, labelled, {}, {}, {}, None)
    )
    known = {
        "visits_28d": bare.counted("visit", -28, 0),
        "orders_28d": bare.counted("order", -28, 0),
        "visits_log": np.log1p(bare.counted("visit", -100, 0)),
        "any_order": np.sign(bare.counted("order", -100, 0)),
        "age": np.random.default_rng(1).normal(40, 9, len(users)).round(2),
    }
    table = replace(bare.table, columns=known, origins={name: name for name in known})
    return replace(bare, table=table)


def _rows(con: Any, objective: Objective, at: datetime, end: datetime) -> tuple[Any, ...]:
    users = sorted(active_users(con, objective, at))
    known = np.full(len(users), at < end)
    labels = label_users(con, objective.target, at, users) & known
    return np.asarray(users), np.full(len(users), in_microseconds(at)), labels, known


def test_behaviour_as_known_at_the_cutoff_is_sound(shop: Shop) -> None:
    """No alarm about counts, logarithms, flags and noise."""
    assert {finding.level for finding in shop.findings().values()} <= {"ok", "cannot say"}


@pytest.mark.parametrize(
    ("event", "since", "until"), [("order", 0, 14), ("visit", 0, 7), ("visit", -27, 1)]
)
def test_windows_behind_the_cutoff_are_found(
    shop: Shop, event: str, since: float, until: float
) -> None:
    """The goal itself, a week of activity, and a window that ends a day late."""
    planted = np.log1p(shop.counted(event, since, until, late=True))
    found = shop.findings(planted=planted)["leakage-future"]
    assert (found.level, found.facts["columns"]) == ("blocking", ["planted"])


def test_what_arrived_late_is_found(shop: Shop) -> None:
    """A count by when things happened holds what was not known yet."""
    found = shop.findings(planted=shop.counted("visit", -28, 0, late=True))["leakage-future"]
    assert found.facts["columns"] == ["planted"]


def test_the_state_of_today_is_found(shop: Shop) -> None:
    """Visits until the end of the log, at every cutoff."""
    ends = (in_microseconds(shop.at) - shop.table.cutoffs) / DAY_US
    planted = shop.counted("visit", -200, 0, late=True)
    for days in np.unique(ends):
        later = shop.counted("visit", 0, days, late=True)
        planted = np.where(ends == days, planted + later, planted)
    assert shop.findings(planted=planted)["leakage-future"].facts["columns"] == ["planted"]


def test_a_counter_that_leaks_for_some_is_found(shop: Shop) -> None:
    """For two users in five it counts the horizon too."""
    some = np.array([sum(map(ord, user)) % 5 < 2 for user in shop.table.users])
    planted = shop.counted("order", -28, 0) + some * shop.counted("order", 0, 14, late=True)
    assert shop.findings(planted=planted)["leakage-future"].level == "blocking"


def test_a_field_of_the_outcome_is_found_without_a_log(shop: Shop) -> None:
    """What is filled only where the outcome is there tells it for certain."""
    strangers = np.char.add("other-", shop.table.users)
    filled = np.where(shop.table.labels, 3.0, np.nan)
    columns = {**shop.table.columns, "shipped": filled}
    table = replace(
        shop.table, users=strangers, columns=columns, origins={name: name for name in columns}
    )
    found = shop.audited(table)
    assert found["leakage-future"].level == "cannot say"
    assert found["leakage-power"].facts["columns"] == ["shipped"]


def test_few_users_tell_nothing_of_the_future(shop: Shop) -> None:
    """No alarm and no clean bill: a regression on a hundred users is noise."""
    few = np.isin(shop.table.users, np.unique(shop.table.users)[:150])
    assert shop.audited(shop.table.where(few))["leakage-future"].level == "cannot say"


def test_what_is_empty_now_is_found(shop: Shop) -> None:
    """Noise that is filled in afterwards shows in nothing but rows of now."""
    noise = np.random.default_rng(2).normal(size=len(shop.table.users))
    found = shop.findings(planted=np.where(shop.table.labelled, noise, np.nan))["leakage-now"]
    assert found.facts["columns"] == ["planted"]


def test_instants_after_the_cutoff_are_found(shop: Shop) -> None:
    """A profile that was updated since."""
    table = replace(shop.table, stamps={"updated_at": shop.table.cutoffs + DAY_US})
    assert shop.audited(table)["leakage-instants"].facts["columns"] == ["updated_at"]


@pytest.mark.parametrize("form", ["as they are", "another id", "another cutoff"])
def test_copies_across_the_split_are_found(shop: Shop, form: str) -> None:
    """Whatever hides them; rows of users to whom nothing happened are no copies."""
    table, count = shop.table, len(shop.table.users)
    again = np.flatnonzero(table.is_test)[:60]
    table = table.where(np.concatenate([np.arange(count), again]))
    copied = np.arange(count + len(again)) >= count
    if form != "as they are":
        older = np.unique(table.cutoffs)[0]
        table = replace(table, cutoffs=np.where(copied, older, table.cutoffs))
    if form == "another id":
        table = replace(table, users=np.where(copied, np.char.add("x", table.users), table.users))
    found = shop.audited(table)["leakage-copies"]
    assert found.level == "blocking"
    assert found.facts["repeated"] + found.facts["copied"] >= 40


def test_rows_that_the_outcome_removed_are_missed(shop: Shop) -> None:
    """Half of those without the outcome are gone."""
    gone = ~shop.table.labels & shop.table.labelled & (np.arange(len(shop.table.labels)) % 2 == 0)
    assert shop.audited(shop.table.where(~gone))["leakage-absent-rows"].level == "blocking"


def test_rows_that_the_past_removed_are_not(shop: Shop) -> None:
    """A table of regular visitors is a smaller population, and an honest one."""
    regular = shop.table.columns["visits_28d"] >= 4
    assert shop.audited(shop.table.where(regular))["leakage-absent-rows"].level == "ok"


def test_outcomes_of_open_horizons_are_told(shop: Shop) -> None:
    """Nobody knows yet what comes of rows of now."""
    everything = np.ones(len(shop.table.users), dtype=np.bool_)
    found = shop.audited(replace(shop.table, labelled=everything))["leakage-open-outcomes"]
    assert (found.level, found.facts["rows"]) == ("warning", int((~shop.table.labelled).sum()))
