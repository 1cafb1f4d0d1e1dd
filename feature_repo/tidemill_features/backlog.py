"""Users whose features are to be pushed: now, or once an instant has passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice


class Backlog:
    """Each user at most once, first come first served."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}
        self._due: dict[str, datetime] = {}

    def __len__(self) -> int:
        """Users that wait for nothing but their turn."""
        return len(self._waiting)

    def add(self, users: Iterable[str]) -> None:
        self._waiting.update(dict.fromkeys(users))

    def postpone(self, due: Mapping[str, datetime]) -> None:
        """Add users again once the instant of each has passed; of several, the first."""
        for user, instant in due.items():
            self._due[user] = min(instant, self._due.get(user, instant))

    def wake(self, passed: datetime) -> None:
        """Add everybody whose instant lies before `passed`."""
        ready = [user for user, instant in self._due.items() if instant < passed]
        for user in ready:
            del self._due[user]
        self.add(ready)

    def first(self, most: int) -> list[str]:
        """Up to `most` waiting users, who go on waiting until they are `done`."""
        return list(islice(self._waiting, most))

    def done(self, users: Sequence[str]) -> None:
        """Forget users, and what they were waiting for."""
        for user in users:
            self._waiting.pop(user, None)
            self._due.pop(user, None)

    def clear(self) -> None:
        """Forget who is waiting; whoever waits for an instant stays."""
        self._waiting.clear()
