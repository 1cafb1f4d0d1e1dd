"""Groups of users that can be named: by what their feature vector says at prediction time.

A slice is told from the vector alone, so the same users are in it in training, in serving and in
monitoring, and nothing has to be looked up. Slices of different attributes overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_features.aggregates import DAYS_SINCE_FIRST, DAYS_SINCE_LAST
from tidemill_features.catalog import Catalog, Signal, feature_name

_BANDS = (
    ("last event", DAYS_SINCE_LAST.name, "days ago", (7, 28)),
    ("first event", DAYS_SINCE_FIRST.name, "days ago", (28, 112)),
    ("events in 28 days", "count_28d", "", (0, 4, 19, 99)),
)
"""Attribute, aggregate over all events, unit, upper ends of all bands but the last."""
_SEEN_WITHIN = "count_56d"
_MOST_VALUES = 12
"""Values of one property or item attribute that are shown apart, those of most users first."""


@dataclass(frozen=True)
class UserSlice:
    """Users that share a value of an attribute."""

    attribute: str
    """`property.<name>` or `item.<name>`, or an activity attribute such as `last event`."""
    name: str
    """For people: `last event up to 7 days ago`, `property.country = NL`."""
    members: NDArray[np.bool_]
    """[users]."""


def slice_users(
    catalog: Catalog, features: Sequence[str], vectors: NDArray[np.float32]
) -> list[UserSlice]:
    """Slices of the users behind `vectors` [users, features]; those without users are left out.

    By how lately, how long and how often users were active, and by each property or item attribute
    the catalog counts: a user with such an event in the last 56 days has that value.
    """
    place = {name: index for index, name in enumerate(features)}
    found = [*_by_activity(place, vectors), *_by_values(catalog, place, vectors)]
    return [each for each in found if each.members.any()]


def _by_activity(place: dict[str, int], vectors: NDArray[np.float32]) -> Iterator[UserSlice]:
    for attribute, aggregate, unit, ends in _BANDS:
        index = place.get(feature_name(Signal(None), aggregate))
        if index is None:
            continue
        column = vectors[:, index]
        for low, high in zip((-np.inf, *ends), (*ends, np.inf), strict=True):
            name = f"{attribute} {_band(low, high)} {unit}".strip()
            yield UserSlice(attribute, name, (column > low) & (column <= high))


def _band(low: float, high: float) -> str:
    if high == np.inf:
        return f"over {low:g}"
    return f"up to {high:g}" if low == -np.inf else f"over {low:g} to {high:g}"


def _by_values(
    catalog: Catalog, place: dict[str, int], vectors: NDArray[np.float32]
) -> Iterator[UserSlice]:
    """Several events may carry the same attribute; any of them will do."""
    members: dict[str, dict[str, NDArray[np.bool_]]] = {}
    for signal in catalog.signals:
        index = place.get(feature_name(signal, _SEEN_WITHIN))
        if index is None or len(signal.where) != 1:
            continue
        (attribute, value), *_ = signal.where.items()
        values = members.setdefault(attribute, {})
        seen = vectors[:, index] > 0
        values[value] = values[value] | seen if value in values else seen
    for attribute, values in members.items():
        largest = sorted(values, key=lambda value: -int(values[value].sum()))
        for value in largest[:_MOST_VALUES]:
            yield UserSlice(attribute, f"{attribute} = {value}", values[value])
