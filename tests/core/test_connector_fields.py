"""What all connectors do alike."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.connectors.fields import item_of, number, value_of


@pytest.mark.parametrize(
    "name", ["product_id", "productId", "item_id", "itemId", "sku", "content_id", "$productId"]
)
def test_well_known_names_mean_the_item(name: str) -> None:
    """Vendors' commerce specifications agree on a few."""
    assert item_of({name: "p1"}) == "p1"
    assert item_of({name: 7}) == "7"


@pytest.mark.parametrize("junk", ["", "null", "(not set)", None, ["p1"], {"id": 1}, True])
def test_an_item_without_a_usable_id_gives_way_to_the_next_name(junk: Any) -> None:
    """The first name that names something counts."""
    assert item_of({"product_id": junk}) is None
    assert item_of({"product_id": junk, "sku": "s1"}) == "s1"


def test_lists_of_products_name_no_item() -> None:
    """An event has one item or none."""
    assert item_of({"products": [{"product_id": "p1"}], "items": [{"item_id": "p1"}]}) is None


@pytest.mark.parametrize("name", ["revenue", "value", "price", "amount", "total", "$revenue"])
def test_well_known_names_mean_the_value(name: str) -> None:
    """As numbers, or as text that reads as one."""
    assert value_of({name: 19.9}) == value_of({name: " 19.90 "}) == 19.9


def test_revenue_goes_before_price() -> None:
    """An order's revenue is worth more than the price of one of its products."""
    assert value_of({"price": 1, "total": 3, "revenue": 2}) == 2


@pytest.mark.parametrize(
    "value", ["19,90", "€5", "1_000", "nan", "inf", "", True, None, [], 10**400, float("nan")]
)
def test_what_is_no_finite_number_is_no_value(value: Any) -> None:
    """It stays among the properties, and the next name may have one."""
    assert number(value) is None
    assert value_of({"revenue": value, "total": 5}) == 5
