"""What may be offered: the catalogue of an objective, from items and events."""

from datetime import UTC, datetime, timedelta

import pytest

from tidemill_features.catalogues import catalogue_of

ITEMS = {
    "i1": '{"brand": "x", "colour": "red", "to": "2024-06-10"}',
    "i2": '{"brand": "x", "colour": "blue", "from": "2024-05-01T12:00:00Z"}',
    "i3": '{"brand": "y", "colour": "red", "from": "soon"}',
    "i4": "{}",
    "i5": '{"brand": "y"}',
}


@pytest.fixture
def catalogue(events_of, con_of, cutoff, choosing):
    """`catalogue(*rows, item_fields=...)`: as of the cutoff."""

    def find(*rows, items=ITEMS, **fields):
        con = con_of(events_of(*rows), items)
        return catalogue_of(con, choosing(items=fields), cutoff)

    return find


def texts(found, name):
    attribute = found.attributes[name]
    return [None if code < 0 else attribute.values[code] for code in attribute.codes.tolist()]


def test_items_come_from_the_table_and_from_events(catalogue, cutoff):
    """Of events, those that were known and show interest."""
    rows = [
        {"item": "i0"},
        {"item": "i1"},
        {"item": "later", "at": cutoff},
        {"item": "other", "name": "visit"},
        {"item": ""},
    ]
    assert catalogue(*rows).items == ("i0", "i1", "i2", "i3", "i4", "i5")
    assert catalogue(*rows, items={}).items == ("i0", "i1")


def test_items_must_meet_the_conditions(catalogue):
    """An item without the attribute does not."""
    assert catalogue({"item": "i9"}, where={"item.brand": "x"}).items == ("i1", "i2")


def test_attributes_are_texts(catalogue):
    """None where an item has none of that name."""
    assert texts(catalogue(), "brand") == ["x", "x", "y", None, "y"]


def test_an_empty_text_is_no_value(catalogue):
    """Items whose cell was left empty have nothing in common that a cap could count."""
    found = catalogue(items=ITEMS | {"i6": '{"brand": ""}'})
    assert texts(found, "brand")[-2:] == ["y", None]


def test_groups_have_what_all_their_members_share(catalogue):
    """Not what they differ in, nor what only some have; what no group has is left out."""
    one = {"i6": '{"brand": "z", "colour": "red"}', "i7": '{"brand": "z", "colour": "red"}'}
    found = catalogue(items=ITEMS | one, by="item.brand")
    assert found.items == ("x", "y", "z")
    assert texts(found, "colour") == [None, None, "red"]
    assert sorted(found.attributes) == ["brand", "colour"]


def test_groups_of_a_property_come_from_events(catalogue):
    """Those with any member that meets the conditions."""
    rows = [
        {"item": item, "properties": f'{{"slot": "{slot}"}}'}
        for item, slot in (("i1", "a"), ("i2", "a"), ("i3", "b"), (None, "c"))
    ]
    found = catalogue(*rows, by="property.slot")
    assert found.items == ("a", "b", "c")
    assert texts(found, "brand") == ["x", "y", None]
    assert catalogue(*rows, by="property.slot", where={"item.colour": "blue"}).items == ("a",)


def test_availability_is_read_from_attributes(catalogue):
    """Dates and instants; without one there is no bound."""
    found = catalogue(available={"start": "item.from", "end": "item.to"})
    at = [datetime(2024, 5, 1, 12, tzinfo=UTC), datetime(2024, 6, 10, tzinfo=UTC)]
    start, end = (int(instant.timestamp() * 1e6) for instant in at)
    assert found.available(start - 1).tolist() == [True, False, False, True, True]
    assert found.available(start).tolist() == [True, True, False, True, True]
    assert found.available(end).tolist() == [False, True, False, True, True]


@pytest.mark.parametrize("bound", ["start", "end"])
@pytest.mark.parametrize("text", ["soon", "31.12.2099", "2024-02-30", "1704067200"])
def test_an_item_whose_bound_cannot_be_read_is_never_offered(catalogue, bound, text):
    """It may have ended, or not have begun; an empty text is none."""
    items = {"i1": f'{{"until": "{text}"}}', "i2": '{"until": ""}', "i3": '{"until": null}'}
    found = catalogue(items=items, available={bound: "item.until"})
    for year in (1990, 2024, 2090):
        at = int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1e6)
        assert found.available(at).tolist() == [False, True, True]


def test_a_bound_that_cannot_be_read_widens_no_group(catalogue):
    """The time of a group is that of its other members."""
    items = {
        "i1": '{"brand": "x", "to": "soon", "from": "2020-01-01"}',
        "i2": '{"brand": "x", "to": "2024-06-10", "from": "2024-06-01"}',
    }
    found = catalogue(
        items=items, by="item.brand", available={"start": "item.from", "end": "item.to"}
    )
    days = [datetime(2024, 5, 31), datetime(2024, 6, 5), datetime(2024, 6, 10)]
    instants = [int(day.replace(tzinfo=UTC).timestamp() * 1e6) for day in days]
    assert [found.available(at).tolist() for at in instants] == [[False], [True], [False]]


def test_a_group_is_available_while_any_member_is(catalogue):
    """One item ended on the tenth, the other never."""
    found = catalogue(by="item.brand", available={"end": "item.to"})
    assert found.available(int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1e6)).all()


def test_an_empty_log_has_an_empty_catalogue(catalogue, cutoff):
    """No items, no events, no attributes."""
    found = catalogue(items={})
    assert (found.items, dict(found.attributes)) == ((), {})
    assert found.available(int((cutoff - timedelta(days=1)).timestamp())).tolist() == []
