"""An answer as a container's termination message; the operator reads that of the monitor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.errors import TidemillError
from tidemill_monitoring.verdicts import Concern, MonitorRun

if TYPE_CHECKING:
    from tidemill.experiments.standing import Standing
    from tidemill_monitoring.event_log.report import QualityReport

_LARGEST_BYTES = 4096
"""Kubernetes cuts longer messages off, and half a JSON object is none."""


def termination_message(run: MonitorRun, standing: Standing | None = None) -> str:
    """Compact JSON of at most 4096 bytes: at, status, drift, sentence, retrain, reason, and how the
    newest experiment stands, if there is one.

    `sentence` is the first of the most serious verdicts; `drift` is empty for an alert.
    """
    worst = next(verdict for verdict in run.verdicts if verdict.status == run.status)
    drift = (each.status.value for each in run.verdicts if each.concern == Concern.DRIFT)
    facts: dict[str, Any] = {
        "at": run.at,
        "status": run.status.value,
        "drift": next(drift, ""),
        "sentence": worst.sentence,
        "retrain": run.decision.retrain,
        "reason": run.decision.reason,
    }
    if standing is not None:
        facts["experiment"] = _shown(standing)
    return _fitting(facts)


def quality_message(report: QualityReport) -> str:
    """Compact JSON of at most 4096 bytes: at, status, concern and sentence of the most urgent."""
    first = report.urgent_first[0]
    return _fitting(
        {
            "at": report.span.at.isoformat(),
            "status": report.status.value,
            "concern": first.concern.value,
            "sentence": first.sentence,
        }
    )


def write_message(path: Path, message: str) -> None:
    """Write into the file that Kubernetes made. Raises TidemillError if it cannot be written."""
    try:
        path.write_text(message)
    except OSError as error:
        raise TidemillError(
            f"the verdict cannot be written to {path}: {error.strerror}",
            hint="in a pod it is /dev/termination-log; elsewhere leave --termination-log out",
        ) from error


def _shown(standing: Standing) -> dict[str, Any]:
    """As the operator's status says it, the lift in percent."""
    is_known = standing.lift is not None
    is_bounded = standing.lower is not None and standing.upper is not None
    return {
        "name": standing.experiment,
        "at": standing.at.isoformat(),
        "arms": [{"name": name, "users": users} for name, users in standing.users.items()],
        "arm": standing.arm,
        "metric": standing.metric,
        "lift": f"{standing.lift:+.1%}" if is_known else "",
        "interval": f"{standing.lower:+.1%} to {standing.upper:+.1%}" if is_bounded else "",
        "verdict": standing.verdict,
        "sentence": standing.sentence,
    }


def _fitting(facts: Mapping[str, Any]) -> str:
    """The JSON, its longest text cut until it fits."""
    while len((text := _compact(facts)).encode()) > _LARGEST_BYTES:
        texts = {key: value for key, value in facts.items() if isinstance(value, str)}
        longest = max(texts, key=lambda key: len(texts[key]))
        facts = {**facts, longest: texts[longest][:-100] + "…"}
    return text


def _compact(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
