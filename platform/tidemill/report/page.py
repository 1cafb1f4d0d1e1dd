"""The page: facts to HTML. Names come from other people's event logs, so everything is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from tidemill import __version__
from tidemill.report import choice_page, plots, prediction_page, segment_page, value_page, wording
from tidemill.report.content import Content
from tidemill.report.facts import AnyFacts, ChoiceFacts, SegmentFacts, ValueFacts
from tidemill.report.history import MonitorRun
from tidemill.report.templates import template_environment

_DRIFTED = 8


def render_page(facts: AnyFacts, made_at: datetime) -> str:
    """The whole page as one self-contained HTML text."""
    environment = template_environment(
        code=wording.with_code, percent=wording.percent, lift=wording.lift, number=wording.number
    )
    own = _content(facts)
    return environment.get_template(own.template).render(
        facts=facts,
        within=_horizon(facts),
        population=wording.duration(facts.objective.spec.population.active_within),
        drift={run.folder: _drift(run) for run in facts.runs},
        commands=_commands(facts),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
        **own.parts,
    )


def _content(facts: AnyFacts) -> Content:
    if isinstance(facts, ChoiceFacts):
        return choice_page.content(facts)
    if isinstance(facts, SegmentFacts):
        return segment_page.content(facts)
    if isinstance(facts, ValueFacts):
        return value_page.content(facts)
    return prediction_page.content(facts)


def _horizon(facts: AnyFacts) -> str:
    """Segments look at no later time."""
    if isinstance(facts, SegmentFacts):
        return ""
    return wording.duration(facts.objective.target.within)


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


def _commands(facts: AnyFacts) -> list[tuple[str, str]]:
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
