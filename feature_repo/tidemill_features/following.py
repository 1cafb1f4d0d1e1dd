"""The life of `tidemill features follow`: look, push, tell, and outlive whatever goes wrong."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event
from time import monotonic

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill_features.follower import Follower
from tidemill_features.pushing import Pushed

_LOOK_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_TELL_SECONDS = 5.0
_UNITS = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
}


class Teller:
    """One line for all pushes of a few seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._users = 0
        self._age: timedelta | None = None
        self._told = -_TELL_SECONDS

    def add(self, pushed: Pushed, now: datetime) -> None:
        """`now`: when the push had ended."""
        self._users += pushed.written
        if pushed.oldest is not None:
            self._age = max(now - pushed.oldest, self._age or timedelta())

    def tell(self) -> None:
        """Say what was added, if anything was and the last line is old enough."""
        if self._users and monotonic() - self._told >= _TELL_SECONDS:
            self.finish()

    def finish(self) -> None:
        """Say what was added and not yet said."""
        if not self._users:
            return
        age = "" if self._age is None else f", the oldest event {in_words(self._age)} old"
        self._say(f"{self._users:,} user{'' if self._users == 1 else 's'}{age}")
        self._users, self._age, self._told = 0, None, monotonic()


def in_words(age: timedelta) -> str:
    """`1.3 s`, `12 minutes`, `5 hours`, `672 days`: the largest unit there are two of."""
    for name, unit in _UNITS.items():
        if age >= 2 * unit:
            return f"{age // unit:,} {name}"
    return f"{age.total_seconds():.1f} s"


def follow(home: Home, once: bool, say: Callable[[str], None]) -> None:
    """Follow the event log of `home` until SIGTERM or SIGINT; with `once`, until it is caught up.

    Faults are said once and outlived; with `once` they are raised, as TidemillError.
    """
    stop, teller = _stopped_by_signals(), Teller(say)
    with closing(Follower(home, say)) as follower:
        if once:
            _catch_up(follower, teller, stop)
        else:
            _keep_up(follower, teller, stop, say)
    teller.finish()


def _catch_up(follower: Follower, teller: Teller, stop: Event) -> None:
    while not stop.is_set():
        _step(follower, teller)
        if follower.is_idle:
            return
        stop.wait(_LOOK_SECONDS)


def _keep_up(follower: Follower, teller: Teller, stop: Event, say: Callable[[str], None]) -> None:
    fault, pause = "", _LOOK_SECONDS
    while not stop.wait(pause):
        try:
            _step(follower, teller)
        except TidemillError as error:
            if error.message != fault:
                say(f"{error.message}; {error.hint or 'trying again'}")
            fault, pause = error.message, min(2 * pause, _LONGEST_PAUSE_SECONDS)
        else:
            if fault:
                say("going on")
            fault, pause = "", _LOOK_SECONDS
        teller.tell()


def _step(follower: Follower, teller: Teller) -> None:
    pushed = follower.step(datetime.now(UTC))
    if pushed is not None:
        teller.add(pushed, datetime.now(UTC))


def _stopped_by_signals() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
