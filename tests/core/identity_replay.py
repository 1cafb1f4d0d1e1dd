"""Identity by brute force: every event is moved by hand, instant by instant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]
Id = tuple[str, str]
"""(`user` or `anonymous`, the id)."""


class Replay:
    """What is believed once everything received before an instant was seen, and nothing else."""

    def __init__(self, users_per_device: int, devices_per_user: int) -> None:
        self.caps = users_per_device, devices_per_user
        self.users_of: dict[Id, list[str]] = {}
        self.ids_of: dict[str, list[str]] = {}
        self.link_of: dict[Id, str] = {}
        self.forgotten: set[str] = set()
        self.places: dict[str, list[Id]] = {}
        """Event id to the ids it went through: its own, then link by link."""

    def run(
        self, events: Sequence[Event], decisions: Sequence[tuple[Any, str, str]], before: Any
    ) -> dict[str, str]:
        """Event id to user, of the events that belong to one."""
        known = [event for event in events if event["received_at"] < before]
        instants = {event["received_at"] for event in known}
        instants |= {at for at, _, _ in decisions if at < before}
        for now in sorted(instants):
            self._decide([d for d in decisions if d[0] == now])
            self._hear([event for event in known if event["received_at"] == now])
            self._move()
        ends = {event: path[-1] for event, path in self.places.items()}
        return {event: end for event, (kind, end) in ends.items() if kind == "user"}

    def _decide(self, decisions: Sequence[tuple[Any, str, str]]) -> None:
        for _, action, forgotten in decisions:
            if action == "restore":
                self.forgotten.remove(forgotten)
                continue
            self.forgotten.add(forgotten)
            for path in self.places.values():
                left = [n for n, (_, known) in enumerate(path[:-1]) if known == forgotten]
                if left:
                    del path[left[0] + 1 :]

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            user, anonymous = event["user_id"], event["anonymous_id"]
            self.places[event["event_id"]] = [("user", user) if user else ("anonymous", anonymous)]
        claims = sorted(claim for event in events for claim in _claims(event))
        for *_, claimed, user in claims:
            _add(self.users_of.setdefault(claimed, []), user)
            _add(self.ids_of.setdefault(user, []), claimed[1])
        for *_, claimed, user in claims:
            full = self.ids_of[user].index(claimed[1]) >= self.caps[1]
            if not (full or self._is_shared(claimed) or claimed in self.link_of):
                self._link(claimed, user)

    def _link(self, claimed: Id, user: str) -> None:
        at: Id | None = ("user", user)
        while at is not None and at != claimed:
            at = ("user", self.link_of[at]) if at in self.link_of else None
        if at != claimed:
            self.link_of[claimed] = user

    def _move(self) -> None:
        for path in self.places.values():
            while path[-1] in self.link_of and not self._is_closed(path[-1]):
                path.append(("user", self.link_of[path[-1]]))

    def _is_shared(self, claimed: Id) -> bool:
        return len(self.users_of[claimed]) > self.caps[0]

    def _is_closed(self, known: Id) -> bool:
        return known[1] in self.forgotten or self._is_shared(known)


def _claims(event: Event) -> Iterator[tuple[Any, str, Id, str]]:
    user, order = event["user_id"], (event["timestamp"], event["event_id"])
    if user and event["anonymous_id"]:
        yield *order, ("anonymous", event["anonymous_id"]), user
    previous = json.loads(event["properties"]).get("previous_id")
    if user and event["name"] == "$alias" and previous and previous != user:
        yield *order, ("anonymous", previous), user
        yield *order, ("user", previous), user


def _add(known: list[str], new: str) -> None:
    if new not in known:
        known.append(new)
