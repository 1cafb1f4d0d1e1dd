"""The answer of an assessment: all findings, and the verdict they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tidemill.errors import NotReadyError
from tidemill_pipelines.assessing.findings import Finding

Verdict = Literal["ready", "ready with warnings", "not ready"]
EXIT_CODES: dict[Verdict, int] = {"ready": 0, "ready with warnings": 0, "not ready": 3}
"""1 is a failure, as everywhere."""
MEANINGS: dict[Verdict, str] = {
    "ready": "Nothing speaks against training it.",
    "ready with warnings": "It can be trained, and somebody should look at the warnings.",
    "not ready": "What would be trained deserves no trust before this is mended.",
}
_URGENCY = ("blocking", "warning", "cannot say", "ok")


@dataclass(frozen=True)
class Assessment:
    """Whether an objective can be trained as of an instant."""

    objective: str
    about: str
    """What is predicted, in words."""
    at: datetime
    findings: tuple[Finding, ...]
    seconds: float
    """It took."""
    left_out: str = ""
    """Why the checks of an outcome that comes true or not are not made; empty where they are."""

    @property
    def verdict(self) -> Verdict:
        levels = {finding.level for finding in self.findings}
        if "blocking" in levels:
            return "not ready"
        return "ready with warnings" if "warning" in levels else "ready"

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "warning"]

    @property
    def urgent_first(self) -> list[Finding]:
        return sorted(self.findings, key=lambda finding: _URGENCY.index(finding.level))

    def to_json(self) -> dict[str, Any]:
        return {
            "objective": self.objective,
            "about": self.about,
            "at": self.at.isoformat(),
            "verdict": self.verdict,
            "seconds": round(self.seconds, 2),
            "left_out": self.left_out,
            "findings": [finding.to_json() for finding in self.urgent_first],
        }

    def refusal(self) -> NotReadyError | None:
        """What blocks, and what to do about it; None where nothing does."""
        blocking = [finding for finding in self.findings if finding.level == "blocking"]
        if not blocking:
            return None
        return NotReadyError(
            " ".join(f"{finding.check}: {finding.seen}" for finding in blocking),
            hint="; ".join(dict.fromkeys(finding.do for finding in blocking)),
        )
