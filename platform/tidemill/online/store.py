"""What every online store can do, and how a packed row becomes a model's vector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import OnlineStoreError


@dataclass(frozen=True)
class OnlineRows:
    """Feature rows in the order of the ids asked for."""

    vectors: NDArray[np.float32]
    """[n, features]; NaN where a value does not exist, and all NaN for an unknown user."""
    cutoffs: NDArray[np.int64]
    """[n], microseconds since 1970 UTC; 0 for an unknown user."""
    found: NDArray[np.bool_]
    """[n]."""


class OnlineReader(Protocol):
    """Reads the features one bundle needs, in the bundle's order. Belongs to one thread.

    Every method raises OnlineStoreError when the store is out of reach, and those that look at
    rows also when it lacks a feature. A row of one layout is never read as a row of another.
    """

    def check(self) -> None:
        """Raise OnlineStoreError unless the view has every wanted feature."""

    def generation(self) -> int:
        """Changes with every batch written to the view; 0 before the first."""

    def updates(self) -> int:
        """Changes when rows were updated between two batches, perhaps also otherwise."""

    def read(self, entities: Sequence[str]) -> OnlineRows:
        """Rows of `entities` in their order; unknown ones are flagged, never an error."""

    def read_packed(self, entities: Sequence[str]) -> list[tuple[int, bytes] | None]:
        """Cutoff in us and row of each of `entities` as it was written; None for unknown ones."""

    def sample(self, size: int) -> OnlineRows:
        """Up to `size` rows spread evenly over the view, for population statistics."""

    def entities(self) -> list[str]:
        """Every entity of the view, sorted by its UTF-8 bytes."""

    def close(self) -> None: ...


class OnlineWriter(Protocol):
    """Replaces feature rows, one writer at a time. Every method raises OnlineStoreError."""

    def write(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert `(entity, cutoff in us, packed row)`; returns how many.

        A packed row is a float32 little-endian vector of `features`, or what the view's readers
        take with `read_packed`.

        A row older than the stored one is ignored. Changing `features` makes the view's old rows
        unreadable at once, because their vectors no longer mean the same.
        """

    def update(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert rows between two batches: as `write`, but the generation stays.

        Raises OnlineStoreError when `features` is not the live layout; rows before that are kept.
        """

    def remove(self, view: str, entities: Iterable[tuple[str, int]]) -> None:
        """Forget the rows of entities, each as of a cutoff in us: a newer row stays."""

    def layout(self, view: str) -> tuple[str, ...]:
        """Features of the live layout, in order; none before the first batch."""

    def delete(self, view: str) -> None:
        """Forget a view and its rows."""

    def close(self) -> None: ...


def other_layout(view: str, features: Sequence[str]) -> OnlineStoreError:
    """What an update of rows in another layout than the live one ends in."""
    return OnlineStoreError(
        f"online view '{view}' does not hold the {len(features)} features that were to be updated",
        hint="fill it with `tidemill features materialize`",
    )


class Columns:
    """Where the wanted features lie in the vectors of one layout."""

    def __init__(self, view: str, layout: Sequence[str], wanted: Sequence[str]) -> None:
        """Raises OnlineStoreError when the layout lacks a wanted feature."""
        position = {name: index for index, name in enumerate(layout)}
        missing = [name for name in wanted if name not in position]
        if missing:
            raise OnlineStoreError(
                f"online view '{view}' lacks {len(missing)} of the {len(wanted)} "
                f"features the model reads, first '{missing[0]}'",
                hint="fill it with `tidemill features materialize`",
            )
        self._width = len(position)
        self._blank = np.full(self._width, np.nan, dtype="<f4").tobytes()
        self._columns = np.asarray([position[name] for name in wanted], dtype=np.intp)

    def unpack(self, stored: Sequence[tuple[int, bytes] | None]) -> OnlineRows:
        """Rows of (cutoff, vector), None for an unknown entity."""
        found = np.asarray([row is not None for row in stored], dtype=np.bool_)
        packed = b"".join([self._blank if row is None else row[1] for row in stored])
        matrix = np.frombuffer(packed, dtype="<f4").reshape(len(stored), self._width)
        cutoffs = np.asarray([0 if row is None else row[0] for row in stored], dtype=np.int64)
        return OnlineRows(matrix.take(self._columns, axis=1), cutoffs, found)
