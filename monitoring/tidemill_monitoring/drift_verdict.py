"""The drift verdict: which columns moved, which event is behind them, and does the model care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_monitoring.drift import WATCH_LEVEL, ColumnDrift
from tidemill_monitoring.verdicts import (
    MINIMUM_USERS,
    Concern,
    Status,
    Verdict,
    join_names,
)
from tidemill_monitoring.volumes import BROKEN, VolumeChange

IMPORTANT = 0.05
"""Distance of a feature's own AUC from 0.5 at which a model can be expected to use it."""
_SHOWN_FEATURES = 30


def separating_power(values: NDArray[np.float32], labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How well each column [users, columns] alone ranks the outcome: |AUC - 0.5|, 0 to 0.5."""
    lowest = np.finfo(np.float32).min
    present = np.where(np.isnan(values), lowest, values)
    powers = [abs(roc_auc(labels, column) - 0.5) for column in present.T]
    return np.nan_to_num(np.asarray(powers, dtype=np.float64))


def judge_drift(
    columns: Sequence[ColumnDrift],
    score: ColumnDrift,
    users: tuple[int, int],
    *,
    power: Mapping[str, float],
    events: Mapping[str, str | None],
    changes: Sequence[VolumeChange],
) -> Verdict:
    """`columns` largest effect first; `users` are those of reference and current.

    Seasons and campaigns move features of many users at once and are no fault. So a drifted
    feature is an alarm only if the scores moved with it, or if it could rank the outcome and its
    event broke.
    """
    drifted = [column for column in columns if column.is_watch]
    broken = {change.name for change in changes if change.kind in BROKEN}
    lost = [c for c in drifted if events.get(c.name) in broken and power[c.name] >= IMPORTANT]
    alarms = [c for c in drifted if c.is_act and (score.is_watch or c in lost)]
    status = Status.OK
    if drifted or score.is_watch:
        status = Status.ACT if alarms or score.is_act else Status.WATCH
    groups = _by_event(drifted, events, changes)
    evidence = {
        "reference_users": users[0],
        "current_users": users[1],
        "features": len(columns),
        "drifted": len(drifted),
        "drifted_features": [c.name for c in (*drifted, score) if c.is_watch],
        "effects": {c.name: _beyond_chance(c) for c in (*columns, score)},
        "score": asdict(score),
        "events": groups,
        "top_features": [
            {**asdict(c), "event": events.get(c.name), "separating_power": power[c.name]}
            for c in columns[:_SHOWN_FEATURES]
        ],
    }
    return Verdict(Concern.DRIFT, status, _describe(drifted, len(columns), score, groups), evidence)


def _beyond_chance(column: ColumnDrift) -> float:
    """What later thresholds learn from: chance is known already, and would count twice."""
    return round(column.effect, 4) if column.p_value <= WATCH_LEVEL else 0.0


def too_few_users(reference: int, current: int) -> Verdict:
    """Nothing is decided on less than `MINIMUM_USERS` a side."""
    side, users = ("served", current) if current < MINIMUM_USERS else ("reference", reference)
    return Verdict(
        Concern.DRIFT,
        Status.UNDECIDED,
        f"Only {users} {side} users in the window; drift needs {MINIMUM_USERS}. "
        "Look again when more were served, or choose a longer `--window`.",
        {"reference_users": reference, "current_users": current, "needed": MINIMUM_USERS},
    )


def _by_event(
    drifted: Sequence[ColumnDrift],
    events: Mapping[str, str | None],
    changes: Sequence[VolumeChange],
) -> list[dict[str, object]]:
    """Drifted columns per event, largest effect first, with what happened to the event."""
    found = {change.name: change for change in changes}
    members: dict[str | None, list[ColumnDrift]] = {}
    for column in drifted:
        members.setdefault(events.get(column.name), []).append(column)
    groups: list[dict[str, object]] = []
    for event, columns in members.items():
        change = None if event is None else found.get(event)
        successor = None if change is None else change.renamed_to
        groups.append(
            {
                "event": event,
                "features": [column.name for column in columns],
                "largest_effect": columns[0].effect,
                "change": None if change is None else change.kind,
                "renamed_to": None if successor is None else successor.name,
            }
        )
    return groups


def _describe(
    drifted: Sequence[ColumnDrift],
    features: int,
    score: ColumnDrift,
    groups: Sequence[Mapping[str, object]],
) -> str:
    moved = f"the scores moved (effect {score.effect:.2f})" if score.is_watch else ""
    if not drifted:
        if moved:
            return f"No feature drifted, but {moved}: look at which users are asked about."
        return f"None of {features} features and not the scores moved beyond chance and the floor."
    names = join_names([column.name for column in drifted])
    text = (
        f"{len(drifted)} of {features} features drifted, most {names} "
        f"(effect {drifted[0].effect:.2f}, alarm from {drifted[0].act_at:.2f}), from "
        f"{join_names([str(group['event'] or 'any event') for group in groups])}"
    )
    text += f"; {moved}." if moved else "; the scores did not move."
    for group in groups:
        if group["renamed_to"] is not None:
            text += f" `{group['event']}` was probably renamed to `{group['renamed_to']}`."
        elif group["change"] is not None:
            text += f" The event `{group['event']}` {group['change']}."
    return text
