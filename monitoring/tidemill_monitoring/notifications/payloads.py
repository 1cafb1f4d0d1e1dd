"""What receivers get: everything as JSON, or a text as Slack takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from tidemill_monitoring.notifications.changes import Change
from tidemill_monitoring.verdicts import MonitorRun

_LONGEST_SENTENCE = 600
"""Characters of a sentence in a chat; verdict.json has all of it."""


def notice_id(origin: str, sequence: int, changes: Sequence[Change]) -> str:
    """32 hex digits, the same whenever the same change is sent again."""
    words = [origin, str(sequence), *(f"{each.concern}={each.after}" for each in changes)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def payload(
    kind: Literal["json", "slack"], identity: str, run: MonitorRun, changes: Sequence[Change]
) -> dict[str, Any]:
    """The body of the request, in the receiver's format."""
    make = _slack if kind == "slack" else _json
    return make(identity, run, changes)


def _json(identity: str, run: MonitorRun, changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "format": 1,
        "id": identity,
        "objective": run.objective,
        "at": run.at,
        "window_days": run.window_days,
        "model_version": run.model_version,
        "status": run.status.value,
        "changes": [asdict(change) for change in changes],
        "retrain": run.decision.retrain,
        "reason": run.decision.reason,
    }


def _slack(identity: str, run: MonitorRun, changes: Sequence[Change]) -> dict[str, Any]:
    """Of Slack's fields only `text`, which every compatible receiver shows."""
    title = f"*{_escape(run.objective)}: {run.status.value}*"
    lines = [f"{title}, version {_escape(run.model_version)} as of {run.at[:16]} UTC"]
    lines += [
        f"• {change.concern}: {change.before} → *{change.after}*. {_escape(_cut(change.sentence))}"
        for change in changes
    ]
    verb = "retrain" if run.decision.retrain else "no retraining"
    lines += [f"{verb}: {_escape(_cut(run.decision.reason))}", f"`{identity}`"]
    return {"text": "\n".join(lines)}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_SENTENCE else text[: _LONGEST_SENTENCE - 1] + "…"


def _escape(text: str) -> str:
    """An event called `<!channel>` must not wake everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
