"""What a step says to people."""

from __future__ import annotations


def say(message: str) -> None:
    """A line for people; the local runner and the cluster's log both keep stdout."""
    print(f"tidemill: {message}", flush=True)
