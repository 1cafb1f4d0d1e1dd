"""An alert as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidemill import __version__
from tidemill.objective import Objective
from tidemill.objective.alerting import Alert
from tidemill.report.templates import template_environment
from tidemill.report.wording import percent, with_code
from tidemill_monitoring.alerting.contributors import Contributor
from tidemill_monitoring.alerting.drawing import draw_series
from tidemill_monitoring.alerting.sentences import amount, period_name
from tidemill_monitoring.alerting.series import Series
from tidemill_monitoring.alerting.watching import Watch
from tidemill_monitoring.verdicts import Verdict

_TEMPLATE = "alert.html.j2"
_MOST_INCIDENTS = 20


@dataclass(frozen=True)
class Facts:
    """What the page shows."""

    objective: Objective
    alert: Alert
    series: Series
    found: Watch
    verdict: Verdict
    contributors: list[Contributor]
    at: datetime


def render_page(facts: Facts, made_at: datetime) -> str:
    """The whole page. Names come from other people's events, so everything is escaped."""
    environment = template_environment(
        Path(__file__).parent, code=with_code, percent=percent, amount=amount
    )
    series = facts.series
    label = f"{facts.objective.about}: the newest weeks, their usual band and incidents"
    return environment.get_template(_TEMPLATE).render(
        facts=facts,
        about=facts.objective.about,
        status=facts.verdict.status.value,
        sentence=facts.verdict.sentence,
        drawing=draw_series(series, facts.found, label) if series.values.any() else None,
        incidents=_incidents(facts),
        contributors=facts.contributors,
        at=facts.at.astimezone(UTC),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )


def _incidents(facts: Facts) -> list[dict[str, str]]:
    """Rows of the table, newest first."""
    series = facts.series
    rows = []
    for incident in reversed(facts.found.incidents[-_MOST_INCIDENTS:]):
        state = "open" if incident.is_open else "over"
        rows.append(
            {
                "first": period_name(series.begins(incident.first), series.every),
                "last": period_name(series.begins(incident.last), series.every),
                "kind": incident.kind,
                "observed": amount(incident.observed * series.unit),
                "expected": amount(incident.expected * series.unit),
                "ratio": f"x{incident.ratio:.2f}",
                "state": "became usual" if incident.settled != 1 else state,
            }
        )
    return rows
