"""What may be offered now: the catalogue in the order of a model's items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.objective.fields import ITEM
from tidemill.recommendation.caps import Cap, caps_of
from tidemill.recommendation.catalogue import Catalogue
from tidemill_serving.errors import RequestError, show

_NEVER = np.iinfo(np.int64)


class Filterable(NamedTuple):
    """One attribute of a model's items."""

    codes: NDArray[np.int32]
    """[items], -1 where an item has no value."""
    values: dict[str, int]
    """The code of each value."""


class _Moment(NamedTuple):
    """What is available from one instant until something changes."""

    since: int
    until: int
    mask: NDArray[np.bool_]


class Offers:
    """Answers what may be offered when. Safe to use from any thread."""

    def __init__(self, catalogue: Catalogue, items: Sequence[str]) -> None:
        """`items` that the catalogue does not have are never offered."""
        rows = catalogue.positions
        at = np.fromiter((rows.get(item, -1) for item in items), np.int64, len(items))
        known = at >= 0
        # Row -1 is a row too; what it says of unknown items is overwritten.
        self._start = np.where(known, np.append(catalogue.start, 0)[at], _NEVER.max)
        self._end = np.where(known, np.append(catalogue.end, 0)[at], _NEVER.min)
        self._attributes = {
            name: Filterable(
                np.append(attribute.codes, np.int32(-1))[at],
                {value: code for code, value in enumerate(attribute.values)},
            )
            for name, attribute in catalogue.attributes.items()
        }
        self._codes = {name: attribute.codes for name, attribute in self._attributes.items()}
        self._moment = self._look(0)

    def allowed(self, now: int, filters: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
        """Items that are available at `now` and meet all filters, shape [1, items]; read only.

        Filters say which values of an attribute, `item.<name>`, are wanted. Raises RequestError
        when there is no such attribute, or nothing is left.
        """
        available = self._available(now)
        if not filters:
            return available
        mask = available
        for name, values in filters.items():
            mask = mask & self._matching(name, values)
        if not mask.any():
            said = " and ".join(f"{name} = {show(list(v))}" for name, v in filters.items())
            raise RequestError(f"filters: no item on offer has {said}", "ask for other values")
        return mask

    def caps(self, at_most: Mapping[str, int], count: int) -> list[Cap]:
        """The limits that a list of `count` items can reach."""
        return [cap for cap in caps_of(at_most, self._codes) if cap.most < count]

    def _matching(self, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
        attribute = self._attributes.get(name.removeprefix(ITEM)) if name.startswith(ITEM) else None
        if attribute is None:
            known = ", ".join(f"{ITEM}{one}" for one in self._attributes) or "nothing"
            raise RequestError(f"filters: unknown attribute {show(name)}", f"filter by {known}")
        codes = [attribute.values[value] for value in values if value in attribute.values]
        wanted: NDArray[np.bool_] = np.isin(attribute.codes, codes)
        return wanted

    def _available(self, now: int) -> NDArray[np.bool_]:
        moment = self._moment
        if not moment.since <= now < moment.until:
            moment = self._moment = self._look(now)
        return moment.mask

    def _look(self, now: int) -> _Moment:
        mask = ((self._start <= now) & (now < self._end))[None]
        mask.flags.writeable = False
        bounds = np.concatenate((self._start, self._end))
        return _Moment(now, int(np.min(bounds, where=bounds > now, initial=_NEVER.max)), mask)
