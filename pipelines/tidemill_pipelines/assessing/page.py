"""The assessment as one self-contained HTML page."""

from __future__ import annotations

from datetime import UTC, datetime
from math import log
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tidemill import __version__
from tidemill.report import wording
from tidemill.report.templates import template_environment
from tidemill_pipelines.assessing.assessment import MEANINGS, Assessment
from tidemill_pipelines.assessing.findings import Finding
from tidemill_pipelines.assessing.themes import by_theme, words_in

_WIDTH, _HEIGHT = 560, 220
_LEFT, _BOTTOM, _TOP, _RIGHT = 56, 44, 24, 96
_CSS = {"ok": "ok", "warning": "watch", "blocking": "act", "cannot say": "undecided"}
_VERDICT_CSS = {"ready": "ok", "ready with warnings": "watch", "not ready": "act"}


def render_page(assessment: Assessment, made_at: datetime) -> str:
    """The text of the page; it loads nothing from anywhere."""
    environment = template_environment(Path(__file__).parent, code=wording.with_code)
    return environment.get_template("assessment.html.j2").render(
        assessment=assessment,
        meaning=MEANINGS[assessment.verdict],
        sound=by_theme([each for each in assessment.findings if each.level == "ok"]),
        words=words_in(assessment.findings),
        css=_CSS,
        verdict_css=_VERDICT_CSS[assessment.verdict],
        curve=_curve(assessment),
        made_at=made_at.astimezone(UTC),
        tidemill=__version__,
    )


def _curve(assessment: Assessment) -> Markup | None:
    for finding in assessment.findings:
        if finding.check == "learning-curve" and "auc" in finding.facts:
            return _drawn(finding)
    return None


def _drawn(finding: Finding) -> Markup:
    """AUC over users on a logarithmic axis, and the band at twice as many."""
    facts: dict[str, Any] = dict(finding.facts)
    users, auc, gain = facts["users"], facts["auc"], facts["gain"]
    at = users[-1] * gain["times"]
    band = [auc[-1] + each for each in gain["between"]]
    low, high = min(*auc, *band), max(*auc, *band)
    span = max(high - low, 1e-3)

    def x(count: float) -> float:
        share = log(count / users[0]) / log(at / users[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return float(_TOP + (high - value) / span * (_HEIGHT - _TOP - _BOTTOM))

    line = " ".join(f"{x(u):.1f},{y(a):.1f}" for u, a in zip(users, auc, strict=True))
    end = f"{x(users[-1]):.1f},{y(auc[-1]):.1f}"
    fan = f"{end} {x(at):.1f},{y(band[1]):.1f} {x(at):.1f},{y(band[0]):.1f}"
    ticks = "".join(
        f'<text x="{x(count):.1f}" y="{_HEIGHT - 24}" text-anchor="middle">{count:,.0f}</text>'
        for count in (users[0], users[-1], at)
    )
    names = (
        f'<text class="axis" x="{_LEFT - 8}" y="10" text-anchor="end">AUC</text>'
        f'<text class="axis" x="{(x(users[0]) + x(at)) / 2:.1f}" y="{_HEIGHT - 6}" '
        'text-anchor="middle">users learnt from</text>'
    )
    points = "".join(
        f'<circle class="happened" cx="{x(u):.1f}" cy="{y(a):.1f}" r="3"/>'
        for u, a in zip(users, auc, strict=True)
    )
    levels = "".join(
        f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3f}</text>'
        for value in (low, high)
    )
    expected = f"{x(at):.1f},{y(auc[-1] + gain['expected']):.1f}"
    beside = f'x="{x(at) + 8:.1f}" y="{y(auc[-1] + gain["expected"]) + 4:.1f}"'
    return Markup(  # noqa: S704 - made of numbers alone
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="learning curve">'
        f'<polygon class="promised" points="{fan}"/><polyline class="rule" '
        f'points="{end} {expected}"/><polyline class="model" points="{line}"/>'
        f'{points}{names}{ticks}{levels}<text class="value" {beside}>'
        f"{gain['expected']:+.3f}</text></svg>"
    )
