"""What the monitor needs from the prediction log: newest vectors, and answers with known outcomes.

Everything is placed in time by the cutoff of its vector, the instant a prediction speaks from, so
that a replayed history is judged like a live one. Cold starts have no vector and are left out, and
so is what another arm of an experiment than the champion's answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata
from tidemill.predictions import Predictions, hash_features
from tidemill.segmentation.bundle import SegmentationMetadata
from tidemill_monitoring.answer_rows import AnswerRows, Collector

Described = BundleMetadata | SegmentationMetadata
BundleOf = Callable[[str], Described | None]
"""Metadata of a model version, None when its bundle is gone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = 2**62
"""Microseconds; later than anything."""


@dataclass(frozen=True)
class ServedVectors:
    """Vectors of the champion's layout in the window, the last answer per (user, cutoff)."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC, ascending."""
    versions: NDArray[np.str_]
    scores: NDArray[np.float64]
    grades: NDArray[np.str_]
    vectors: NDArray[np.float32]
    """[rows, features]."""

    def newest_per_user(self) -> NDArray[np.intp]:
        """Row of each user's latest vector."""
        _, last = np.unique(self.users[::-1], return_index=True)
        return len(self.users) - 1 - last


@dataclass(frozen=True)
class ClosedAnswers:
    """One version's last answer per user among those whose outcome is known."""

    version: str
    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    scores: NDArray[np.float64]
    grades: NDArray[np.str_]
    vectors: NDArray[np.float32]
    """[users, features of that version]."""


@dataclass(frozen=True)
class ServedHistory:
    """Both views of the log."""

    vectors: ServedVectors
    closed: ClosedAnswers | None
    first_cutoff: datetime | None
    """Of any answer of a known version; None when nothing was predicted."""
    gone_versions: tuple[str, ...] = ()
    """Versions that answered and whose bundles are gone; their answers are left out."""


def read_served(
    log: Iterable[Predictions],
    *,
    features: tuple[str, ...],
    bundle_of: BundleOf,
    at: datetime,
    window: timedelta,
    known_at: datetime,
) -> ServedHistory:
    """One pass over the log; keeps the window before `at`, and the newest one with outcomes.

    Answers are closed from cutoffs up to `known_at`, one horizon before the last known outcome.
    Users outside the population of the model that answered are left out.
    """
    layout, reach = hash_features(features), window // timedelta(microseconds=1)
    end, known = to_us(at), to_us(known_at)
    recent, closed = Collector(), dict[str, Collector]()
    judged: dict[str, _Judged | None] = {}
    first, newest = _NEVER, -_NEVER
    for frame in log:
        version = frame.model_version
        if version not in judged:
            judged[version] = _Judged.of(bundle_of(version))
        rule = judged[version]
        rows = np.empty(0, dtype=np.intp) if rule is None else rule.rows(frame, end)
        if not len(rows):
            continue
        cutoffs = frame.cutoffs[rows]
        first = min(first, int(cutoffs.min()))
        if frame.feature_hash == layout:
            recent.add(frame, rows[cutoffs > end - reach], end - reach)
        is_closed = cutoffs <= known
        newest = max(newest, int(cutoffs[is_closed].max(initial=-_NEVER)))
        closed.setdefault(version, Collector()).add(frame, rows[is_closed], newest - reach)
    return ServedHistory(
        _to_vectors(recent.rows(end - reach), len(features)),
        _newest_closed(closed, newest - reach),
        None if first == _NEVER else from_us(first),
        tuple(sorted(version for version, rule in judged.items() if rule is None)),
    )


def from_us(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(instant))


def to_us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class _Judged:
    """Which rows of a version's requests speak of users in its population."""

    layout: str
    recency: int
    """Column of the feature that decides who is in the population."""
    bundle: Described

    @classmethod
    def of(cls, bundle: Described | None) -> _Judged | None:
        if bundle is None:
            return None
        column = bundle.features.index(bundle.population.feature)
        return cls(hash_features(bundle.features), column, bundle)

    def rows(self, frame: Predictions, end: int) -> NDArray[np.intp]:
        """With a vector from a cutoff up to `end`, of a user who is named."""
        if frame.feature_hash != self.layout or not len(frame.cutoffs):
            return np.empty(0, dtype=np.intp)
        is_member = self.bundle.population.contains(frame.vectors[:, self.recency])
        is_named = np.fromiter((user is not None for user in frame.users), np.bool_)
        is_asked = ~frame.cold_start & (frame.cutoffs <= end)
        is_heard = frame.by_champion(len(frame.users))
        return np.flatnonzero(is_asked & is_heard & is_member & is_named)


def _to_vectors(rows: AnswerRows | None, width: int) -> ServedVectors:
    if rows is None:
        text, none = np.empty(0, dtype=np.str_), np.empty(0)
        blank = np.empty((0, width), dtype=np.float32)
        return ServedVectors(text, none.astype(np.int64), text, none, text, blank)
    last = rows.last_of_each(by_cutoff=True)
    return ServedVectors(
        last.users.astype(np.str_),
        last.cutoffs,
        last.versions.astype(np.str_),
        last.scores,
        last.grades.astype(np.str_),
        last.vectors,
    )


def _newest_closed(closed: dict[str, Collector], after: int) -> ClosedAnswers | None:
    """The last window of closed answers, of the version that gave most of them."""
    found = {version: each.rows(after) for version, each in closed.items()}
    latest = {
        version: rows.last_of_each(by_cutoff=False)
        for version, rows in found.items()
        if rows is not None
    }
    if not latest:
        return None
    version, rows = max(latest.items(), key=lambda item: len(item[1]))
    return ClosedAnswers(
        version,
        rows.users.astype(np.str_),
        rows.cutoffs,
        rows.scores,
        rows.grades.astype(np.str_),
        rows.vectors,
    )
