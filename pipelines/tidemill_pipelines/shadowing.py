"""What live traffic says about the challenger in the champion's shadow."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.bundle import MODEL_FILE, REFERENCE_FILE, read_metadata
from tidemill.evaluation import PairedDifference, paired_bootstrap
from tidemill.events import EventLog
from tidemill.events.clock import log_end
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.predictions import Predictions, read_predictions
from tidemill.registry import Registry
from tidemill_features.labels import label_users
from tidemill_pipelines.onnx_file import open_session, run
from tidemill_pipelines.shadow_verdict import ShadowFacts

_TIMED_RUNS = 200
_DAY_US = 86_400_000_000
Scores = NDArray[np.float64]


class _Answer(NamedTuple):
    """A record without its vectors."""

    at_us: int
    users: Sequence[str | None]
    scores: Scores


@dataclass(frozen=True)
class _Pairs:
    """Answers that both models scored, the first of each user."""

    users: NDArray[np.str_]
    asked_us: NDArray[np.int64]
    champion: Scores
    challenger: Scores


def read_facts(home: Home, objective: Objective, version: str, since: datetime) -> ShadowFacts:
    """Everything the verdict on `version` needs, from the logs and the two bundles."""
    champion = Registry(home).champion(objective.name)
    since_us = int(since.timestamp() * 1e6)
    shadow = _answers(home.shadow_predictions(objective.name), version, since_us)
    first, last = _span(shadow)
    answers = _answers(home.predictions(objective.name), champion, first)
    heard = {key: each for key, each in answers.items() if each.at_us <= last}
    pairs = _pairs(heard, shadow)
    served = home.served(objective.name)
    bundles = [served / str(each) for each in (champion, version)]
    return ShadowFacts(
        answers=len(heard),
        scored=sum(key in shadow for key in heard),
        users=len(pairs.users),
        not_finite=sum(int((~np.isfinite(each.scores)).sum()) for each in shadow.values()),
        champion_distance=_from_offline(bundles[0], pairs.champion),
        challenger_distance=_from_offline(bundles[1], pairs.challenger),
        champion_us=_microseconds(bundles[0]),
        challenger_us=_microseconds(bundles[1]),
        over_champion=_outcomes(home, objective, pairs),
    )


def _answers(folder: Path, version: str | None, since_us: int) -> dict[str, _Answer]:
    """Records of one model by their id."""
    return {
        each.prediction_id: _Answer(each.requested_at, _heard(each), each.scores)
        for each in read_predictions(folder)
        if each.model_version == version and each.requested_at >= since_us
    }


def _heard(record: Predictions) -> Sequence[str | None]:
    """The users whom the model answered; None for whom an experiment answered otherwise."""
    by_champion = record.by_champion(len(record.users)).tolist()
    return [user if heard else None for user, heard in zip(record.users, by_champion, strict=True)]


def _span(answers: dict[str, _Answer]) -> tuple[int, int]:
    times = [each.at_us for each in answers.values()]
    return (min(times), max(times)) if times else (0, -1)


def _pairs(heard: dict[str, _Answer], shadow: dict[str, _Answer]) -> _Pairs:
    found: dict[str, tuple[int, float, float]] = {}
    for key, answer in sorted(heard.items(), key=lambda pair: pair[1].at_us):
        scored = shadow.get(key)
        if scored is None:
            continue
        for user, one, other in zip(answer.users, answer.scores, scored.scores, strict=True):
            if user is not None:
                found.setdefault(user, (answer.at_us, float(one), float(other)))
    columns = np.array(list(found.values()), dtype=np.float64).reshape(-1, 3).T
    users = np.array(list(found), dtype=np.str_)
    return _Pairs(users, columns[0].astype(np.int64), columns[1], columns[2])


def _from_offline(bundle: Path, live: Scores) -> float:
    """Kolmogorov and Smirnov's distance of the live scores from those of the test window."""
    offline = pq.read_table(bundle / REFERENCE_FILE, columns=["score"]).column("score").to_numpy()
    if not len(live) or not len(offline):
        return float("nan")
    places = np.concatenate([live, offline])
    shares = [
        np.searchsorted(np.sort(sample), places, side="right") / len(sample)
        for sample in (live, offline)
    ]
    return float(np.abs(shares[0] - shares[1]).max())


def _microseconds(bundle: Path) -> float:
    """Median time of one answer's model run, on this machine."""
    session = open_session(bundle / MODEL_FILE)
    features = read_metadata(session.get_modelmeta().custom_metadata_map, str(bundle)).features
    row, taken = np.zeros((1, len(features)), dtype=np.float32), []
    for _ in range(_TIMED_RUNS):
        started = time.perf_counter()
        run(session, row)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken) * 1e6)


def _outcomes(home: Home, objective: Objective, pairs: _Pairs) -> PairedDifference | None:
    """AUC over the champion's on users whose outcomes are known; None for too few of either kind.

    The horizon counts from the end of the day of the question.
    """
    days = pairs.asked_us // _DAY_US + 1
    labels = np.zeros(len(days), dtype=np.bool_)
    known = np.zeros(len(days), dtype=np.bool_)
    with EventLog(home.events).connect() as con:
        end = log_end(con)
        for day in np.unique(days).tolist():
            cutoff = datetime.fromtimestamp(0, tz=UTC) + timedelta(days=day)
            if cutoff + objective.target.within > end:
                break
            rows = np.flatnonzero(days == day)
            users = pairs.users[rows].tolist()
            labels[rows] = label_users(con, objective.target, cutoff, users)
            known[rows] = True
    happened, rest = int(labels[known].sum()), int((~labels[known]).sum())
    if min(happened, rest) < ShadowFacts.MINIMUM_OUTCOMES:
        return None
    return paired_bootstrap(
        labels[known],
        pairs.challenger[known],
        pairs.champion[known],
        pairs.users[known],
        seed=objective.spec.training.seed,
    )
