"""Each name once, never two workers on one, changes before routine."""

from __future__ import annotations

import threading
import time

from tidemill.operator.workqueue import WorkQueue


def test_a_name_waits_at_most_once() -> None:
    """A burst of changes is one piece of work."""
    queue = WorkQueue()
    for _ in range(5):
        queue.add("a")
    assert (queue.take(), len(queue)) == ("a", 1)


def test_a_change_during_the_work_is_seen_afterwards() -> None:
    """And never by a second worker at the same time."""
    queue = WorkQueue()
    queue.add("a")
    queue.take()
    queue.add("a")
    queue.add("b")
    assert queue.take() == "b"
    queue.done("a")
    assert queue.take() == "a"


def test_changes_go_before_routine() -> None:
    """A full round of routine must not delay a change."""
    queue = WorkQueue()
    for name in ("a", "b", "c"):
        queue.add(name, urgent=False)
    queue.add("c")
    assert [queue.take() for _ in range(3)] == ["c", "a", "b"]


def test_a_failed_name_comes_back_later() -> None:
    """Not at once, or a broken server would be hammered."""
    queue = WorkQueue()
    queue.add("a")
    queue.take()
    started = time.monotonic()
    queue.done("a", retry=True)
    assert queue.take() == "a"
    assert time.monotonic() - started > 0.8


def test_a_routine_look_does_not_skip_the_pause_after_a_failure() -> None:
    """Nor does it add a second one; a change does."""
    queue = WorkQueue()
    queue.add("a")
    queue.take()
    queue.done("a", retry=True)
    queue.add("a", urgent=False)
    assert len(queue) == 0
    queue.add("a")
    assert len(queue) == 1


def test_an_outage_of_days_ends_nothing() -> None:
    """The pause stays at its longest, and the queue at one entry."""
    queue = WorkQueue()
    for _ in range(3000):
        queue.add("a")
        assert queue.take() == "a"
        queue.done("a", retry=True)
    assert len(queue._later) == 1


def test_closing_lets_every_worker_go() -> None:
    """Even those that wait."""
    queue = WorkQueue()
    found: list[str | None] = []
    worker = threading.Thread(target=lambda: found.append(queue.take()))
    worker.start()
    queue.close()
    worker.join(timeout=5)
    assert found == [None]
