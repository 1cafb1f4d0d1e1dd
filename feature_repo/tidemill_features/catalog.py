"""The catalog: which signals a home counts, and the features computed from each.

A *signal* is an event name, optionally narrowed to one value of a property or item attribute.
A *feature* is one aggregate over one signal, as known at a cutoff.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidemill.home import Home
from tidemill.predictions import hash_features
from tidemill_features.aggregates import (
    BREAKDOWN_AGGREGATES,
    EVENT_AGGREGATES,
    PURCHASE_AGGREGATES,
    Aggregate,
)

FEATURE_VIEW = "user_activity"
ANY_EVENT = "any"
_FILE = "catalog.json"
_SLUG_LENGTH = 80


@dataclass(frozen=True)
class Signal:
    """Events that are counted together."""

    event: str | None
    """Event name; None counts every event."""
    where: Mapping[str, str] = field(default_factory=dict)
    """`property.<name>` or `item.<name>` to the value it must have."""
    value: str | None = None
    """What is summed, `value` or `property.<name>`, of a signal that is purchases. None for any
    other: it sums the events' own `value`."""

    @property
    def name(self) -> str:
        """Column-safe and unique: a slug, with a checksum where the slug lost something."""
        if self.event is None and not self.where:
            return ANY_EVENT
        event = ANY_EVENT if self.event is None else _slug(self.event)
        values = [_slug(f"{key} {value}") for key, value in sorted(self.where.items())]
        summed = [] if self.value is None else [f"of_{_slug(self.value)}"]
        return "__".join([event, *values, *summed])

    @property
    def label(self) -> str:
        """For people: `product_purchased where item.category = SOUP`."""
        label = self.event or "any event"
        if self.where:
            conditions = " and ".join(f"{k} = {v}" for k, v in sorted(self.where.items()))
            label += f" where {conditions}"
        return label if self.value is None else f"{label}, valued by {self.value}"

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        if self.value is not None:
            return PURCHASE_AGGREGATES
        return BREAKDOWN_AGGREGATES if self.where else EVENT_AGGREGATES


@dataclass(frozen=True)
class Feature:
    """One column of the feature vector."""

    name: str
    signal: Signal
    aggregate: Aggregate

    @property
    def event(self) -> str | None:
        return self.signal.event

    @property
    def description(self) -> str:
        return self.aggregate.description.format(signal=self.signal.label)


@dataclass(frozen=True)
class Catalog:
    """The signals of a home, in the order they were first seen."""

    signals: tuple[Signal, ...] = (Signal(None),)

    @property
    def features(self) -> tuple[Feature, ...]:
        return tuple(
            Feature(f"{signal.name}__{aggregate.name}", signal, aggregate)
            for signal in self.signals
            for aggregate in signal.aggregates
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @property
    def hash(self) -> str:
        return hash_features(self.names)

    def grown_by(self, signals: Iterable[Signal]) -> Catalog:
        """This catalog and what is new in `signals`.

        A signal once listed stays: a served model may still read it.
        """
        known = {signal.name for signal in self.signals}
        new = {s.name: s for s in signals if s.name not in known}
        return Catalog(self.signals + tuple(new.values()))


def feature_name(signal: Signal, aggregate: str) -> str:
    return f"{signal.name}__{aggregate}"


def load_catalog(home: Home) -> Catalog:
    """The home's catalog; before any discovery, the activity features over all events."""
    path = home.features / _FILE
    if not path.exists():
        return Catalog()
    entries = json.loads(path.read_text())
    return Catalog(
        tuple(Signal(entry["event"], entry["where"], entry.get("value")) for entry in entries)
    )


def save_catalog(home: Home, catalog: Catalog) -> Path:
    """Replace the home's catalog atomically."""
    path = home.features / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [
        {"event": s.event, "where": dict(s.where), **({"value": s.value} if s.value else {})}
        for s in catalog.signals
    ]
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(entries, indent=1, ensure_ascii=False))
    draft.replace(path)
    return path


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_SLUG_LENGTH]
    # A real event called "any" must not pass for all events.
    reversible = slug == text and text not in ("", ANY_EVENT)
    reversible = reversible and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", text) is not None
    return slug if reversible else f"{slug}_{zlib.crc32(text.encode()) & 0xFFFF:04x}"
