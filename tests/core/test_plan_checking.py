"""Events that break the tracking plan become dead letters that say how, and nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.events.plan import DEFAULT_PLAN, TrackingPlan, check_plan
from tidemill.events.plan.schema import EventPlan, PlanSpec
from tidemill.events.schema import DEAD_LETTERS, EVENTS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(properties: Any, name: str = "order", **columns: Any) -> dict[str, Any]:
    text = properties if isinstance(properties, str) else json.dumps(properties)
    return {
        "event_id": "e1",
        "name": name,
        "user_id": "u1",
        "timestamp": NOON,
        "received_at": NOON,
        "properties": text,
        **columns,
    }


def plan_of(unplanned: str = "allow", **order: Any) -> TrackingPlan:
    spec = {"events": {"order": order} if order else {}, "unplanned": unplanned}
    return TrackingPlan.of(PlanSpec.model_validate(spec))


def reasons(plan: TrackingPlan, *events: dict[str, Any]) -> list[str]:
    table = pa.Table.from_pylist(list(events), schema=EVENTS)
    checked = check_plan(table, plan, "shop.jsonl", NOON)
    assert checked.valid.num_rows + checked.dead.num_rows == len(events)
    assert checked.dead.schema == DEAD_LETTERS
    return [str(reason) for reason in checked.dead.column("reason").to_pylist()]


@pytest.mark.parametrize(
    ("rule", "good", "bad", "complaint"),
    [
        ({"type": "string"}, ["", "3"], [3, True, {}, []], "is not a string"),
        ({"type": "number"}, [0, -1.5, 10**30], ["1", True, {}], "is not a number"),
        ({"type": "integer"}, [3, 3.0, -(10**12)], [3.5, "3", True], "is not an integer"),
        ({"type": "boolean"}, [True, False], [0, "true"], "is not a boolean"),
        ({"type": "object"}, [{}, {"a": 1}], ["{}", []], "is not an object"),
        ({"type": "array"}, [[], [1]], ["[]", {}], "is not an array"),
        ({"values": ["web", 2, True]}, ["web", 2, 2.0, True], ["WEB", 1, False, "2", {}, []],
         "is not one of its values"),
        ({"values": [0, 1]}, [0, 1.0], [True, False], "is not one of its values"),
        ({"type": "number", "minimum": 0}, [0, 0.1], [-0.1], "is below its minimum"),
        ({"type": "number", "maximum": 9}, [9], [9.1], "is above its maximum"),
        ({"type": "string", "pattern": "^a+$"}, ["a", "aa"], ["", "ba"], "does not match its"),
    ],
)  # fmt: skip
def test_a_property_keeps_its_rule(
    rule: dict[str, Any], good: list[Any], bad: list[Any], complaint: str
) -> None:
    """Types are JSON's; a whole number may be written 3.0; true is no number."""
    plan = plan_of(properties={"x": rule})
    assert reasons(plan, *(event({"x": value}) for value in good)) == []
    found = reasons(plan, *(event({"x": value}) for value in bad))
    assert [reason.startswith(f"plan: order.x {complaint}") for reason in found] == [True] * len(
        bad
    )


def test_what_is_required_must_be_there() -> None:
    """null is no value; a property that is not required may be missing or null."""
    plan = plan_of(required=["a"], properties={"a": {"type": "string"}, "b": {"type": "string"}})
    assert reasons(plan, event({"a": "x"}), event({"a": "x", "b": None})) == []
    assert reasons(plan, event({}), event({"a": None})) == ["plan: order.a is missing"] * 2


def test_fields_of_the_event_can_be_required() -> None:
    """An order without a value is as broken as one without a currency."""
    plan = plan_of(fields=["value", "item_id"])
    assert reasons(plan, event({}, value=0.0, item_id="i")) == []
    assert reasons(plan, event({}, value=1.0)) == ["plan: order has no item_id"]


def test_properties_and_events_without_a_plan_are_free() -> None:
    """A plan can grow event by event."""
    plan = plan_of(properties={"a": {"type": "string"}})
    assert reasons(plan, event({"z": 1}), event({"a": 1}, name="visit")) == []


def test_unplanned_events_can_be_refused() -> None:
    """But never those that SDKs send by calls of their own: identities would be lost."""
    plan = plan_of("reject", properties={})
    found = reasons(plan, event({}, name="oder"), event({}, name="$identify"), event({}))
    assert found == ["plan: the event is not planned"]


def test_names_may_hold_anything() -> None:
    """Property names are keys, never paths or SQL."""
    keys = ["a.b", "a/b", "~1", "$.x", "it's", '"', "*", " "]
    plan = plan_of(required=keys)
    assert reasons(plan, event(dict.fromkeys(keys, 1))) == []
    assert reasons(plan, event(dict.fromkeys(keys[:-1], 1))) == ["plan: order.  is missing"]


def test_only_the_first_violation_is_told_and_never_the_value() -> None:
    """So that reasons are few, and counting them says something."""
    plan = plan_of(required=["a"], properties={"b": {"type": "string"}, "c": {"type": "string"}})
    found = reasons(plan, *(event({"a": 1, "b": n, "c": n}) for n in range(5)))
    assert set(found) == {"plan: order.b is not a string"}


def test_a_dead_letter_holds_the_whole_event() -> None:
    """In the form of our own JSON lines, with the exact time and the properties as they were."""
    when = NOON.replace(microsecond=123456)
    broken = event('{"a":1.10,"b":"ü"}', timestamp=when, value=0.1, item_id="i")
    table = pa.Table.from_pylist([broken], schema=EVENTS)
    (letter,) = check_plan(table, plan_of(required=["z"]), "shop", NOON).dead.to_pylist()
    assert (letter["source"], letter["line"], letter["received_at"]) == ("shop", None, NOON)
    raw = json.loads(letter["raw"])
    assert datetime.fromisoformat(raw["timestamp"]) == when
    assert (raw["event_id"], raw["value"], raw["properties"]) == ("e1", 0.1, {"a": 1.1, "b": "ü"})


def test_without_planned_events_nothing_is_read() -> None:
    """Not even properties that no parser could read."""
    assert reasons(DEFAULT_PLAN, event("not JSON at all")) == []
    assert reasons(plan_of(required=["a"]), event("not JSON at all", name="visit")) == []


@given(st.lists(st.sampled_from(["1", '"x"', "null", "true", "2.5", None]), max_size=60))
def test_many_events_are_judged_as_each_alone(values: list[str | None]) -> None:
    """Equal properties are read once, and every row still gets its own verdict, in order."""
    texts = ["{}" if value is None else f'{{"a":{value}}}' for value in values]
    plan = TrackingPlan.of(
        PlanSpec(events={"order": EventPlan.model_validate(
            {"required": ["a"], "properties": {"a": {"type": "number"}}}
        )})
    )  # fmt: skip
    alone = [reason for text in texts for reason in reasons(plan, event(text))]
    assert reasons(plan, *map(event, texts)) == alone
