"""Names and values come from other people's tracking code, and can hold anything."""

import json

import pytest

from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features
from tidemill_features.labels import label_users

HOSTILE = [
    "'; DROP VIEW events; --",
    'say "hi"',
    "back\\slash",
    "Äpfel und Birnen 🍐",
    "a.b[0].*",
    "$ref",
    "50% off, {curly} $1 ?",
    "tab\tand\nline",
    " ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_event_name_is_only_a_name(features_of, name):
    """It is quoted wherever it meets SQL."""
    assert features_of({"name": name}, {"name": name + "x"}, event=name)["count_7d"] == 1


@pytest.mark.parametrize("value", HOSTILE)
def test_a_property_value_is_only_a_value(features_of, value):
    """The same for what an event carries."""
    rows = [{"properties": json.dumps({"k": text})} for text in (value, "other")]
    assert features_of(*rows, where={"property.k": value})["count_14d"] == 1


@pytest.mark.parametrize("key", HOSTILE)
def test_a_property_name_is_one_key_not_a_path(features_of, key):
    """Dots, brackets and quotes in it mean themselves."""
    rows = [{"properties": json.dumps({key: "yes", "a": {"b": ["yes"]}})}, {}]
    assert features_of(*rows, where={f"property.{key}": "yes"})["count_14d"] == 1
    assert features_of(*rows, where={f"property.{key}": "no"})["count_14d"] == 0


@pytest.mark.parametrize("key", HOSTILE)
def test_labels_read_the_same_names(events_of, con_of, cutoff, target_of, key):
    """A target on such an event and property finds it."""
    con = con_of(events_of({"name": key, "days_ago": -1, "properties": json.dumps({key: key})}))
    target = target_of(event=key, where={f"property.{key}": key})
    assert label_users(con, target, cutoff, ["u1", "u2"]).tolist() == [True, False]


@pytest.mark.parametrize("user", HOSTILE)
def test_a_user_id_is_only_an_id(events_of, con_of, cutoff, user):
    """It comes back as it went in."""
    con = con_of(events_of({"user": user}))
    rows = compute_features(con, Catalog(), [cutoff], users=[user])
    assert rows["user_id"].to_pylist() == [user]


def test_hostile_signals_share_one_query(events_of, con_of, cutoff):
    """All of them at once, each counted for itself."""
    catalog = Catalog(tuple(Signal(name) for name in HOSTILE))
    con = con_of(events_of(*({"name": name} for name in HOSTILE)))
    row = compute_features(con, catalog, [cutoff]).to_pylist()[0]
    assert {row[f"{signal.name}__count_7d"] for signal in catalog.signals} == {1}
