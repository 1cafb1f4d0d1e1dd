"""The online feature rows of one model, read by any thread without waiting for a lock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.errors import OnlineStoreError
from tidemill.home import Home
from tidemill.online import OnlineReader, OnlineRows, open_online_reader
from tidemill_serving.errors import UnavailableError


class Query(NamedTuple):
    """What to score: stored users, or feature rows the caller brings. One of them is set."""

    users: Sequence[str] | None = None
    vectors: NDArray[np.float32] | None = None
    """[n, features], finite, in the bundle's order."""


class StoredRows:
    """Rows of `features` in a view of the online store; each thread has a reader of its own."""

    def __init__(self, home: Home, view: str, features: tuple[str, ...]) -> None:
        self._home = home
        self._view = view
        self._features = features
        self._own = threading.local()

    def read(self, query: Query) -> tuple[Sequence[str | None], OnlineRows]:
        """Who is asked about, and their rows; rows that the caller brings are found by definition.

        Raises UnavailableError when the store is out of reach.
        """
        if query.vectors is not None:
            count = len(query.vectors)
            now, found = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.bool_)
            return [None] * count, OnlineRows(query.vectors, now, found)
        users = query.users or []
        try:
            return users, self.reader().read(users)
        except OnlineStoreError as error:
            raise UnavailableError(
                f"user_id: features cannot be read: {error}", error.hint
            ) from error

    def everybody(self) -> list[str]:
        """Users of the online store, sorted. Raises OnlineStoreError."""
        return self.reader().entities()

    def reader(self) -> OnlineReader:
        """The calling thread's own."""
        reader: OnlineReader | None = getattr(self._own, "reader", None)
        if reader is None:
            reader = open_online_reader(self._home, self._view, self._features)
            self._own.reader = reader
        return reader
