"""What an Objective's columns and events say about its experiments."""

from __future__ import annotations

from tidemill.objective.status import ExperimentStatus

_DECIDED = frozenset({"better", "worse", "harmful", "no difference"})


def lift_of(found: ExperimentStatus) -> str:
    """For the column: `+4.1% better`."""
    return f"{found.lift} {found.verdict}".strip()


def decision_event(before: ExperimentStatus, now: ExperimentStatus) -> list[tuple[str, str]]:
    """Reason and message when the newest experiment has come to another verdict."""
    is_news = (before.name, before.verdict) != (now.name, now.verdict)
    return [("ExperimentDecided", now.sentence)] if is_news and now.verdict in _DECIDED else []
