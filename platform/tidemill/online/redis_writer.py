"""Fills the online store of a cluster.

Rows become visible one by one, a new layout all at once: its rows are written beside the old ones,
then the layout's name is switched, then the old rows are removed.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from time import monotonic, sleep
from typing import Any

import orjson
import redis

from tidemill.errors import OnlineStoreError
from tidemill.online.redis_server import Keys, connect, in_words, layout_name, scan
from tidemill.online.store import other_layout

_SECONDS = 10.0
"""Longest wait for one answer."""
_TURN_MS = 60_000
"""After this long without a sign of life a writer has lost its turn."""
_PATIENCE_SECONDS = 300.0
_ROWS_PER_COMMAND = 250

# Each script acts only for the process whose turn it is, and extends the turn.
_MINE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return redis.error_reply('TURN lost to another writer')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
# Refused unless the live layout is the one expected; needs no turn, because it is one step.
_IN_LAYOUT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
"""
_ROWS = """
local written = 0
for i = 2, #KEYS do
    local stored, row = redis.call('GETRANGE', KEYS[i], 0, 7), ARGV[#ARGV - #KEYS + i]
    if stored == '' or struct.unpack('<i8', row) >= struct.unpack('<i8', stored) then
        redis.call('SET', KEYS[i], row)
        written = written + 1
    end
end
return written
"""
_REMOVED = """
for i = 2, #KEYS do
    local stored = redis.call('GETRANGE', KEYS[i], 0, 7)
    if stored ~= '' and struct.unpack('<i8', ARGV[i]) >= struct.unpack('<i8', stored) then
        redis.call('UNLINK', KEYS[i])
    end
end
return 0
"""
_PUT = _MINE + _ROWS
_UPDATE = _IN_LAYOUT + _ROWS
_REMOVE = _IN_LAYOUT + _REMOVED
_SWITCH = (
    _MINE
    + """
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('INCR', KEYS[4])
"""
)
_DROP = (
    _MINE
    + """
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
"""
)
_LEAVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisWriter:
    """One writer a view at a time; a second one waits for its turn."""

    def __init__(self, address: str) -> None:
        self._address = address
        with self._in_words():
            self._client = connect(address, _SECONDS)

    def write(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert rows; after a fault half-way, rows of the layout that was live are kept."""
        with self._in_words(), _Turn(self._client, view) as turn:
            return turn.write(features, rows)

    def update(
        self, view: str, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]
    ) -> int:
        """Upsert rows of the live layout; neither waits for a batch in progress nor disturbs it."""
        written = self._change(_UPDATE, view, features, rows)
        with self._in_words():
            self._client.incr(Keys(view).updates)
        return written

    def remove(self, view: str, entities: Iterable[tuple[str, int]]) -> None:
        rows = ((entity, cutoff, b"") for entity, cutoff in entities)
        self._change(_REMOVE, view, self.layout(view), rows)

    def layout(self, view: str) -> tuple[str, ...]:
        with self._in_words():
            return tuple(orjson.loads(self._client.get(Keys(view).features) or b"[]"))

    def delete(self, view: str) -> None:
        # The generation goes on counting, so that followers notice.
        with self._in_words(), _Turn(self._client, view) as turn:
            turn.write([], [])

    def close(self) -> None:
        self._client.close()

    def _change(
        self,
        text: str,
        view: str,
        features: Sequence[str],
        rows: Iterable[tuple[str, int, bytes]],
    ) -> int:
        """Run a script on rows of the live layout, and sum up its answers."""
        keys, layout, total = Keys(view), layout_name(features), 0
        with self._in_words():
            script = self._client.register_script(text)
            for names, packed in _commands(keys.rows(layout), rows):
                count = script(keys=[keys.layout, *names], args=[layout, *packed])
                if count < 0:
                    raise other_layout(view, features)
                total += count
        return total

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            raise in_words(self._address, error) from error


class _Turn:
    """The right to write one view, until the end of the block."""

    def __init__(self, client: redis.Redis, view: str) -> None:
        self._client = client
        self._view = view
        self._keys = Keys(view)
        self._token = secrets.token_hex(16)
        self._put, self._switch, self._drop, self._leave = (
            client.register_script(script) for script in (_PUT, _SWITCH, _DROP, _LEAVE)
        )

    def __enter__(self) -> _Turn:
        deadline = monotonic() + _PATIENCE_SECONDS
        while not self._client.set(self._keys.writer, self._token, nx=True, px=_TURN_MS):
            if monotonic() > deadline:
                raise OnlineStoreError(
                    f"another process has been writing the online view '{self._view}' for "
                    f"{_PATIENCE_SECONDS:.0f} s",
                    hint="wait until it has finished",
                )
            sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        # What cannot be given back runs out by itself.
        with suppress(redis.RedisError):
            self._leave(keys=[self._keys.writer], args=[self._token])

    def write(self, features: Sequence[str], rows: Iterable[tuple[str, int, bytes]]) -> int:
        layout = layout_name(features)
        live, unswept = self._ask("MGET", self._keys.layout, self._keys.unswept)
        sweeps = live != layout or unswept is not None
        if sweeps:
            self._client.set(self._keys.unswept, 1)
            self._sweep(keep=live)
        written = self._write_rows(self._keys.rows(layout), rows)
        document = orjson.dumps(list(features))
        targets = [self._keys.layout, self._keys.features, self._keys.generation]
        self._run(self._switch, targets, layout, document)
        if sweeps:
            self._sweep(keep=layout)
            self._client.delete(self._keys.unswept)
        return written

    def _write_rows(self, prefix: str, rows: Iterable[tuple[str, int, bytes]]) -> int:
        return sum(self._run(self._put, keys, *packed) for keys, packed in _commands(prefix, rows))

    def _sweep(self, keep: bytes | None) -> None:
        """Remove the rows of every layout but one."""
        kept = self._keys.rows(keep or b"").encode()
        for keys in scan(self._ask, self._keys.any_row):
            self._run(self._drop, [key for key in keys if not key.startswith(kept)])

    def _ask(self, *command: Any) -> Any:
        return self._client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis leaves it untyped

    def _run(self, script: Any, keys: Sequence[str | bytes], *arguments: bytes) -> Any:
        return script(keys=[self._keys.writer, *keys], args=[self._token, _TURN_MS, *arguments])


def _commands(
    prefix: str, rows: Iterable[tuple[str, int, bytes]]
) -> Iterator[tuple[list[str], list[bytes]]]:
    """Keys and packed rows of each command."""
    left = iter(rows)
    while batch := list(islice(left, _ROWS_PER_COMMAND)):
        yield (
            [prefix + entity for entity, _, _ in batch],
            [cutoff.to_bytes(8, "little", signed=True) + vector for _, cutoff, vector in batch],
        )
