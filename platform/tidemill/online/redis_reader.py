"""Reads the online store of a cluster, one round trip a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

import orjson
import redis

from tidemill.online.redis_server import Keys, connect, in_words, pattern, scan
from tidemill.online.store import Columns, OnlineRows

_SECONDS = 0.5
"""Longest wait for one answer."""
_REST_SECONDS = 1.0
"""How long a server that failed is left alone, so that requests are refused without waiting."""
_KEYS_PER_COMMAND = 2_000
_CUTOFF_BYTES = 8
_NOT_YET = b"not read yet"


class RedisReader:
    """Opens its connection with the first question, and anew whenever that was lost."""

    def __init__(self, address: str, view: str, features: Sequence[str]) -> None:
        self._address = address
        self._view = view
        self._keys = Keys(view)
        self._wanted = list(features)
        self._client: redis.Redis | None = None
        self._failure: redis.RedisError | None = None
        self._rest_until = 0.0
        self._layout: bytes | None = _NOT_YET
        self._prefix = ""

    def check(self) -> None:
        self._follow_layout()

    def generation(self) -> int:
        return int(self._ask("GET", self._keys.generation) or 0)

    def updates(self) -> int:
        return int(self._ask("GET", self._keys.updates) or 0)

    def read(self, entities: Sequence[str]) -> OnlineRows:
        rows = self.read_packed(entities)  # reading may follow to another layout
        return self._columns.unpack(rows)

    def read_packed(self, entities: Sequence[str]) -> list[tuple[int, bytes] | None]:
        while (stored := self._fetch(entities)) is None:
            self._follow_layout()
        return [_split(row) for row in stored]

    def sample(self, size: int) -> OnlineRows:
        """The first users that a scan finds: it goes by hash, so they are spread like any draw."""
        while True:
            self._follow_layout()
            stored = self._fetch(self._first_entities(size))
            if stored is not None:
                return self._columns.unpack([_split(row) for row in stored if row is not None])

    def entities(self) -> list[str]:
        while True:
            self._follow_layout()
            names = {name for page in self._pages() for name in page}
            if self._ask("GET", self._keys.layout) == self._layout:
                return [name.decode() for name in sorted(names)]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _fetch(self, entities: Sequence[str]) -> list[bytes | None] | None:
        """Packed rows of the layout known here; None when it is no longer the live one.

        The layout's name comes with the rows in one command, so they are of one state.
        """
        rows: list[bytes | None] = []
        for start in range(0, max(1, len(entities)), _KEYS_PER_COMMAND):
            keys = [self._prefix + entity for entity in entities[start : start + _KEYS_PER_COMMAND]]
            live, *found = self._ask("MGET", self._keys.layout, *keys)
            if live != self._layout:
                return None
            rows += found
        return rows

    def _follow_layout(self) -> None:
        live, features = self._ask("MGET", self._keys.layout, self._keys.features)
        if live != self._layout:
            self._columns = Columns(self._view, orjson.loads(features or b"[]"), self._wanted)
            self._layout = live
            self._prefix = self._keys.rows(live or b"")

    def _first_entities(self, size: int) -> list[str]:
        found: dict[bytes, None] = {}
        for page in self._pages():
            found.update(dict.fromkeys(page))
            if len(found) >= size:
                break
        return [name.decode() for name in found][:size]

    def _pages(self) -> Iterator[list[bytes]]:
        """Entities of the layout known here."""
        skip = len(self._prefix.encode())
        for keys in scan(self._ask, pattern(self._prefix)):
            yield [key[skip:] for key in keys]

    def _ask(self, *command: Any) -> Any:
        if self._failure is not None and monotonic() < self._rest_until:
            raise in_words(self._address, self._failure)
        try:
            if self._client is None:
                self._client = connect(self._address, _SECONDS)
            answer = self._client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis leaves it untyped
        except redis.RedisError as error:
            self._failure, self._rest_until = error, monotonic() + _REST_SECONDS
            raise in_words(self._address, error) from error
        self._failure = None
        return answer


def _split(row: bytes | None) -> tuple[int, bytes] | None:
    if row is None:
        return None
    return int.from_bytes(row[:_CUTOFF_BYTES], "little", signed=True), row[_CUTOFF_BYTES:]
