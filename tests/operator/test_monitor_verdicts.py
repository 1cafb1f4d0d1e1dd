"""The monitor speaks through its container's termination message."""

from __future__ import annotations

import json
from typing import Any

from tidemill.operator.verdicts import newest_verdict


def pod(finished: str, message: str, code: int = 0) -> dict[str, Any]:
    ended = {"exitCode": code, "finishedAt": finished, "message": message}
    return {"status": {"containerStatuses": [{"state": {"terminated": ended}}]}}


def verdict(status: str) -> str:
    facts = {"at": "2026-03-01T00:00:00+00:00", "status": status, "drift": "ok"}
    return json.dumps({**facts, "sentence": "fine", "retrain": False, "reason": ""})


def test_the_newest_verdict_counts() -> None:
    """Pods of earlier runs stay for a while."""
    pods = [pod("2026-03-02T00:00:00Z", verdict("act")), pod("2026-03-01T00:00:00Z", verdict("ok"))]
    outcome = newest_verdict(pods)
    assert outcome is not None
    assert outcome.verdict is not None
    assert outcome.verdict.status == "act"


def test_a_monitor_that_still_runs_has_said_nothing() -> None:
    """Neither good nor bad."""
    assert newest_verdict([{"status": {"containerStatuses": [{"state": {"running": {}}}]}}]) is None


def test_a_failed_monitor_shows_its_last_line() -> None:
    """The error is the last thing it logs."""
    outcome = newest_verdict([pod("2026-03-01T00:00:00Z", "starting\nerror: no model", code=1)])
    assert outcome is not None
    assert outcome.failure == "error: no model"


def test_a_message_that_is_no_verdict_is_a_failure() -> None:
    """Another program must have written it."""
    outcome = newest_verdict([pod("2026-03-01T00:00:00Z", "hello")])
    assert outcome is not None
    assert outcome.verdict is None
    assert "hello" in outcome.failure
