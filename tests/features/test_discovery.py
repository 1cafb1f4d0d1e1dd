"""Which signals are worth counting, found in the log itself."""

from datetime import timedelta

import pytest

from tidemill_features.catalog import Signal
from tidemill_features.discovery import discover_signals


@pytest.fixture
def found(events_of, con_of, cutoff):
    """`found(rows of one user)`: what is discovered when `reach` users did the same."""

    def discover(*rows, reach=20, items=None, at=cutoff):
        everybody = [{**row, "user": f"u{user}"} for user in range(reach) for row in rows]
        return discover_signals(con_of(events_of(*everybody), items), at)

    return discover


def spread(**fields):
    """The same event early and late, so that its values span its time."""
    return [{"days_ago": days, **fields} for days in (1, 30, 60)]


def test_event_names_come_first_and_most_used_first(events_of, con_of, cutoff):
    """Names by users reached, then their breakdowns."""
    rows = [{"name": "rare", "user": f"u{n}"} for n in range(20)]
    rows += [{"name": "common", "user": f"u{n}", **row} for n in range(30) for row in spread()]
    rows = [{**row, "properties": '{"k": "x"}'} for row in rows]
    signals = discover_signals(con_of(events_of(*rows)), cutoff)
    assert signals[:2] == [Signal("common"), Signal("rare")]
    assert signals[2:] == [Signal(name, {"property.k": "x"}) for name in ("common", "rare")]


def test_text_values_of_properties_are_split_on(found):
    """Every value with enough users is a signal."""
    rows = [*spread(properties='{"device": "phone"}'), *spread(properties='{"device": "tablet"}')]
    expected = [Signal("order", {"property.device": d}) for d in ("phone", "tablet")]
    assert found(*rows) == [Signal("order"), *expected]


@pytest.mark.parametrize("value", ["7", "1.5", "true", "null", '{"x": "y"}', '["x"]'])
def test_only_texts_are_split_on(found, value):
    """A number is a quantity, and its sum belongs in `value`."""
    assert found(*spread(properties=f'{{"k": {value}}}')) == [Signal("order")]


def test_item_attributes_are_split_on(found):
    """Through the item that the event names."""
    items = {"i1": '{"brand": "x", "price": 3}', "i2": '{"brand": "y"}'}
    assert found(*spread(item="i1"), items=items) == [
        Signal("order"),
        Signal("order", {"item.brand": "x"}),
    ]


def test_what_few_users_do_is_not_counted(found):
    """Nineteen users are too few, twenty are enough."""
    assert found(*spread(properties='{"k": "x"}'), reach=19) == []
    assert len(found(*spread(properties='{"k": "x"}'), reach=20)) == 2


def test_reach_grows_with_the_log(events_of, con_of, cutoff):
    """One in a hundred users: 25 of 3,000 are noise."""
    rows = [{"name": "common", "user": f"u{n}"} for n in range(3000)]
    rows += [{"name": "rare", "user": f"u{n}"} for n in range(25)]
    assert discover_signals(con_of(events_of(*rows)), cutoff) == [Signal("common")]


def test_a_value_that_comes_and_goes_is_not_counted(found):
    """The id of one campaign marks a period and says nothing about the next."""
    rows = [*spread(), *({"days_ago": days, "properties": '{"k": "x"}'} for days in (30, 35))]
    assert found(*rows) == [Signal("order")]


def test_the_future_is_not_seen(found, cutoff):
    """Neither what happens after the instant nor what arrives after it."""
    after = spread(name="after", properties='{"k": "x"}')
    late = [{**row, "name": "late", "received": cutoff} for row in spread()]
    unseen = [{**row, "days_ago": row["days_ago"] - 70} for row in after]
    assert found(*spread(), *unseen, *late) == [Signal("order")]
    assert {s.event for s in found(*spread(), *late, at=cutoff + timedelta(days=1))} == {
        "order",
        "late",
    }


def test_events_of_nobody_reach_nobody(events_of, con_of, cutoff):
    """Anonymous events are not evidence."""
    assert discover_signals(con_of(events_of(*[{"user": None}] * 50)), cutoff) == []


def test_discovery_ends_with_the_same_list_every_time(shop_events, con_of, cutoff):
    """Ties are broken by name, so a second run finds the same layout."""
    events = shop_events(200, 60)
    again = events.take(list(reversed(range(events.num_rows))))
    one, other = (discover_signals(con_of(table, threads=2), cutoff) for table in (events, again))
    assert one == other
    assert len(one) > 2
