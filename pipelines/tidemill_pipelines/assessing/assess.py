"""Runs every check that fits the objective."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from tidemill.errors import NotReadyError, ObjectiveError
from tidemill.home import Home
from tidemill.objective import Objective, Target
from tidemill_features.labels import mean_target_value
from tidemill_pipelines.assessing import drift, enough, kinds
from tidemill_pipelines.assessing.assessment import Assessment
from tidemill_pipelines.assessing.daily import read_daily
from tidemill_pipelines.assessing.findings import Finding, blocking
from tidemill_pipelines.assessing.gaps import judge_gaps
from tidemill_pipelines.assessing.gathering import gather
from tidemill_pipelines.assessing.instrumentation import judge_instrumentation
from tidemill_pipelines.assessing.leakage.arrivals import judge_arrivals
from tidemill_pipelines.assessing.leakage.foreign import audit_table
from tidemill_pipelines.assessing.leakage.own import audit_log
from tidemill_pipelines.assessing.need import judge_need
from tidemill_pipelines.assessing.selection import judge_selection
from tidemill_pipelines.assessing.skill import measure_skill
from tidemill_pipelines.assessing.telling import judge_curve, judge_signal
from tidemill_pipelines.assessing.user_key import judge_user_key
from tidemill_pipelines.readiness import Readiness, check_readiness, first_event
from tidemill_pipelines.windows import Windows


def assess(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    at: datetime,
    table: Path | None = None,
) -> Assessment:
    """Everything that can be said about `objective` before training it as of `at`.

    `con` has the views of the home's event log; `table` is a training table made elsewhere. Raises
    ObjectiveError where nothing is trained, EventLogError for a file that is no training table.
    """
    objective.require_model()
    if table is not None:
        _check_comparable(objective)
    started = time.monotonic()
    try:
        asked = kinds.ask(con, objective, at)
    except NotReadyError as error:
        asked = kinds.Asked([_refused(error)], kinds.target_of(objective), None, None)
    findings = [*asked.findings, *_of_the_log(con, objective, asked.target, asked.windows, at)]
    if asked.readiness is not None:
        findings += _of_the_outcome(home, con, objective, at, asked.readiness)
    if table is not None:
        findings += audit_table(con, objective, at, table)
    return _concluded(objective, at, findings, started)


def require_ready(
    home: Home, con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime
) -> tuple[Readiness, Assessment]:
    """As `assess`, for the training of an objective that predicts an outcome.

    Raises NotReadyError for what blocks, before anything that takes long.
    """
    started = time.monotonic()
    readiness = check_readiness(con, objective, at)
    findings = [
        *_of_the_log(con, objective, objective.target, readiness.windows, at),
        *_of_the_outcome(home, con, objective, at, readiness),
    ]
    return readiness, _unrefused(_concluded(objective, at, findings, started))


def require_sound(
    con: duckdb.DuckDBPyConnection, objective: Objective, at: datetime, asked: kinds.Asked
) -> Assessment:
    """As `require_ready`, for the training of any other objective: by what the log alone says."""
    started = time.monotonic()
    findings = [*asked.findings, *_of_the_log(con, objective, asked.target, asked.windows, at)]
    return _unrefused(_concluded(objective, at, findings, started))


def _check_comparable(objective: Objective) -> None:
    """Raise ObjectiveError where a table's label means something else than the outcome."""
    if not kinds.is_yes_or_no(objective):
        raise ObjectiveError(
            f"a training table is compared with an outcome that comes true or not, and "
            f"'{objective.name}' is a {objective.type.replace('_', ' ')}",
            hint="name a propensity or churn objective of the same event, or leave `--table` out",
        )


def _refused(error: NotReadyError) -> Finding:
    seen = f"{error.message[0].upper()}{error.message[1:]}."
    return blocking("refused", seen, kinds.WHY_REFUSED, error.hint or "")


def _unrefused(assessment: Assessment) -> Assessment:
    refusal = assessment.refusal()
    if refusal is not None:
        raise refusal
    return assessment


def _concluded(
    objective: Objective, at: datetime, findings: list[Finding], started: float
) -> Assessment:
    return Assessment(
        objective=objective.name,
        about=f"{objective.type.replace('_', ' ')}: {objective.about}",
        at=at,
        findings=tuple(findings),
        seconds=time.monotonic() - started,
        left_out=kinds.left_out(objective),
    )


def _of_the_log(
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    target: Target | None,
    windows: Windows | None,
    at: datetime,
) -> Iterator[Finding]:
    daily = read_daily(con, at)
    if daily is None:
        return
    is_yes_or_no = kinds.is_yes_or_no(objective)
    yield from judge_user_key(con, target, at, learns_from_others=is_yes_or_no)
    yield from judge_gaps(daily, target, windows)
    yield judge_instrumentation(daily, target, windows)
    if target is not None and not is_yes_or_no:
        yield judge_arrivals(con, target, at)


def _of_the_outcome(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    objective: Objective,
    at: datetime,
    readiness: Readiness,
) -> Iterator[Finding]:
    windows, counts = readiness.windows, readiness.counts
    target = objective.target
    yield enough.judge_history(
        first_event(con, at), at, target.within, windows, objective.spec.training.cutoffs
    )
    yield enough.judge_outcomes(counts)
    material = gather(home, con, objective, at, windows)
    yield enough.judge_coverage(material.test)
    skill = measure_skill(material)
    signal = judge_signal(skill)
    yield signal
    yield judge_curve(skill.curve, has_signal=signal.level == "ok")
    yield judge_need(skill, None if target.absent else mean_target_value(con, target))
    test = counts[-1]
    yield enough.judge_traffic(objective, test.users, test.positives / test.users)
    yield drift.judge_rate(counts)
    yield drift.judge_population(material)
    yield drift.judge_newcomers(material)
    yield judge_selection(material)
    yield from audit_log(material, counts)
