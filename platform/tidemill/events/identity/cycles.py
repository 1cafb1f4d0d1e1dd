"""Chains of users, without cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def choose_acyclic(claims: Iterable[tuple[str, str]]) -> Iterator[bool | None]:
    """For each (id, the user it leads to), in order: True if it becomes a link.

    False if the id has one already, None if it would lead back to the id itself.
    """
    ends: dict[str, str] = {}
    for claimed, user in claims:
        if claimed in ends:
            yield False
        elif _end_of(ends, user) == claimed:
            yield None
        else:
            ends[claimed] = user
            yield True


def _end_of(ends: dict[str, str], start: str) -> str:
    """Where the links from `start` end; everybody on the way is shown there for the next time."""
    passed, at = [], start
    while at in ends:
        passed.append(at)
        at = ends[at]
    for each in passed:
        ends[each] = at
    return at
