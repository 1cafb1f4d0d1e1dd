"""What a step says to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill_pipelines.assessing.assessment import Assessment


def say(message: str) -> None:
    """A line for people; the local runner and the cluster's log both keep stdout."""
    print(f"tidemill: {message}", flush=True)


def say_warnings(assessment: Assessment) -> None:
    """What somebody should look at, a line each."""
    for finding in assessment.warnings:
        say(f"warning: {finding.check}: {finding.seen}")
