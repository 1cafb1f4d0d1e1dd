"""The report as one self-contained HTML page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tidemill import __version__
from tidemill.report.templates import template_environment
from tidemill.report.wording import percent, with_code
from tidemill_monitoring.event_log.multiples import draw_multiples
from tidemill_monitoring.event_log.report import QualityReport
from tidemill_monitoring.event_log.timing import spell_seconds

_TEMPLATE = "quality.html.j2"


def render_page(report: QualityReport, made_at: datetime) -> str:
    """The whole page. Names come from other people's events, so everything is escaped."""
    environment = template_environment(
        Path(__file__).parent, code=with_code, percent=percent, seconds=spell_seconds
    )
    return environment.get_template(_TEMPLATE).render(
        report=report,
        span=report.span,
        verdicts=report.urgent_first,
        evidence={verdict.concern.value: verdict.evidence for verdict in report.verdicts},
        multiples=draw_multiples(report),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )
