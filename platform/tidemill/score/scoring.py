"""From findings to the score: the minimum of four sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tidemill.score.confirmations import Confirmation
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import HALF, Evidence, Finding, nothing
from tidemill.score.rubric import RUBRIC, Section, Test

_MEANINGS = (
    (0.0, "more a research project than a system for production"),
    (1.0, "tested in places; serious holes in reliability are likely"),
    (2.0, "a first pass at basic productionisation; more is needed"),
    (3.0, "reasonably tested; more of it may be automated"),
    (5.0, "strong automated testing and monitoring, fit for critical systems"),
)
_HIGHEST = "exceptional automated testing and monitoring"


@dataclass(frozen=True)
class Line:
    """One test and what it earned."""

    test: Test
    finding: Finding


@dataclass(frozen=True)
class Score:
    """The whole rubric for one objective."""

    objective: str
    at: datetime
    """The instant that evidence had to be fresh at."""
    lines: tuple[Line, ...]

    def of(self, section: Section) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.test.section == section)

    @property
    def sums(self) -> Mapping[Section, float]:
        """Points of each section, 0 to 7."""
        return {
            section: sum(line.finding.points for line in self.of(section)) for section in Section
        }

    @property
    def total(self) -> float:
        """The weakest section decides."""
        return min(self.sums.values())

    @property
    def meaning(self) -> str:
        return interpret(self.total)

    def to_json(self) -> dict[str, Any]:
        tests = [
            {
                "test": line.test.name,
                "section": line.test.section.value,
                "statement": line.test.statement,
                **asdict(line.finding),
            }
            for line in self.lines
        ]
        return {
            "objective": self.objective,
            "at": self.at.isoformat(),
            "score": self.total,
            "meaning": self.meaning,
            "sections": {section.value: points for section, points in self.sums.items()},
            "tests": tests,
        }


def interpret(total: float) -> str:
    """What the paper reads from a score."""
    return next((meaning for highest, meaning in _MEANINGS if total <= highest), _HIGHEST)


def score(facts: ScoreFacts, confirmed: Mapping[str, Confirmation]) -> Score:
    """Each test is worth what Tidemill found, or what a person confirmed where that is more."""
    lines = tuple(Line(test, _finding(facts, test, confirmed.get(test.name))) for test in RUBRIC)
    return Score(facts.objective.name, facts.at, lines)


def _finding(facts: ScoreFacts, test: Test, confirmation: Confirmation | None) -> Finding:
    found = nothing("Tidemill does not test this.") if test.check is None else test.check(facts)
    if confirmation is None or found.basis == "failing" or found.points >= HALF:
        return found
    source = facts.home.confirmations(facts.objective.name).relative_to(facts.home.root)
    evidence = Evidence(str(source), f"{confirmation.at:%Y-%m-%d}", confirmation.note)
    sentence = f"Confirmed by {confirmation.by}: {confirmation.note}"
    return Finding(HALF, "confirmed", sentence, (evidence,))
