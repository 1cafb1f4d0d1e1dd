"""Brings waiting notices to their receivers, within a bounded time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidemill.errors import TidemillError
from tidemill.objective.notifying import Receiver
from tidemill_monitoring.notifications.posting import Failure, check_url, post
from tidemill_monitoring.notifications.spool import Waiting


@dataclass(frozen=True)
class Patience:
    """How long a run of the monitor waits for receivers; seconds."""

    total: float = 20.0
    """For all of them, side by side."""
    request: float = 5.0
    """For each wait of one request on the network."""
    pause: float = 0.5
    """Before the second attempt; doubled before each further one."""


@dataclass
class Delivery:
    """What became of the notices for one receiver. Filled by a thread of its own."""

    receiver: Receiver
    taken: int = 0
    left: int = 0
    complaint: str = ""
    """Why not all were taken."""


@dataclass
class _Clock:
    patience: Patience
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.patience.total

    @property
    def remaining(self) -> float:
        return self.deadline - time.monotonic()


def deliver(
    waiting: Sequence[tuple[Receiver, Sequence[Waiting]]],
    environment: Mapping[str, str],
    patience: Patience,
) -> list[Delivery]:
    """One attempt series per receiver, side by side: none waits for another that is down.

    A notice that was taken is removed from the disk at once. What a thread that hangs (in a
    look-up of a name, say) still holds when the time is over stays for the next run.
    """
    clock = _Clock(patience)
    deliveries = [Delivery(receiver, left=len(notices)) for receiver, notices in waiting]
    threads = [
        threading.Thread(target=_bring, args=(delivery, notices, environment, clock), daemon=True)
        for delivery, (_, notices) in zip(deliveries, waiting, strict=True)
    ]
    for thread in threads:
        thread.start()
    for delivery, thread in zip(deliveries, threads, strict=True):
        thread.join(max(0.0, clock.remaining))
        if delivery.left and not delivery.complaint:
            delivery.complaint = "did not answer in time"
    return deliveries


def _bring(
    delivery: Delivery,
    notices: Sequence[Waiting],
    environment: Mapping[str, str],
    clock: _Clock,
) -> None:
    """Oldest first. One that is refused for good does not stop those behind it."""
    variable = delivery.receiver.url_from.variable
    try:
        url = check_url(environment[variable], variable) if variable in environment else None
    except TidemillError as error:
        delivery.complaint = f"is not told: {error.message}; {error.hint}"
        return
    if url is None:
        delivery.complaint = f"is not told: {variable} is not set"
        return
    for notice in notices:
        failure = _persist(delivery, url, notice, clock)
        if failure is None:
            notice.path.unlink(missing_ok=True)
            delivery.taken += 1
            delivery.left -= 1
        elif not failure.is_final:
            return


def _persist(delivery: Delivery, url: str, notice: Waiting, clock: _Clock) -> Failure | None:
    """Try until it is taken (None), refused for good, or the time is over."""
    pause = clock.patience.pause
    while True:
        timeout = min(clock.patience.request, max(0.1, clock.remaining))
        failure = post(url, notice.id, notice.body, timeout)
        if failure is None:
            return None
        delivery.complaint = failure.words
        # Spread, so that several monitors do not return to a struggling receiver together.
        wait = max(failure.wait_seconds, pause * random.uniform(0.75, 1.25))  # noqa: S311  # no secret
        if failure.is_final or wait >= clock.remaining:
            return failure
        time.sleep(wait)
        pause *= 2
