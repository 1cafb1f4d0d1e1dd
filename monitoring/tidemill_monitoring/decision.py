"""Whether to retrain: a pure function of the verdicts and of what was done before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tidemill_monitoring.verdicts import Concern, Decision, Status, Verdict
from tidemill_monitoring.volumes import BROKEN

_CURABLE = (Concern.PERFORMANCE, Concern.BASE_RATE, Concern.DRIFT)
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
) -> Decision:
    """Retrain on an `act` that newer data can answer; never on broken data.

    A renamed event counts as answerable: the model can learn the new name, and the gate refuses
    a challenger that could not.
    """
    acts = {verdict.concern: verdict for verdict in verdicts if verdict.status is Status.ACT}
    if not acts:
        return Decision(False, "nothing calls for it")
    blocked = _broken_data(acts, target_event)
    if blocked:
        return Decision(False, blocked)
    concerns = tuple(c.value for c in (Concern.DATA_QUALITY, *_CURABLE) if c in acts)
    if state.in_flight:
        return Decision(False, "a retraining of this objective is already running", concerns)
    if state.last_started_at is not None and at < state.last_started_at + cooldown:
        over = state.last_started_at + cooldown
        reason = f"the last retraining began {state.last_started_at:%Y-%m-%d %H:%M} UTC; "
        return Decision(False, f"{reason}the cooldown ends {over:%Y-%m-%d %H:%M} UTC", concerns)
    return Decision(True, _reason(acts), concerns)


def _broken_data(acts: dict[StrEnum, Verdict], target_event: str | None) -> str | None:
    """Why a model trained on this data would be worse, or None."""
    if Concern.SKEW in acts:
        return "serving and training disagree about features; fix that first"
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
    if evidence.get("disappeared_features") and not serious:
        name = evidence["disappeared_features"][0]
        return f"the features are incomplete (`{name}` is missing for everybody); repair them first"
    return None


def _reason(acts: dict[StrEnum, Verdict]) -> str:
    """One line for the training run's record: the first sentence of each verdict."""
    sentences = (f"{c.value}: {verdict.sentence.split('. ')[0]}" for c, verdict in acts.items())
    return "; ".join(sentence.rstrip(".") for sentence in sentences)
