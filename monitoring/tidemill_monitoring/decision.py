"""Whether to retrain: a pure function of the verdicts and of what was done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tidemill_monitoring.earlier import EarlierWindow
from tidemill_monitoring.verdicts import Concern, Decision, Status, Verdict
from tidemill_monitoring.volumes import BROKEN

CONFIRMING_WINDOWS = 3
"""Drift must call for action in two of so many windows that share no days, this one among them:
a campaign passes, and a retraining on one odd week would learn it."""
_CURABLE = (
    Concern.PERFORMANCE,
    Concern.BASE_RATE,
    Concern.DRIFT,
    Concern.FEATURE_DECAY,
    Concern.SEGMENTS,
)
"""Concerns that newer training data can answer."""


@dataclass(frozen=True)
class RetrainingState:
    """What the decision must remember between runs."""

    last_started_at: datetime | None = None
    """The monitored instant at which the last retraining was started."""
    in_flight: bool = False


def decide(
    verdicts: Sequence[Verdict],
    state: RetrainingState,
    at: datetime,
    cooldown: timedelta,
    target_event: str | None,
    earlier: Sequence[EarlierWindow] = (),
) -> Decision:
    """Retrain on an `act` that newer data can answer; never on broken data.

    A renamed event counts as answerable: the model can learn the new name, and the gate refuses
    a challenger that could not. Outcomes are facts and act at once; drift, which only predicts
    trouble, must be confirmed by one of the `earlier` windows, newest first.
    """
    acts = {verdict.concern: verdict for verdict in verdicts if verdict.status is Status.ACT}
    if not acts:
        return Decision(False, "nothing calls for it")
    blocked = _broken_data(acts, target_event)
    if blocked:
        return Decision(False, blocked)
    concerns = tuple(c.value for c in (Concern.DATA_QUALITY, *_CURABLE) if c in acts)
    if concerns == (Concern.DRIFT.value,) and not _confirmed(earlier):
        reason = f"drift must call for it in 2 of {CONFIRMING_WINDOWS} windows and does in this one"
        return Decision(False, reason, concerns)
    if state.in_flight:
        return Decision(False, "a retraining of this objective is already running", concerns)
    if state.last_started_at is not None and at < state.last_started_at + cooldown:
        over = state.last_started_at + cooldown
        reason = f"the last retraining began {state.last_started_at:%Y-%m-%d %H:%M} UTC; "
        return Decision(False, f"{reason}the cooldown ends {over:%Y-%m-%d %H:%M} UTC", concerns)
    return Decision(True, _reason(acts), concerns)


def _confirmed(earlier: Sequence[EarlierWindow]) -> bool:
    drifts = [window.statuses.get(Concern.DRIFT) for window in earlier[: CONFIRMING_WINDOWS - 1]]
    return Status.ACT in drifts


def _broken_data(acts: dict[StrEnum, Verdict], target_event: str | None) -> str | None:
    """Why a model trained on this data would be worse, or None."""
    if Concern.SKEW in acts:
        return "serving and training disagree about features; fix that first"
    if Concern.ONLINE_STORE in acts:
        return "the server reads rows that are too old; run `tidemill features materialize` first"
    quality = acts.get(Concern.DATA_QUALITY)
    if quality is None:
        return None
    evidence = quality.evidence
    serious = [
        change
        for change in evidence.get("changes", [])
        if change["kind"] in BROKEN and not change["settled"]
    ]
    target = [change for change in serious if change["name"] == target_event]
    if target and target[0]["renamed_to"] is not None:
        successor = target[0]["renamed_to"]["name"]
        return (
            f"the objective's event `{target_event}` stopped; if `{successor}` replaces it, "
            "name that in the objective file"
        )
    for change in serious:
        if change["renamed_to"] is None:
            lost = f"`{change['name']}` {change['kind']}"
            return f"the events are incomplete ({lost}); repair them first"
    return None if serious else _broken_features(evidence)


def _broken_features(evidence: Mapping[str, Any]) -> str | None:
    """What no change of an event explains."""
    for name in evidence.get("disappeared_features", []):
        return f"the features are incomplete (`{name}` is missing for everybody); repair them first"
    for fault in evidence.get("value_faults", []):
        if fault["is_act"]:
            return (
                f"the values of `{fault['name']}` are not those of training ({fault['kind']}); "
                "repair them first"
            )
    return None


def _reason(acts: dict[StrEnum, Verdict]) -> str:
    """One line for the training run's record: the first sentence of each verdict."""
    sentences = (f"{c.value}: {verdict.sentence.split('. ')[0]}" for c, verdict in acts.items())
    return "; ".join(sentence.rstrip(".") for sentence in sentences)
