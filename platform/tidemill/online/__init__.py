"""The packed online store: one row per user holding the whole feature vector.

Feast's own read path decodes one protobuf per value; a packed row is one key look-up and one
`np.frombuffer`. Feast writes it (tidemill_features.online_store), the server reads it. On one
machine it is a SQLite file in the home, on a cluster a Redis that TIDEMILL_ONLINE_STORE names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tidemill.home import Home
from tidemill.online.store import OnlineReader, OnlineRows, OnlineWriter

__all__ = [
    "OnlineReader",
    "OnlineRows",
    "OnlineWriter",
    "is_url",
    "online_address",
    "open_online_reader",
    "open_online_writer",
    "reader_at",
    "writer_at",
]


def online_address(home: Home) -> str:
    """The Redis URL in TIDEMILL_ONLINE_STORE, or else the path of the home's own file.

    Raises OnlineStoreError when the variable holds anything but a Redis URL.
    """
    address = os.environ.get("TIDEMILL_ONLINE_STORE")
    if not address:
        return str(home.online_store)
    from tidemill.online.redis_server import check_url  # on a cluster only

    check_url(address)
    return address


def open_online_reader(home: Home, view: str, features: Sequence[str]) -> OnlineReader:
    """A reader of the home's online store, for one thread. Raises OnlineStoreError."""
    return reader_at(online_address(home), view, features)


def open_online_writer(home: Home) -> OnlineWriter:
    """A writer to the home's online store. Raises OnlineStoreError."""
    return writer_at(online_address(home))


def reader_at(address: str, view: str, features: Sequence[str]) -> OnlineReader:
    """A reader of the store at a Redis URL or a file path. Raises OnlineStoreError."""
    if is_url(address):
        from tidemill.online.redis_reader import RedisReader  # redis is for clusters only

        return RedisReader(address, view, features)
    from tidemill.online.sqlite import SqliteReader  # not needed where Redis is

    return SqliteReader(address, view, features)


def writer_at(address: str) -> OnlineWriter:
    """A writer to the store at a Redis URL or a file path. Raises OnlineStoreError."""
    if is_url(address):
        from tidemill.online.redis_writer import RedisWriter  # redis is for clusters only

        return RedisWriter(address)
    from tidemill.online.sqlite import SqliteWriter  # not needed where Redis is

    return SqliteWriter(address)


def is_url(address: str) -> bool:
    """Whether `address` names a server rather than a file."""
    return "://" in address
