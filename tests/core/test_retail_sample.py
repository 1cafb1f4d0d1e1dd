"""The sample becomes events and items without losing or inventing anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tidemill.events import EventLog
from tidemill.events.schema import EVENTS, ITEMS
from tidemill.importing.importer import import_table
from tidemill.sample.retail import SOURCE, move_to, sample_events, sample_items

START, END = datetime(2017, 3, 1, tzinfo=UTC), datetime(2017, 3, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def week() -> pa.Table:
    return sample_events(START, END)


def query(week: pa.Table, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        con.register("week", week)
        return con.sql(sql).fetchall()


def of(week: pa.Table, name: str) -> pa.Table:
    return week.filter(pc.equal(week.column("name"), name))


def test_a_slice_holds_its_time_only(week: pa.Table) -> None:
    """From the first instant to before the last, in order."""
    times = week.column("timestamp").to_pylist()
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] < END
    assert week.schema == EVENTS


def test_slices_join_without_gap_or_overlap(week: pa.Table) -> None:
    """Replaying the year in pieces gives the year."""
    middle = datetime(2017, 3, 4, 15, tzinfo=UTC)
    pieces = [sample_events(START, middle), sample_events(middle, END)]
    assert pa.concat_tables(pieces).equals(week)


def test_a_recent_year_ends_within_the_last_week_on_the_same_weekdays(week: pa.Table) -> None:
    """A cluster trains as of now, and a year long past would teach nothing."""
    now = datetime(2026, 5, 5, 12, tzinfo=UTC)
    moved = move_to(week, now).column("timestamp").to_pylist()
    then = week.column("timestamp").to_pylist()
    assert timedelta(0) <= now - max(moved) < timedelta(weeks=1)
    assert [time.weekday() for time in moved] == [time.weekday() for time in then]
    assert move_to(week, now).schema == EVENTS


def test_everything_known_is_there(week: pa.Table) -> None:
    """The five kinds of events."""
    assert set(week.column("name").to_pylist()) == {
        "product_purchased",
        "order_completed",
        "discount_applied",
        "coupon_redeemed",
        "campaign_received",
    }


def test_ids_are_unique(week: pa.Table) -> None:
    """Importing loses nothing to deduplication."""
    assert pc.count_distinct(week.column("event_id")).as_py() == week.num_rows


def test_the_sample_breaks_no_rule(week: pa.Table, tmp_path: Path) -> None:
    """It goes through the same checks as any file."""
    report = import_table(EventLog(tmp_path), week, SOURCE)
    assert (report.accepted, report.rejected) == (week.num_rows, {})


def test_an_order_sums_up_its_purchases(week: pa.Table) -> None:
    """Value and number of items, per user and minute of purchase."""
    orders = of(week, "order_completed")
    purchases = of(week, "product_purchased")
    assert pc.sum(orders.column("value")).as_py() == pytest.approx(
        pc.sum(purchases.column("value")).as_py()
    )
    properties = [orjson.loads(text) for text in orders.column("properties").to_pylist()]
    assert sum(order["items"] for order in properties) == purchases.num_rows


def test_discounts_are_positive_and_of_a_kind(week: pa.Table) -> None:
    """Zero discounts are no events."""
    discounts = of(week, "discount_applied")
    assert pc.min(discounts.column("value")).as_py() > 0
    assert set(discounts.column("properties").to_pylist()) == {
        '{"kind":"retail"}',
        '{"kind":"coupon"}',
        '{"kind":"coupon_match"}',
    }


def test_properties_are_in_canonical_form(week: pa.Table) -> None:
    """Sorted keys, so that the log stores them as they are."""
    for text in set(week.column("properties").to_pylist()):
        assert orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode() == text


def test_items_carry_what_is_known_of_them() -> None:
    """Missing attributes are left out, not null."""
    items = sample_items()
    attributes = [orjson.loads(text) for text in items.column("attributes").to_pylist()]
    assert items.schema == ITEMS
    assert {key for known in attributes for key in known} == {
        "brand",
        "category",
        "department",
        "type",
    }
    assert all(value for known in attributes for value in known.values())


def test_nearly_every_purchase_is_of_a_known_item(week: pa.Table) -> None:
    """So conditions on items can be answered; the source itself lacks a few products."""
    known = sample_items().column("item_id")
    purchased = of(week, "product_purchased").column("item_id")
    assert pc.mean(pc.is_in(purchased, value_set=known)).as_py() > 0.99
