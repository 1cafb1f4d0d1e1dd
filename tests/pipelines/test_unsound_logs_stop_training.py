"""The pipeline's first step refuses a log that would teach it something wrong."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tidemill.errors import NotReadyError
from tidemill_pipelines import steps

OUTCOME = "propensity: {event: order, within: 14d}"
VALUE = "lifetime_value: {event: order, within: 14d}"
CHOICE = "recommendation: {event: order, within: 14d, items: {}}"
OFFER = "next_best_offer: {event: order, within: 14d, items: {}, count: 3}"
SEGMENTS = "segmentation: {factors: [{name: visits}, {name: orders, event: order}]}"


@pytest.fixture
def unrecorded(tmp_path, home_with, shop_events, cutoff):
    """Orders were recorded in the last 38 days only; visits in all of 150."""
    events = shop_events(200, 150)
    since = cutoff - timedelta(days=38)
    is_kept = pc.or_(pc.not_equal(events["name"], "order"), pc.greater(events["timestamp"], since))
    return home_with(tmp_path, events.filter(is_kept))


@pytest.mark.parametrize("target", [OUTCOME, VALUE])
def test_outcomes_that_were_not_recorded_are_not_learnt(
    unrecorded, objective_of, cutoff, tmp_path, target
):
    """Nobody would have ordered at the older cutoffs."""
    text = objective_of(target).model_dump_json()
    with pytest.raises(NotReadyError, match=r"instrumentation: `order` started on"):
        steps.validate(str(unrecorded.root), text, cutoff.isoformat(), str(tmp_path / "plan"))


@pytest.mark.parametrize("price", [0.0, -5.0])
def test_purchases_that_are_worth_nothing_are_not_learnt(
    tmp_path, home_with, shop_events, objective_of, cutoff, price
):
    """Shares of a total that is not positive mean nothing."""
    events = shop_events(200, 150)
    values = pa.array([price] * (events.num_rows - 1) + [0.01], pa.float64())
    home = home_with(
        tmp_path, events.set_column(events.schema.get_field_index("value"), "value", values)
    )
    with pytest.raises(NotReadyError, match="training windows is worth -?[0-9,.]+ in all"):
        steps.validate(
            str(home.root),
            objective_of(VALUE).model_dump_json(),
            cutoff.isoformat(),
            str(tmp_path / "plan"),
        )


@pytest.mark.parametrize("target", [OUTCOME, VALUE, CHOICE, OFFER, SEGMENTS])
def test_a_week_that_is_missing_is_said(
    tmp_path, home_with, shop_events, objective_of, cutoff, target, capfd
):
    """It stops nothing, and somebody should look."""
    events = shop_events(200, 150)
    start, end = (cutoff - timedelta(days=days) for days in (75, 68))
    is_kept = pc.or_(pc.less(events["timestamp"], start), pc.greater(events["timestamp"], end))
    home = home_with(tmp_path, events.filter(is_kept))
    text = objective_of(target).model_dump_json()
    steps.validate(str(home.root), text, cutoff.isoformat(), str(tmp_path / "plan"))
    assert "tidemill: warning: gaps: Next to nothing was kept in 1 period" in capfd.readouterr().out
