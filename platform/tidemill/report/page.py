"""The page: facts to HTML. Names come from other people's event logs, so everything is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tidemill import __version__
from tidemill.report import plots, wording
from tidemill.report.cards import cards
from tidemill.report.facts import ReportFacts
from tidemill.report.history import MonitorRun

_TEMPLATE = "page.html.j2"
_INDICATORS = 12
_DRIFTED = 8


def render_page(facts: ReportFacts, made_at: datetime) -> str:
    """The whole page as one self-contained HTML text."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        code=wording.with_code, percent=wording.percent, lift=wording.lift, number=wording.number
    )
    return environment.get_template(_TEMPLATE).render(
        facts=facts,
        question=wording.question(facts.objective.target),
        within=wording.duration(facts.objective.target.within),
        population=wording.duration(facts.objective.spec.population.active_within),
        cards=cards(facts),
        plots=_plots(facts),
        grade_rows=_grade_rows(facts),
        indicators=_indicators(facts),
        drift={run.folder: _drift(run) for run in facts.runs},
        commands=_commands(facts),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )


def _plots(facts: ReportFacts) -> Mapping[str, plots.Plot]:
    measured, outcome = facts.judgement, facts.outcome or {}
    metrics = measured.metrics
    return {
        "roc": plots.roc(
            measured.roc, measured.baseline_roc, metrics["auc"], metrics["baseline_auc"]
        ),
        "precision_recall": plots.precision_recall(
            measured.precision_recall, metrics["average_precision"], metrics["base_rate"]
        ),
        "calibration": plots.calibration(measured.calibration, outcome.get("calibration", [])),
        "grades": plots.grade_lifts(
            measured.grades, outcome.get("grades", []), facts.live.metadata.grade_shares
        ),
    }


def _grade_rows(facts: ReportFacts) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Each grade of the test window beside what happened to the same grade."""
    after = {row["grade"]: row for row in (facts.outcome or {}).get("grades", [])}
    return [(row, after.get(row["grade"])) for row in facts.judgement.grades]


@dataclass(frozen=True)
class Indicator:
    """A signal that goes with the outcome."""

    signal: str
    words: str
    auc: float
    bar: Markup


def _indicators(facts: ReportFacts) -> list[Indicator]:
    found = []
    for each in facts.judgement.indicators[:_INDICATORS]:
        signal, words = wording.indicator(each["description"], each["auc"])
        # 0.5 tells nothing in either direction.
        auc = max(each["auc"], 1 - each["auc"])
        bar = plots.share_bar(2 * (auc - 0.5), f"AUC alone {auc:.2f}")
        found.append(Indicator(signal, words, auc, bar))
    return found


@dataclass(frozen=True)
class DriftRow:
    """How far one feature moved."""

    name: str
    effect: float
    status: str
    bar: Markup


def _drift(run: MonitorRun) -> list[DriftRow]:
    """The signals that moved most, and the score; empty when drift was not measured."""
    evidence = run.evidence("drift")
    if "top_features" not in evidence:
        return []
    strongest: dict[str, Mapping[str, Any]] = {}
    for column in evidence["top_features"]:
        strongest.setdefault(column["name"].rpartition("__")[0], column)
    columns = [*list(strongest.values())[:_DRIFTED], evidence["score"]]
    longest = max(max(column["effect"], column["act_at"]) for column in columns) * 1.03
    rows = []
    for column in columns:
        status = "act" if column["is_act"] else "watch" if column["is_watch"] else "ok"
        bar = plots.drift_bar(
            column["effect"], column["watch_at"], column["act_at"], longest, f"fill-{status}"
        )
        rows.append(DriftRow(column["name"], column["effect"], status, bar))
    return rows


def _commands(facts: ReportFacts) -> list[tuple[str, str]]:
    """What to do next, ready to paste."""
    name = facts.objective.name
    database = shlex.quote(f"sqlite:///{facts.home.mlflow_database}")
    url = f"http://127.0.0.1:8080/v1/models/{name}:predict"
    return [
        ("use this home", f"export TIDEMILL_HOME={shlex.quote(str(facts.home.root))}"),
        ("check the model again", f"tidemill monitor {name}"),
        ("train a challenger", f"tidemill train {name}"),
        ("serve it", f"tidemill serve {name}"),
        (
            "ask it",
            f"curl {url} -H 'Content-Type: application/json' -d '{{\"instances\": [\"USER_ID\"]}}'",
        ),
        ("browse runs and versions", f"mlflow ui --backend-store-uri {database}"),
        ("take the pipeline to a cluster", "tidemill compile pipeline.yaml"),
    ]
