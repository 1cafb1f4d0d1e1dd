"""Only what was known before the cutoff counts."""

from datetime import timedelta

import pyarrow.compute as pc
import pytest

from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features

MICROSECOND = timedelta(microseconds=1)
CATALOG = Catalog((Signal(None), Signal("order"), Signal("order", {"property.device": "phone"})))


@pytest.fixture(scope="module")
def events(shop_events):
    """Of 40 users over 90 days, a tenth of them late."""
    return shop_events(40, 90)


def test_a_late_event_counts_from_the_cutoff_after_its_arrival(features_of, cutoff):
    """Done five days ago, heard of an hour ago: unknown until then, dated correctly after."""
    arrival = cutoff - timedelta(hours=1)
    late = {"days_ago": 5, "received": arrival}
    assert features_of(late, at=arrival)["count_ever"] == 0
    assert features_of(late, at=arrival + MICROSECOND)["count_ever"] == 1
    assert features_of(late)["days_since_last"] == 5


def test_a_late_event_lands_in_the_window_of_when_it_happened(features_of, cutoff):
    """Received yesterday, but it happened ten days ago."""
    found = features_of({"days_ago": 10, "received": cutoff - timedelta(days=1)})
    assert (found["count_7d"], found["count_14d"]) == (0, 1)


def test_a_clock_ahead_of_time_does_not_reveal_the_future(features_of, cutoff):
    """An event received before it claims to have happened waits for its own time."""
    early = {"at": cutoff + timedelta(days=1), "received": cutoff - timedelta(days=1)}
    assert features_of(early)["count_ever"] == 0
    assert features_of(early, at=cutoff + timedelta(days=1, hours=1))["count_ever"] == 1


@pytest.mark.parametrize("days", [10, 33.3, 60])
def test_the_future_can_be_deleted_without_a_trace(events, con_of, cutoff, days):
    """A log that ends at the cutoff gives the same table as one that goes on."""
    at = cutoff - timedelta(days=days)
    known = pc.and_(pc.less(events["timestamp"], at), pc.less(events["received_at"], at))
    assert pc.sum(pc.invert(known)).as_py() > 100
    past = compute_features(con_of(events.filter(known)), CATALOG, [at])
    assert compute_features(con_of(events), CATALOG, [at]).equals(past)


def test_cutoffs_computed_together_equal_each_alone(events, con_of, cutoff):
    """One pass over the log for many cutoffs, of any time of day, mixes nothing up."""
    cutoffs = [cutoff - timedelta(days=days) for days in (60, 33.3, 32.3, 10, 0)]
    alone = [compute_features(con_of(events), CATALOG, [at]).to_pylist() for at in cutoffs]
    together = compute_features(con_of(events), CATALOG, cutoffs).to_pylist()
    assert together == [row for rows in alone for row in rows]


def test_a_cutoff_needs_a_time_zone(con_of, events, cutoff):
    """A naive instant means something else on every machine."""
    with pytest.raises(ValueError, match="has no time zone"):
        compute_features(con_of(events), CATALOG, [cutoff.replace(tzinfo=None)])
