"""Slices are told from the feature vector, and named for people."""

from __future__ import annotations

import numpy as np

from tidemill_features.catalog import Catalog, Signal
from tidemill_features.user_slices import slice_users

CATALOG = Catalog(
    (
        Signal(None),
        Signal("visit", {"property.device": "phone"}),
        Signal("order", {"property.device": "phone"}),
        Signal("order", {"item.category": "BREAD"}),
        Signal("order", {"item.category": "BREAD", "property.device": "phone"}),
    )
)


def sliced(**columns: list[float]) -> dict[str, list[bool]]:
    """Slices of users with these values; all other features are 0."""
    users = len(next(iter(columns.values())))
    vectors = np.zeros((users, len(CATALOG.names)), dtype=np.float32)
    for name, values in columns.items():
        vectors[:, CATALOG.names.index(name)] = values
    return {s.name: s.members.tolist() for s in slice_users(CATALOG, CATALOG.names, vectors)}


def test_bands_of_activity_share_every_user_out() -> None:
    """Each user is in one band of an attribute; who has no value is in none."""
    found = sliced(any__days_since_last=[0.5, 7, 7.1, 90, float("nan")])
    assert found["last event up to 7 days ago"] == [True, True, False, False, False]
    assert found["last event over 7 to 28 days ago"] == [False, False, True, False, False]
    assert found["last event over 28 days ago"] == [False, False, False, True, False]


def test_an_attribute_is_had_by_whoever_had_any_event_with_it() -> None:
    """Events that carry the same property are one slice; combined conditions are none."""
    visit, order = (Signal(n, {"property.device": "phone"}).name for n in ("visit", "order"))
    found = sliced(**{f"{visit}__count_56d": [1, 0, 0], f"{order}__count_56d": [0, 2, 0]})
    assert found["property.device = phone"] == [True, True, False]
    assert "item.category = BREAD" not in found


def test_a_model_that_lacks_the_features_has_no_slices() -> None:
    """A bundle reads what it reads."""
    assert slice_users(CATALOG, ("order__count_7d",), np.zeros((3, 1), dtype=np.float32)) == []
