"""The history page: every metric of an objective over time, with promotions and alarms."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tidemill import __version__
from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.report import past, wording
from tidemill.report.facts import Version, read_versions
from tidemill.report.history import MonitorRun, monitor_runs
from tidemill.report.templates import template_environment
from tidemill.report.timelines import Line, Spell, Timeline, panel, timeline, verdict_strip
from tidemill.report.writing import write_page
from tidemill.tracking import was_used

RUNS_DRAWN = 400
"""Newest runs on the page: more than there are pixels for."""
_HAPPENINGS = 40


@dataclass(frozen=True)
class Figure:
    """A drawing, and what its marks mean: pairs of mark class and words."""

    svg: Markup
    legend: tuple[tuple[str, str], ...]


def write_history(home: Home, objective: Objective, made_at: datetime) -> Path:
    """Write the page into the home; returns its path.

    Raises TidemillError for a verdict of another version, or when the page cannot be written.
    """
    runs = list(islice(monitor_runs(home, objective.name), RUNS_DRAWN))[::-1]
    experiments = ExperimentBook(home).all(objective.name)
    page = render_history(objective, runs, _versions(home, objective.name), made_at, experiments)
    path = home.history(objective.name)
    write_page(path, page, "TIDEMILL_HOME")
    return path


def render_history(
    objective: Objective,
    runs: Sequence[MonitorRun],
    versions: Sequence[Version],
    made_at: datetime,
    experiments: Sequence[Experiment] = (),
) -> str:
    """The page as one self-contained HTML text; `runs` are oldest first."""
    environment = template_environment(code=wording.with_code, number=wording.number)
    happened = past.happenings(runs, versions, experiments)
    return environment.get_template("history.html.j2").render(
        name=objective.name,
        runs=runs,
        strip=verdict_strip(runs, timeline(runs, happened)) if runs else None,
        figures=_figures(runs, timeline(runs, happened)) if runs else [],
        happened=happened[:_HAPPENINGS],
        more=max(0, len(happened) - _HAPPENINGS),
        rows=_rows(runs),
        most=RUNS_DRAWN,
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )


def _figures(runs: Sequence[MonitorRun], time: Timeline) -> list[Figure]:
    """Those that at least one run has measured."""
    found = [
        *(_ranking(runs, time, key, title) for key, title in (("auc", "AUC"), ("ndcg", "NDCG"))),
        _calibration(runs, time),
        _rate(runs, time),
        _drift(runs, time),
    ]
    return [figure for figure in found if figure is not None]


def _ranking(runs: Sequence[MonitorRun], time: Timeline, key: str, title: str) -> Figure | None:
    lines = [
        Line(past.measured(runs, "performance", key), "model", has_dots=True),
        Line(past.measured(runs, "performance", key, "promised"), "rule"),
        Line(past.measured(runs, "estimated performance", key), "chance"),
    ]
    legend = [("model", "what happened, with 95% interval"), ("rule", "promised: test window")]
    if any(point.value is not None for point in lines[2].points):
        legend.append(("chance", "estimated, before outcomes were known"))
    return _figure(title, lines, time, lambda value: f"{value:.3f}", legend)


def _calibration(runs: Sequence[MonitorRun], time: Timeline) -> Figure | None:
    points = past.measured(runs, "performance", "predicted_over_observed")
    legend = [("model", "outcomes predicted over outcomes that happened, with 95% interval")]
    return _figure(
        "predicted / observed",
        [Line(points, "model", has_dots=True)],
        time,
        lambda value: f"{value:.2f}",
        [*legend, ("chance", "as many as happened")],
        references=(1.0,),
    )


def _rate(runs: Sequence[MonitorRun], time: Timeline) -> Figure | None:
    lines = [
        Line(past.rates(runs), "model", has_dots=True),
        Line(past.measured(runs, "base rate", "trained"), "rule"),
        Line(past.measured(runs, "base rate", "predicted"), "chance"),
    ]
    legend = [
        ("model", "share of users with the outcome, with 95% interval"),
        ("rule", "newest training window"),
        ("chance", "what the scores said"),
    ]
    return _figure("outcome rate", lines, time, wording.percent, legend)


def _drift(runs: Sequence[MonitorRun], time: Timeline) -> Figure | None:
    lines = [
        Line(past.measured(runs, "drift", "score", "effect"), "model", has_dots=True),
        Line(past.largest_effects(runs), "rule"),
        Line(past.measured(runs, "drift", "score", "act_at"), "chance"),
    ]
    legend = [
        ("model", "effect on the scores; marked when drift was on watch or alarm"),
        ("rule", "on the feature that moved most"),
        ("chance", "alarm of the scores from here"),
    ]
    return _figure("drift of the scores", lines, time, lambda value: f"{value:.2f}", legend)


def _figure(
    title: str,
    lines: Sequence[Line],
    time: Timeline,
    spell: Spell,
    legend: Sequence[tuple[str, str]],
    references: Sequence[float] = (),
) -> Figure | None:
    drawn = panel(title, lines, time, spell, references)
    return None if drawn is None else Figure(drawn, tuple(legend))


def _rows(runs: Sequence[MonitorRun]) -> list[dict[str, Any]]:
    """The numbers behind the drawings, newest first, for people who read tables."""
    columns = {
        "ranking": [
            first if first.value is not None else second
            for first, second in zip(
                past.measured(runs, "performance", "auc"),
                past.measured(runs, "performance", "ndcg"),
                strict=True,
            )
        ],
        "ratio": past.measured(runs, "performance", "predicted_over_observed"),
        "rate": past.rates(runs),
        "effect": past.measured(runs, "drift", "score", "effect"),
    }
    rows = [
        {"run": run, **{name: points[index].value for name, points in columns.items()}}
        for index, run in enumerate(runs)
    ]
    return rows[::-1]


def _versions(home: Home, objective: str) -> tuple[Version, ...]:
    """Why each version was promoted; nothing where MLflow is not installed or was never used."""
    if not was_used(home) or importlib.util.find_spec("mlflow") is None:
        return ()
    return read_versions(home, objective)
