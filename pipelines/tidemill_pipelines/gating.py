"""Asks the gate about an evaluation that was written to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidemill.evaluation import PairedDifference
from tidemill.lifetime_value.bundle import KIND as LIFETIME_VALUE
from tidemill.objective import Objective
from tidemill.registry import RIVAL
from tidemill.segmentation.bundle import KIND as SEGMENTATION
from tidemill_pipelines.gate import AUC, Contest, GuardedSlice, Measure, Verdict, decide
from tidemill_pipelines.promises import Promises
from tidemill_pipelines.recommending.steps import KIND
from tidemill_pipelines.valuing.promises import ValuePromise


def verdict_of(objective: Objective, evaluation: Path) -> Verdict:
    """The gate's answer, the same whenever it is asked about the same file."""
    facts = json.loads(evaluation.read_text())
    if facts.get("kind") == SEGMENTATION:
        return Verdict(facts["is_real"], facts["verdict"])
    measure, promises = _asked(facts)
    return decide(
        PairedDifference(**facts["over_baseline"]),
        None if facts["over_champion"] is None else _contest(objective, facts),
        measure,
        promises,
    )


def _asked(facts: dict[str, Any]) -> tuple[Measure, Promises | None]:
    """What is compared, and what must come true besides."""
    if facts.get("kind") == KIND:
        return Measure("NDCG", facts["baseline"]), Promises.from_json(facts["promises"])
    if facts.get("kind") == LIFETIME_VALUE:
        promises = Promises.from_json(facts["promises"], ValuePromise)
        return Measure("explained deviance", facts["baseline"]), promises
    return AUC, None


def rival_tag(evaluation: Path) -> dict[str, str]:
    """A tag for the challenger's version: the champion it met, for the count of those it meets."""
    champion = json.loads(evaluation.read_text())["champion_version"]
    return {} if champion is None else {RIVAL: champion}


def _contest(objective: Objective, facts: dict[str, Any]) -> Contest:
    retrain = objective.spec.monitoring.retrain
    return Contest(
        PairedDifference(**facts["over_champion"]),
        facts["earlier_challengers"],
        retrain.margin,
        retrain.guard,
        [_slice(each) for each in facts["guarded"]],
    )


def _slice(facts: dict[str, Any]) -> GuardedSlice:
    compared = PairedDifference(**facts["over_champion"])
    return GuardedSlice(facts["name"], facts["users"], facts["outcomes"], compared)
