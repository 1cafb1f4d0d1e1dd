"""Histories into the online store, for every definition that the home keeps."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import IO

import duckdb

from tidemill.errors import OnlineStoreError
from tidemill.home import Home
from tidemill.objective import known_objectives, resolve_objective
from tidemill.online import OnlineWriter, open_online_reader, open_online_writer
from tidemill.recommendation.catalogue import write_catalogue
from tidemill.recommendation.history import LAYOUT, pack_history
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.bounded_log import bounded_log
from tidemill_features.catalogues import catalogue_of
from tidemill_features.interests import compute_histories
from tidemill_features.kept_interests import (
    forget_views,
    kept_definitions,
    kept_interests,
    unread_views,
)

_MOST_IN_MEMORY = 64 * 2**20
_SIZES = struct.Struct("<IqI")
_Row = tuple[str, int, bytes]


def fill_histories(home: Home, cutoff: datetime, only_missing: bool = False) -> None:
    """Write everybody's histories as of `cutoff` for each kept definition, and the catalogues.

    With `only_missing`, views that are in the store are left alone. Raises OnlineStoreError.
    """
    definitions = kept_definitions(home)
    if not definitions:
        return
    with bounded_log(home, home.features) as con, closing(open_online_writer(home)) as writer:
        for definition in definitions:
            if not (only_missing and is_filled(home, definition)):
                with _spooled(home, packed_histories(con, definition, cutoff)) as rows:
                    writer.write(definition.view, LAYOUT, rows)
        _write_catalogues(home, con, cutoff)
        _remove_unread(home, writer)


def update_histories(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    definitions: Sequence[InterestDefinition],
    cutoff: datetime,
    gone: Sequence[tuple[str, int]],
) -> bool:
    """Bring the rows of all users of `con` up to date; whether the store took every one.

    It keeps those that are newer. Removes the rows of those who are `gone`, as of a cutoff.
    """
    if not definitions:
        return True
    refused = 0
    with closing(open_online_writer(home)) as writer:
        for definition in definitions:
            rows = list(packed_histories(con, definition, cutoff))
            if gone:
                writer.remove(definition.view, gone)
            refused += len(rows) - writer.update(definition.view, LAYOUT, rows)
    return refused == 0


def packed_histories(
    con: duckdb.DuckDBPyConnection, definition: InterestDefinition, cutoff: datetime
) -> Iterator[_Row]:
    """Histories as the online store takes them: user, cutoff in microseconds, packed row."""
    for user, at, history in compute_histories(con, definition, cutoff):
        yield user, at, pack_history(history)


def live_definitions(home: Home) -> tuple[InterestDefinition, ...]:
    """Kept definitions whose histories the online store holds. Raises OnlineStoreError."""
    definitions = kept_definitions(home)
    if not definitions:
        return ()
    with closing(open_online_writer(home)) as writer:
        return tuple(each for each in definitions if writer.layout(each.view) == LAYOUT)


def is_filled(home: Home, definition: InterestDefinition) -> bool:
    """Whether the online store holds the histories of a definition."""
    try:
        with closing(open_online_reader(home, definition.view, LAYOUT)) as reader:
            reader.check()
    except OnlineStoreError:
        return False
    return True


def _write_catalogues(home: Home, con: duckdb.DuckDBPyConnection, at: datetime) -> None:
    known = known_objectives(home)
    for name in kept_interests(home):
        objective = resolve_objective(home, name) if name in known else None
        if objective is not None and objective.choice is not None:
            write_catalogue(home.catalogue(name), catalogue_of(con, objective, at))


def _remove_unread(home: Home, writer: OnlineWriter) -> None:
    views = unread_views(home)
    for view in views:
        writer.delete(view)
    if views:
        forget_views(home, views)


@contextmanager
def _spooled(home: Home, rows: Iterable[_Row]) -> Iterator[Iterator[_Row]]:
    """The same rows, all of them computed: the store is locked no longer than it takes to write."""
    with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY, dir=str(home.features)) as file:
        for user, at, row in rows:
            name = user.encode()
            file.write(_SIZES.pack(len(name), at, len(row)) + name + row)
        file.seek(0)
        yield _read_spooled(file)


def _read_spooled(file: IO[bytes]) -> Iterator[_Row]:
    while sizes := file.read(_SIZES.size):
        name, at, row = _SIZES.unpack(sizes)
        yield file.read(name).decode(), at, file.read(row)
