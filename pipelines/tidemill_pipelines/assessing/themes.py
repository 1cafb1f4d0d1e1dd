"""What the checks ask, in the order in which a report tells it."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill_pipelines.assessing.findings import Finding

_ENOUGH, _KEY, _LEAKS, _COLLECTED, _NEEDED = (
    "Is there enough?",
    "Is there one id per person?",
    "Does anything know of the future?",
    "Was it collected soundly?",
    "Is a model needed at all?",
)
_CHECKS = {
    _ENOUGH: (
        "refused",
        "history",
        "outcomes",
        "users",
        "factors",
        "values",
        "declared",
        "coverage",
        "signal",
        "learning-curve",
        "traffic",
    ),
    _KEY: ("events-without-user", "impossible-ids", "merged-users", "one-key"),
    _COLLECTED: (
        "gaps",
        "outcome-gaps",
        "instrumentation",
        "outcome-rate",
        "population",
        "newcomers",
        "self-selection",
    ),
    _NEEDED: ("need",),
}
_THEME_OF = {check: theme for theme, checks in _CHECKS.items() for check in checks}
_WORDS = {
    "cutoff": "an instant: what was known before it is what a model sees, and the outcome is what "
    "happens in the horizon (`within`) after it",
    "window": "the users at one cutoff with their outcomes; the newest whose outcome is known is "
    "the test window, and what is learnt from comes before it",
    "positives": "users with the outcome; negatives are those without",
    "AUC": "how often, of a user with the outcome and one without, the first is ranked higher: "
    "0.5 is chance, 1 is always",
    "distance": "between two distributions, 0 if they are alike and 1 if they have nothing in "
    "common (Kolmogorov-Smirnov)",
    "rows of now": "rows as of today, whose outcome nobody knows yet",
}


def by_theme(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Findings under the question they answer; questions without an answer are left out."""
    found = {
        theme: [each for each in findings if _theme(each) == theme]
        for theme in (_ENOUGH, _KEY, _LEAKS, _COLLECTED, _NEEDED)
    }
    return {theme: each for theme, each in found.items() if each}


def words_in(findings: Sequence[Finding]) -> dict[str, str]:
    """The terms that the findings use, and what they mean."""
    text = " ".join(f"{each.seen} {each.why} {each.do}" for each in findings)
    return {word: meaning for word, meaning in _WORDS.items() if word in text}


def _theme(finding: Finding) -> str:
    return _LEAKS if finding.check.startswith("leakage-") else _THEME_OF[finding.check]
