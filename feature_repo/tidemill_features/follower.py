"""Keeps the online store as fresh as the event log: pushes where it is known whom, else a batch.

Everything is decided from the log, the store and the saved place, so it may be killed at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import duckdb

from tidemill.errors import OnlineStoreError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.predictions import hash_features
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.background import Background
from tidemill_features.backlog import Backlog
from tidemill_features.catalog import load_catalog
from tidemill_features.history_rows import live_definitions
from tidemill_features.materialization import settled
from tidemill_features.place import Place, load_place, save_place
from tidemill_features.pushing import (
    Pushed,
    catalog_of,
    knows_anybody,
    live_layout,
    push_users,
    upcoming_changes,
    users_of,
)

USERS_PER_PUSH = 1_000
"""Bounds memory: a push holds all events of so many users."""
MOST_USERS = 5_000
"""With more users to push, a batch of everybody costs less."""
_PATIENCE = timedelta(seconds=10)
"""How long a row that is newer than a push is given to be overtaken."""
_UNREAD = ""
"""The layout that a batch leaves, until it was read: a store lost in between is filled again."""
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Follower:
    """Follows one home. A step that raised is tried again by the next; nothing is lost by it."""

    def __init__(self, home: Home, say: Callable[[str], None]) -> None:
        self._home = home
        self._say = say
        self._log = EventLog(home.events)
        self._saved = load_place(home)
        place = self._saved or Place(-1, _EARLIEST, _UNREAD)
        self._version, self._cutoff, self._layout = place.version, place.cutoff, place.layout
        self._why_batch = None if self._saved else "it is not known how far the store has come"
        self._batch = Background(home)
        self._backlog = Backlog()
        self._pushed_meanwhile: set[str] = set()
        self._shown: tuple[int, duckdb.DuckDBPyConnection] | None = None
        self._is_new = True
        self._is_empty = False

    @property
    def is_idle(self) -> bool:
        """Whether the last step left nothing to do."""
        waits = len(self._backlog) or self._why_batch or self._batch.is_running
        return self._is_empty or not waits

    def step(self, now: datetime) -> Pushed | None:
        """Take in what has come, start or end a batch, push some users. Raises TidemillError."""
        version = self._log.version()
        self._is_empty = version < 0
        if self._is_empty:
            return None
        self._take_in(version)
        has_ended = self._end_batch()
        layout = live_layout(self._home)
        definitions = live_definitions(self._home)
        views = (definition.view for definition in definitions)
        self._follow_layout(hash_features((*layout, *views)), has_ended)
        self._start_batch(now)
        self._backlog.wake(max(self._cutoff, settled(now)))
        if len(self._backlog) > MOST_USERS:
            self._why_batch = f"the features of {len(self._backlog):,} users have changed"
            self._backlog.clear()
        pushed = self._push(layout, definitions, now)
        self._save_place()
        return pushed

    def close(self) -> None:
        """End what runs in the background."""
        self._batch.stop()

    def _take_in(self, version: int) -> None:
        """Put the users of the events that are new in the log into the backlog."""
        if self._is_new and self._saved is not None:
            self._backlog.postpone(upcoming_changes(self._show(version), self._cutoff))
        self._is_new = False
        if version == self._version:
            return
        added = self._log.added_since(self._version) if 0 <= self._version < version else None
        if added is None:
            self._why_batch = self._why_batch or "it is not known whose events have changed"
        else:
            self._backlog.add(users_of(self._show(version), added, self._cutoff))
        self._version = version

    def _follow_layout(self, layout: str, has_ended: bool) -> None:
        """Notice that a batch has changed the layout; rows of the old one went with it."""
        if layout == self._layout or self._batch.is_running:
            return
        if has_ended:
            self._backlog.add(self._pushed_meanwhile)
        elif self._why_batch is None:
            self._why_batch = "the store holds other features than before"
        self._layout = layout

    def _start_batch(self, now: datetime) -> None:
        if self._why_batch is None or not self._batch.is_ready:
            return
        con, known_at = self._show(self._version), settled(now)
        if not knows_anybody(con, known_at):
            self._is_empty = not knows_anybody(con, now)
            self._batch.rest((now - known_at).total_seconds())
            return
        self._say(f"computing everybody's features: {self._why_batch}")
        self._batch.start()
        self._why_batch = None
        self._pushed_meanwhile.clear()
        self._backlog.postpone(upcoming_changes(con, known_at))

    def _end_batch(self) -> bool:
        try:
            cutoff = self._batch.collect()
        except OnlineStoreError:
            self._why_batch = "the last time it failed"
            raise
        if cutoff is None:
            return False
        self._cutoff, self._layout = max(self._cutoff, cutoff), _UNREAD
        self._say(f"everybody's features are in the store as of {cutoff:%Y-%m-%d %H:%M:%S} UTC")
        return True

    def _push(
        self, layout: tuple[str, ...], definitions: Sequence[InterestDefinition], now: datetime
    ) -> Pushed | None:
        users = self._backlog.first(USERS_PER_PUSH)
        if not users:
            return None
        catalog = catalog_of(layout, load_catalog(self._home))
        if catalog is None:
            if not self._batch.is_running and self._why_batch is None:
                self._why_batch = "the store does not hold the features of this home"
            return None
        con = self._show(self._version)
        pushed = push_users(self._home, con, catalog, users, self._cutoff, now, definitions)
        self._cutoff = pushed.cutoff
        self._backlog.done(users)
        self._backlog.postpone(pushed.upcoming)
        if not pushed.is_complete:
            self._backlog.postpone(dict.fromkeys(users, now + _PATIENCE))
        if self._batch.is_running:
            self._pushed_meanwhile.update(users)
        return pushed

    def _show(self, version: int) -> duckdb.DuckDBPyConnection:
        """The log as of `version` or later; opened once for all pushes from one version."""
        if self._shown is None or self._shown[0] != version:
            if self._shown is not None:
                self._shown[1].close()
            self._shown = None
            self._shown = version, self._log.connect()
        return self._shown[1]

    def _save_place(self) -> None:
        self._backlog.wake(self._cutoff)
        place = Place(self._version, self._cutoff, self._layout)
        if self.is_idle and place != self._saved:
            save_place(self._home, place)
            self._saved = place
