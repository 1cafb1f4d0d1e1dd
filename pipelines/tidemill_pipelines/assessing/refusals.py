"""What a training of each type refuses at once, asked before it is started."""

from __future__ import annotations

from datetime import datetime

import duckdb

from tidemill.objective import Objective, Target
from tidemill_pipelines.assessing.enough import judge_outcomes
from tidemill_pipelines.assessing.findings import Finding, ok
from tidemill_pipelines.readiness import Readiness, check_readiness
from tidemill_pipelines.recommending.readiness import check_choice_readiness
from tidemill_pipelines.segmenting.readiness import check_segment_readiness
from tidemill_pipelines.valuing.readiness import check_value_readiness

WHY = "Training refuses what it could not learn from or be judged on."


def outcome_of(objective: Objective) -> Target | None:
    """None for an objective that predicts something else than whether a user does something."""
    has_one = objective.spec.propensity is not None or objective.spec.churn is not None
    return objective.target if has_one else None


def carried(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> tuple[Readiness | None, list[Finding]]:
    """Windows and counts of an outcome, or what was counted of anything else.

    Raises NotReadyError for what a training would refuse.
    """
    if outcome_of(objective) is not None:
        return check_readiness(con, objective, at), []
    if objective.choice is not None:
        return None, [_choice(con, objective, at)]
    if objective.spec.lifetime_value is not None:
        return None, [judge_outcomes(check_value_readiness(con, objective, at).counts)]
    found = check_segment_readiness(con, objective, at)
    return None, [ok("users", f"{found.users:,} users to divide.", WHY, users=found.users)]


def _choice(con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime) -> Finding:
    found = check_choice_readiness(con, objective, at)
    windows = " and ".join(
        f"{count.outcomes:,} outcomes of {count.users:,} users from {count.cutoff[:10]}"
        for count in found.counts
    )
    return ok("outcomes", f"{found.items:,} items to choose from; {windows}.", WHY)
