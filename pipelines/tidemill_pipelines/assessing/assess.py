"""Runs every check that fits the objective."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from tidemill.errors import NotReadyError
from tidemill.home import Home
from tidemill.objective import Objective, Target
from tidemill_features.labels import mean_target_value
from tidemill_pipelines.assessing import drift, enough, refusals
from tidemill_pipelines.assessing.assessment import Assessment
from tidemill_pipelines.assessing.daily import read_daily
from tidemill_pipelines.assessing.findings import Finding, blocking
from tidemill_pipelines.assessing.gaps import judge_gaps
from tidemill_pipelines.assessing.gathering import gather
from tidemill_pipelines.assessing.instrumentation import judge_instrumentation
from tidemill_pipelines.assessing.leakage.foreign import audit_table
from tidemill_pipelines.assessing.leakage.own import audit_log
from tidemill_pipelines.assessing.need import judge_need
from tidemill_pipelines.assessing.refusals import carried, outcome_of
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
    target = outcome_of(objective)
    started = time.monotonic()
    try:
        readiness, findings = carried(con, objective, at)
    except NotReadyError as error:
        message = f"{error.message[0].upper()}{error.message[1:]}."
        readiness = None
        findings = [blocking("refused", message, refusals.WHY, error.hint or "")]
    windows = readiness.windows if readiness else None
    findings += _of_the_log(con, target, windows, at)
    if readiness is not None:
        findings += _of_the_outcome(home, con, objective, at, readiness)
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
        *_of_the_log(con, objective.target, readiness.windows, at),
        *_of_the_outcome(home, con, objective, at, readiness),
    ]
    assessment = _concluded(objective, at, findings, started)
    refusal = assessment.refusal()
    if refusal is not None:
        raise refusal
    return readiness, assessment


def _concluded(
    objective: Objective, at: datetime, findings: list[Finding], started: float
) -> Assessment:
    took = time.monotonic() - started
    return Assessment(objective.name, objective.about, at, tuple(findings), took)


def _of_the_log(
    con: duckdb.DuckDBPyConnection, target: Target | None, windows: Windows | None, at: datetime
) -> Iterator[Finding]:
    daily = read_daily(con, at)
    if daily is None:
        return
    yield from judge_user_key(con, target, at)
    yield from judge_gaps(daily, target, windows)
    yield judge_instrumentation(daily, target, windows)


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
