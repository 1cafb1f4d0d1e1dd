"""An analysis as JSON, and as the standing that others act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from tidemill.experiments.standing import Standing
from tidemill_monitoring.experiments.analysis import Analysis
from tidemill_monitoring.experiments.findings import Finding
from tidemill_monitoring.experiments.sentences import headline, of_finding, of_ratio
from tidemill_monitoring.experiments.verdict import Answer

DECIDED, ACT, UNDECIDED = 0, 3, 4


def exit_code(analysis: Analysis) -> int:
    """0 decided, 3 somebody has to act, 4 no answer yet."""
    is_broken = analysis.ratio is not None and analysis.ratio.is_mismatch
    if is_broken or any(each.answer is Answer.HARMFUL for each in analysis.verdicts):
        return ACT
    is_decided = all(
        each.is_final and each.answer is not Answer.CANNOT_SAY for each in analysis.verdicts
    )
    return DECIDED if is_decided else UNDECIDED


def to_json(analysis: Analysis) -> dict[str, Any]:
    """Everything, in JSON types; what is not known is null."""
    run, ratio = analysis.experiment, analysis.ratio
    return {
        "format": 1,
        "experiment": run.name,
        "objective": run.objective,
        "started_at": run.started_at.isoformat(),
        "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
        "until": analysis.until.isoformat(),
        "sentence": headline(analysis),
        "arms": _arms(analysis),
        "planned": asdict(analysis.size),
        "sample_ratio": ratio
        and {
            "p_value": ratio.p_value,
            "is_mismatch": ratio.is_mismatch,
            "sentence": of_ratio(analysis),
        },
        "verdicts": [
            {"arm": analysis.arm(finding), **asdict(verdict), "step": verdict.step}
            for finding, verdict in zip(analysis.primary, analysis.verdicts, strict=True)
        ],
        "primary": _findings(analysis, analysis.primary),
        "others": _findings(analysis, analysis.others),
        "guardrails": _findings(analysis, analysis.guardrails),
        "segments": {
            "exploratory": True,
            "found": [_plain(asdict(each)) for each in analysis.segments],
        },
        "counted": [each.to_json() for each in analysis.counted],
    }


def standing_of(analysis: Analysis) -> Standing:
    """About the challenger, or the first treatment."""
    arms = analysis.experiment.arms
    place = next((n for n, arm in enumerate(arms[1:]) if arm.serve == "challenger"), 0)
    finding, verdict = analysis.primary[place], analysis.verdicts[place]
    reading = finding.reading
    is_known = finding.has_look
    return Standing(
        objective=analysis.experiment.objective,
        number=analysis.experiment.number,
        at=analysis.until,
        arm=analysis.arm(finding),
        metric=finding.metric.name,
        verdict=verdict.answer.value,
        step=verdict.step,
        reason=verdict.reason,
        lift=_number(reading.effect.lift[-1]) if is_known else None,
        lower=_number(reading.lift.lower[-1]) if is_known else None,
        upper=_number(reading.lift.upper[-1]) if is_known else None,
        users={arm.name: units for arm, units in zip(arms, analysis.units, strict=True)},
    )


def _arms(analysis: Analysis) -> list[dict[str, Any]]:
    facts = zip(
        analysis.experiment.arms,
        analysis.units,
        analysis.exposed.answers,
        analysis.closed,
        strict=True,
    )
    return [
        {
            "name": arm.name,
            "serve": arm.serve,
            "version": arm.version,
            "share": float(arm.share),
            "users": units,
            "answers": int(answers),
            "observed": closed,
        }
        for arm, units, answers, closed in facts
    ]


def _findings(analysis: Analysis, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [_finding(analysis, each) for each in findings]


def _finding(analysis: Analysis, finding: Finding) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "metric": finding.metric.name,
        "kind": finding.metric.kind,
        "arm": analysis.arm(finding),
        "p_value": finding.p_value,
        "variance_left": finding.variance_left,
        "sentence": of_finding(analysis, finding),
        "opinion": None if finding.opinion is None else _plain(asdict(finding.opinion)),
    }
    if finding.guard is not None:
        facts |= {"guard": finding.guard.value, "margin": finding.margin}
    if finding.has_look:
        facts |= _newest(finding)
    return facts


def _newest(finding: Finding) -> dict[str, Any]:
    reading = finding.reading
    effect = reading.effect
    return {
        "control": _number(effect.control.value[-1]),
        "treatment": _number(effect.treatment.value[-1]),
        "difference": _bounds(
            effect.difference, reading.difference.lower, reading.difference.upper
        ),
        "lift": _bounds(effect.lift, reading.lift.lower, reading.lift.upper),
        "critical": _number(reading.critical[-1]),
        "looks": len(reading.days),
        "is_planned_to_end": reading.plan.ends,
    }


def _bounds(*values: np.ndarray[Any, Any]) -> dict[str, float | None]:
    names = ("value", "lower", "upper")
    return {name: _number(each[-1]) for name, each in zip(names, values, strict=True)}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _number(value) if isinstance(value, float) else value for key, value in facts.items()
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
