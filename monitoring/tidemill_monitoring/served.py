"""What the monitor needs from the prediction log: newest vectors, and answers with known outcomes.

Everything is placed in time by the cutoff of its vector, the instant a prediction speaks from, so
that a replayed history is judged like a live one. Cold starts have no vector and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import BundleMetadata
from tidemill.predictions import Predictions, hash_features

BundleOf = Callable[[str], BundleMetadata | None]
"""Metadata of a model version, None when its bundle is gone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ServedVectors:
    """Vectors of the champion's layout in the window, the last answer per (user, cutoff)."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC, ascending."""
    versions: NDArray[np.str_]
    scores: NDArray[np.float64]
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


@dataclass(frozen=True)
class ServedHistory:
    """Both views of the log."""

    vectors: ServedVectors
    closed: ClosedAnswers | None
    first_cutoff: datetime | None
    """Of any answer of a known version; None when nothing was predicted."""


@dataclass(frozen=True)
class _Answer:
    user: str
    cutoff: int
    version: str
    score: float
    grade: str


def read_served(
    log: Iterable[Predictions],
    *,
    features: tuple[str, ...],
    bundle_of: BundleOf,
    at: datetime,
    window: timedelta,
    known_at: datetime,
) -> ServedHistory:
    """One pass over the log; keeps vectors of the window before `at` only.

    Answers are closed from cutoffs up to `known_at`, one horizon before the last known outcome.
    Users outside the population of the model that answered are left out.
    """
    layout = hash_features(features)
    end, start, known = to_us(at), to_us(at - window), to_us(known_at)
    recent: dict[tuple[str, int], tuple[_Answer, NDArray[np.float32]]] = {}
    closed: dict[tuple[str, int], _Answer] = {}
    first: int | None = None
    for frame in log:
        bundle = bundle_of(frame.model_version)
        for row in np.flatnonzero(~frame.cold_start & (frame.cutoffs <= end)).tolist():
            cutoff, user = int(frame.cutoffs[row]), frame.users[row]
            if user is None or bundle is None or not _in_population(bundle, frame, row):
                continue
            first = cutoff if first is None else min(first, cutoff)
            score, grade = float(frame.scores[row]), frame.grades[row]
            answer = _Answer(user, cutoff, frame.model_version, score, grade)
            if cutoff > start and frame.feature_hash == layout:
                recent[user, cutoff] = (answer, frame.vectors[row])
            if cutoff <= known:
                closed[user, cutoff] = answer
    return ServedHistory(
        _to_vectors(list(recent.values()), len(features)),
        _newest_closed(list(closed.values()), window),
        None if first is None else from_us(first),
    )


def from_us(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(instant))


def to_us(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _in_population(bundle: BundleMetadata, frame: Predictions, row: int) -> bool:
    if frame.feature_hash != hash_features(bundle.features):
        return False
    value = frame.vectors[row, bundle.features.index(bundle.population.feature)]
    return bool(bundle.population.contains(value))


def _to_vectors(rows: list[tuple[_Answer, NDArray[np.float32]]], width: int) -> ServedVectors:
    rows.sort(key=lambda row: row[0].cutoff)
    answers = [answer for answer, _ in rows]
    return ServedVectors(
        np.asarray([answer.user for answer in answers], dtype=np.str_),
        np.asarray([answer.cutoff for answer in answers], dtype=np.int64),
        np.asarray([answer.version for answer in answers], dtype=np.str_),
        np.asarray([answer.score for answer in answers], dtype=np.float64),
        np.asarray([vector for _, vector in rows], dtype=np.float32).reshape(len(rows), width),
    )


def _newest_closed(answers: list[_Answer], window: timedelta) -> ClosedAnswers | None:
    """The last window of closed answers, of the version that gave most of them."""
    if not answers:
        return None
    newest = max(answer.cutoff for answer in answers)
    start = newest - window // timedelta(microseconds=1)
    latest: dict[str, dict[str, _Answer]] = {}
    for answer in sorted(answers, key=lambda answer: answer.cutoff):
        if answer.cutoff > start:
            latest.setdefault(answer.version, {})[answer.user] = answer
    version, by_user = max(latest.items(), key=lambda item: len(item[1]))
    chosen = list(by_user.values())
    return ClosedAnswers(
        version,
        np.asarray([answer.user for answer in chosen], dtype=np.str_),
        np.asarray([answer.cutoff for answer in chosen], dtype=np.int64),
        np.asarray([answer.score for answer in chosen], dtype=np.float64),
        np.asarray([answer.grade for answer in chosen], dtype=np.str_),
    )
