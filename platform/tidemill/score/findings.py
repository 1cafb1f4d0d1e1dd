"""What is known about one test of the rubric, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Basis = Literal["automatic", "confirmed", "failing", "nothing"]

FULL, HALF, NONE = 1.0, 0.5, 0.0


@dataclass(frozen=True)
class Evidence:
    """Where a finding can be looked up."""

    source: str
    """A file below the home, or what the registry calls it."""
    at: str
    """The day it speaks of, ISO 8601; empty where it has none."""
    value: str
    """What it says, in numbers where there are any."""


@dataclass(frozen=True)
class Finding:
    """How far one test is done."""

    points: float
    """1, 0.5 or 0."""
    basis: Basis
    sentence: str
    evidence: tuple[Evidence, ...] = ()


def full(sentence: str, *evidence: Evidence) -> Finding:
    """Tested automatically, again and again, the last time lately and with a good result."""
    return Finding(FULL, "automatic", sentence, evidence)


def half(sentence: str, *evidence: Evidence) -> Finding:
    """Tested automatically, but once only, or only a part of what the test asks."""
    return Finding(HALF, "automatic", sentence, evidence)


def failing(sentence: str, *evidence: Evidence) -> Finding:
    """Tested, and the newest result is bad; no confirmation outweighs that."""
    return Finding(NONE, "failing", sentence, evidence)


def nothing(sentence: str) -> Finding:
    """Not tested, or too long ago."""
    return Finding(NONE, "nothing", sentence)


def better(*findings: Finding) -> Finding:
    """The finding worth most; the first of equals. One that fails outweighs all."""
    for finding in findings:
        if finding.basis == "failing":
            return finding
    return max(findings, key=lambda finding: finding.points)
