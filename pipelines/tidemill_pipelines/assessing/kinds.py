"""What each type of objective is asked, and what it is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from tidemill.objective import Objective, Target
from tidemill_pipelines.assessing.alike import judge_factors
from tidemill_pipelines.assessing.choices import judge_declared, judge_items_chosen
from tidemill_pipelines.assessing.customers import judge_customers, judge_value_history
from tidemill_pipelines.assessing.findings import Finding, ok, warning
from tidemill_pipelines.assessing.worth import judge_values
from tidemill_pipelines.readiness import Readiness, check_readiness, first_event
from tidemill_pipelines.recommending.readiness import ChoiceReadiness, check_choice_readiness
from tidemill_pipelines.segmenting.readiness import SegmentReadiness, check_segment_readiness
from tidemill_pipelines.valuing.readiness import ValueReadiness, check_value_readiness
from tidemill_pipelines.windows import Windows

WHY_REFUSED = "Training refuses what it could not learn from or be judged on."
_MEASURED = (
    "whether the past tells of it, and whether a model does better than a simple rule, the "
    "training measures on a later window before anything goes live."
)
_LEFT_OUT = {
    "lifetime_value": f"A lifetime value is an amount and no yes or no: {_MEASURED}",
    "recommendation": f"Which items a user chooses is no yes or no: {_MEASURED}",
    "next_best_offer": f"Which offers a user takes is no yes or no: {_MEASURED}",
    "segmentation": "Segments predict nothing: whether there are any is what the training finds "
    "out, and that there are none is one of its answers.",
}
"""Why signal, learning curve, need, traffic, drift and leaks into features are not asked."""


@dataclass(frozen=True)
class Asked:
    """What was counted, and by what the log is judged."""

    findings: list[Finding]
    target: Target | None
    """The outcome, over the windows' length; None where nothing is predicted."""
    windows: Windows | None
    readiness: Readiness | None
    """Of an outcome that comes true or not; None for all else."""


def left_out(objective: Objective) -> str:
    """Why the checks of a yes or no are not made; empty where they are."""
    return _LEFT_OUT.get(objective.type, "")


def is_yes_or_no(objective: Objective) -> bool:
    """Whether it is predicted that a user does something, or does not."""
    return objective.type not in _LEFT_OUT


def target_of(objective: Objective) -> Target | None:
    """None for an objective that predicts nothing."""
    return None if objective.spec.segmentation is not None else objective.target


def ask(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> Asked:
    """Count by the rules of the objective's type.

    Raises NotReadyError for what a training would refuse.
    """
    if objective.spec.lifetime_value is not None:
        return of_value(con, objective, at, check_value_readiness(con, objective, at))
    if objective.choice is not None:
        return of_choice(objective, check_choice_readiness(con, objective, at))
    if objective.spec.segmentation is not None:
        return of_segments(con, objective, at, check_segment_readiness(con, objective, at))
    readiness = check_readiness(con, objective, at)
    return Asked([], objective.target, readiness.windows, readiness)


def of_value(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, readiness: ValueReadiness
) -> Asked:
    """What customers are asked, who were counted already."""
    windows = readiness.windows
    findings = [
        judge_value_history(objective, first_event(con, at), at, windows),
        judge_customers(readiness.counts, windows.judged),
        judge_values(con, objective, at),
    ]
    target = replace(objective.target, within=windows.judged)
    return Asked(findings, target, Windows(windows.train, windows.test), None)


def of_segments(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, readiness: SegmentReadiness
) -> Asked:
    """What users to divide are asked, who were counted already."""
    why = "A division of few users, or one that is gone a while later, is chance."
    findings = [
        ok("users", f"There are {readiness.users:,} users to divide.", why, users=readiness.users)
    ]
    if readiness.note:
        do = "import older events, or set a shorter `training.every`"
        seen = f"{readiness.note[0].upper()}{readiness.note[1:]}."
        findings.append(warning("history", seen, why, do))
    findings += judge_factors(con, objective, at)
    return Asked(findings, None, None, None)


def of_choice(objective: Objective, readiness: ChoiceReadiness) -> Asked:
    """What items to choose from are asked, which were counted already."""
    windows = readiness.windows
    findings = [judge_items_chosen(readiness), *judge_declared(readiness)]
    return Asked(findings, objective.target, Windows((windows.earlier,), windows.later), None)
