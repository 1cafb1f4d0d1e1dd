"""Each type of objective is asked what fits it, and told what is not asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tidemill.errors import ObjectiveError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.assessing.assess import assess
from tidemill_pipelines.assessing.assessment import Assessment
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.themes import by_theme

Assessed = Callable[..., Assessment]
VALUE = "lifetime_value: {event: order, within: 14d}"
CHOICE = "recommendation: {event: order, within: 14d, items: {}}"
OFFER = "next_best_offer: {event: order, within: 14d, items: {}, count: 3}"
SEGMENTS = (
    "segmentation: {factors: [{name: visits, event: visit, within: 28d}, "
    "{name: orders, event: order, within: 28d}]}"
)
YES_OR_NO = {"signal", "learning-curve", "need", "coverage", "traffic", "leakage-power"}


@pytest.fixture
def assessed(
    tmp_path: Path,
    home_with: Callable[[Path, pa.Table], Home],
    shop_events: Callable[..., pa.Table],
    objective_of: Callable[..., Objective],
    cutoff: datetime,
) -> Assessed:
    """`assessed(target, events=None, table=None)`, by default of a sound log."""

    def run(target: str, events: pa.Table | None = None, table: Path | None = None) -> Assessment:
        events = shop_events(300, 150) if events is None else events
        home = home_with(tmp_path, events)
        with EventLog(home.events).connect(threads=1) as con:
            return assess(home, con, objective_of(target), cutoff, table)

    return run


def _found(assessment: Assessment) -> dict[str, Finding]:
    return {finding.check: finding for finding in assessment.findings}


def _with(events: pa.Table, name: str, values: pa.Array) -> pa.Table:
    position = events.schema.get_field_index(name)
    return events.set_column(position, events.field(position), values)


@pytest.mark.parametrize("target", [VALUE, CHOICE, OFFER, SEGMENTS])
def test_what_is_no_yes_or_no_is_not_asked_for_one(assessed: Assessed, target: str) -> None:
    """A sound log is ready, and the report says what was not asked."""
    found = assessed(target)
    assert found.verdict == "ready"
    assert not YES_OR_NO & set(_found(found))
    assert found.left_out
    assert sum(map(len, by_theme(found.findings).values())) == len(found.findings)


def test_a_lifetime_value_is_told_by_customers_who_come_back(assessed: Assessed) -> None:
    """Nobody speaks of negatives, and few of them are no fault."""
    found = _found(assessed(VALUE))
    assert "bought again within 14d" in found["outcomes"].seen
    assert "as long as the horizon" in found["history"].seen
    assert found["values"].facts["share_without"] == 0
    assert {"outcome-gaps", "leakage-arrivals"} <= set(found)


def test_a_horizon_that_was_never_seen_whole_is_told(assessed: Assessed) -> None:
    """The windows are shorter then, and so is what can be checked."""
    found = _found(assessed("lifetime_value: {event: order, within: 90d}"))
    assert found["history"].level == "warning"
    assert "beyond 37d cannot be checked" in found["history"].seen


@pytest.mark.parametrize("fault", ["unknown", "one"])
def test_purchases_without_a_value_or_with_all_of_it_are_told(
    fault: str, assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """A fifth has none; or a single one is worth more than a twentieth of everything."""
    events = shop_events(300, 150)
    values = np.asarray(events.column("value").to_pylist())
    missing = np.arange(len(values)) % 5 == 0
    if fault == "one":
        values[events.column("name").to_pylist().index("order")] = 50_000
        missing[:] = False
    column = pa.array(values, mask=missing)
    assert _found(assessed(VALUE, _with(events, "value", column)))["values"].level == "warning"


def test_a_choice_needs_no_other_events(
    assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """Orders under ids of their own block what is learnt from visits, not what is from orders."""
    events = shop_events(300, 150)
    names = events.column("name").to_pylist()
    users = [
        f"o-{user}" if name == "order" else user
        for user, name in zip(events.column("user_id").to_pylist(), names, strict=True)
    ]
    apart = _with(events, "user_id", pa.array(users, pa.string()))
    assert _found(assessed(CHOICE, apart))["one-key"].level == "warning"


def test_an_event_that_is_declared_and_never_happens_is_told(assessed: Assessed) -> None:
    """The training ignores it and says so; the assessment says so before."""
    target = CHOICE.replace("items: {}", "items: {}, interest: [{event: order}, {event: vist}]")
    assert "'vist' never occurs" in _found(assessed(target))["declared"].seen


@pytest.mark.parametrize("target", [VALUE, CHOICE, SEGMENTS])
def test_a_table_is_compared_with_a_yes_or_no_alone(
    assessed: Assessed, tmp_path: Path, target: str
) -> None:
    """Of anything else its label would mean something else; the hint names what to use."""
    with pytest.raises(ObjectiveError, match="comes true or not") as caught:
        assessed(target, table=tmp_path / "table.parquet")
    assert "propensity or churn" in caught.value.hint


def test_an_alert_is_refused(assessed: Assessed) -> None:
    """It has no model; the hint names the command that judges it."""
    with pytest.raises(ObjectiveError, match="has no model") as caught:
        assessed("alert: {event: order}")
    assert "tidemill monitor" in caught.value.hint


@pytest.mark.parametrize("fault", ["customer", "none"])
def test_value_that_hangs_on_one_customer_is_told(
    fault: str, assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """Who holds most of all value is named; where all are alike, nothing is said."""
    events = shop_events(300, 150)
    users = events.column("user_id").to_pylist()
    one = np.array([user == users[0] for user in users])
    values = np.where(one, 1_000.0, 0.01) if fault == "customer" else np.full(len(users), 1.0)
    found = _found(assessed(VALUE, _with(events, "value", pa.array(values))))["values"]
    if fault == "customer":
        assert found.level == "warning"
        assert f"'{users[0]}'" in found.do
    else:
        assert found.level == "ok"
        assert found.facts["share_of_hundredth"] < 0.02


def test_value_that_a_hundredth_of_the_purchases_holds_is_told(
    assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """However many customers they are of."""
    events = shop_events(300, 150)
    values = np.where(np.arange(events.num_rows) % 101 == 0, 1_000.0, 1.0)
    found = _found(assessed(VALUE, _with(events, "value", pa.array(values))))["values"]
    assert found.level == "warning"
    assert found.do == "look whether the largest purchases are mistakes or business customers"


def test_refunds_that_outweigh_all_purchases_block(
    assessed: Assessed, shop_events: Callable[..., pa.Table], cutoff: datetime
) -> None:
    """Even those of long before the windows: what was spent so far is what a model sees."""
    events = shop_events(300, 150)
    days_ago = [(cutoff - at) / timedelta(days=1) for at in events.column("timestamp").to_pylist()]
    values = np.where(np.array(days_ago) > 125, -1_000.0, 1.0)
    found = _found(assessed(VALUE, _with(events, "value", pa.array(values))))["values"]
    assert found.level == "blocking"
    assert "nothing is worth anything" in found.seen


def test_where_no_value_is_found_what_holds_one_is_named(
    assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """A company sends what was paid under a name of its own."""
    events = shop_events(300, 150)
    paid = pa.array(['{"paid": 4.5, "currency": "EUR"}'] * events.num_rows)
    events = _with(events, "value", pa.nulls(events.num_rows, pa.float64()))
    found = _found(assessed(VALUE, _with(events, "properties", paid)))["refused"]
    assert found.seen.startswith("No 'order' carries a number in `value`")
    assert "`property.paid`; or import values" in found.do


def test_a_handful_of_customers_is_told_apart_from_a_short_window(
    assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """No longer `within` makes more of a few customers."""
    found = _found(assessed(VALUE, shop_events(6, 150)))["refused"]
    assert "customers bought again" in found.seen
    assert "wait for them" in found.do


@pytest.mark.parametrize("price", [None, 4.0])
def test_a_factor_that_is_the_same_for_everybody_blocks(
    price: float | None, assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """Nothing, or what everybody has paid once; the training would refuse it after all features."""
    events = shop_events(300, 150).sort_by("timestamp")
    users = np.asarray(events.column("user_id").to_pylist())
    _, firsts = np.unique(users, return_index=True)
    values = np.zeros(len(users))
    values[firsts] = price or 0.0
    worth = _with(events, "value", pa.array(values, mask=np.full(len(users), price is None)))
    alike = "{name: spent, measure: value}"
    found = _found(assessed(f"segmentation: {{factors: [{alike}, {{name: all}}]}}", worth))
    assert found["factors"].level == "blocking"
    assert found["factors"].seen == f"Factor 'spent' is {price or 0:g} for all of 282 users."


@pytest.mark.parametrize(
    ("measure", "said"),
    [("weeks", "Factor 'left' is 0 for all of"), ("recency", "Factor 'left' is known for none of")],
)
def test_a_factor_of_those_who_left_blocks(
    measure: str, said: str, assessed: Assessed, shop_events: Callable[..., pa.Table]
) -> None:
    """Only who is not divided any more has the event, so all who are are alike."""
    events = shop_events(300, 400).sort_by("timestamp")
    users = np.asarray(events.column("user_id").to_pylist())
    days = (np.arange(len(users)) / len(users) * 400).astype(int)
    old = (days < 150) & (users < "u2")
    kept = events.filter(pa.array(old | (users >= "u2")))
    names = ["left" if user < "u2" else "visit" for user in kept.column("user_id").to_pylist()]
    target = f"segmentation: {{factors: [{{name: left, event: left, measure: {measure}}}]}}"
    found = _found(assessed(target, _with(kept, "name", pa.array(names))))["factors"]
    assert found.level == "blocking"
    assert found.seen.startswith(said)
