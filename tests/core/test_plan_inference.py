"""An inferred plan asks for what the data supports, and for nothing that chance made look fixed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tidemill.events.plan import keep_plan, load_plan, write_plan
from tidemill.events.plan.inference import infer_plan
from tidemill.events.plan.preview import count_violations
from tidemill.events.schema import EVENTS

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 2_000


def log_of(properties: Callable[[int], Any], count: int = 1_000, **columns: Any) -> Any:
    """A connection to a log of one event name, evenly spread over HOURS."""
    rows = [
        {
            "event_id": str(n),
            "name": "order",
            "user_id": "u1",
            "timestamp": START + timedelta(hours=HOURS * n / count),
            "properties": json.dumps(properties(n)),
            **columns,
        }
        for n in range(count)
    ]
    return connect(pa.Table.from_pylist(rows, schema=EVENTS))


def connect(events: pa.Table) -> Any:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.register("events", events)
    return con


def inferred(properties: Callable[[int], Any], count: int = 1_000, **columns: Any) -> Any:
    with log_of(properties, count, **columns) as con:
        plan = infer_plan(con)
        assert count_violations(con, plan) == {}
    return plan.spec.events["order"]


def values(value: Callable[[int], str], key: str = "channel", count: int = 1_000) -> Any:
    return inferred(lambda n: {key: value(n)}, count).properties[key].values


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (lambda n: n, "integer"),
        (lambda n: n / 4, "number"),
        (lambda n: f"text {n}", "string"),
        (lambda n: n % 2 == 0, "boolean"),
        (lambda n: {"n": n}, "object"),
        (lambda n: [n], "array"),
        (lambda n: n if n % 2 else f"{n}", None),
    ],
)
def test_types_are_those_that_never_varied(value: Callable[[int], Any], kind: str | None) -> None:
    """A property of two types has none."""
    assert inferred(lambda n: {"x": value(n)}).properties["x"].type == kind


def test_required_is_what_was_always_there() -> None:
    """One event without it, or one with null, and it is not."""
    plan = inferred(lambda n: {"a": n, "b": n or None, **({"c": n} if n else {})}, value=1.0)
    assert (plan.required, plan.fields) == (["a"], ["value"])


def test_a_few_events_prove_nothing() -> None:
    """Neither a type nor what is required."""
    plan = inferred(lambda n: {"a": n}, count=99)
    assert (plan.required, plan.properties["a"].type) == ([], None)
    assert inferred(lambda n: {"a": n}, count=400).properties["a"].type == "number"


def test_a_few_fixed_texts_are_values() -> None:
    """Seen again and again, from the beginning."""
    assert values(lambda n: ["web", "app", "store"][n % 3]) == ["app", "store", "web"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (lambda n: "web", "one value says nothing about others"),
        (lambda n: f"v {n % 40} x", "there are many"),
        (lambda n: "web" if n % 500 else "kiosk", "one of them is rare"),
        (lambda n: "web" if n < 600 or n % 2 else "app", "one came up late"),
        (lambda n: ["100234", "100235"][n % 2], "they are numbers"),
        (lambda n: ["2.1.0", "2.2.0"][n % 2], "they are versions"),
    ],
)
def test_texts_that_only_look_fixed_are_free(value: Callable[[int], str], why: str) -> None:
    """Tomorrow's value would be refused."""
    assert values(value) is None, why


@pytest.mark.parametrize("key", ["id", "orderId", "product_id", "userID", "sku", "email", "title"])
def test_ids_and_names_are_free(key: str) -> None:
    """However few there have been so far."""
    assert values(lambda n: ["ab", "cd"][n % 2], key) is None


def test_a_plan_of_one_half_fits_the_other_half() -> None:
    """Of 20,000 fresh events of the same habits, fewer than one in a thousand is refused."""
    dice = random.Random(7)

    def event(n: int) -> dict[str, Any]:
        found: dict[str, Any] = {"amount": dice.lognormvariate(3, 1), "lines": dice.randrange(40)}
        found["channel"] = dice.choices(["web", "app", "store"], [70, 29, 1])[0]
        found["page"] = f"/p/{int(dice.paretovariate(1))}"
        found["colour"] = dice.choices("abcdefghijklmnopqrstuvwxyz", range(1, 27))[0]
        if dice.random() < 0.997:
            found["session"] = f"s{dice.randrange(10**9)}"
        return found

    with log_of(event, 20_000) as con:
        plan = infer_plan(con)
    assert plan.spec.events["order"].properties["channel"].values == ["app", "store", "web"]
    with log_of(event, 20_000) as con:
        assert sum(count_violations(con, plan).values()) < 20


def test_an_inferred_plan_loads_back(tmp_path: Path) -> None:
    """What `infer-plan` prints is a plan, whatever the names are."""
    with log_of(lambda n: {"it's: a key": n, "no": "ja" if n % 2 else "no", "~": None}) as con:
        plan = infer_plan(con)
    keep_plan(tmp_path, write_plan(plan).encode())
    assert load_plan(tmp_path) == plan


def test_identities_are_not_planned() -> None:
    """Nor pages and screens: SDKs send them by calls of their own."""
    with log_of(lambda n: {"a": n}, name="$identify") as con:
        assert infer_plan(con).spec.events == {}
