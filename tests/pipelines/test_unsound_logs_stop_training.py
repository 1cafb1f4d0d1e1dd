"""The pipeline's first step refuses a log that would teach it something wrong."""

from datetime import timedelta

import pyarrow.compute as pc
import pytest

from tidemill.errors import NotReadyError
from tidemill_pipelines import steps

OUTCOME = "propensity: {event: order, within: 14d}"
VALUE = "lifetime_value: {event: order, within: 14d}"


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
