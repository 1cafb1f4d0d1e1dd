"""Two replicas, one leader. Against the API double."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tidemill.cluster import KubernetesApi
from tidemill.operator.leader import Leadership

LEASE_SECONDS = 5.0
"""Long enough for a busy machine to be in time."""


def replica(name: str, lease_seconds: float = LEASE_SECONDS) -> Leadership:
    """Renewed every 50 ms, and given up when half of the lease has passed without."""
    api = KubernetesApi.connect(None, "tidemill")
    margin = lease_seconds / 2
    return Leadership(api, "tidemill-operator", name, lease_seconds, 0.05, margin)


def leads_within(candidate: Leadership, seconds: float) -> bool:
    waiting = threading.Thread(target=candidate.wait, daemon=True)
    waiting.start()
    waiting.join(seconds)
    return candidate.leads


@pytest.mark.usefixtures("api_double")
def test_only_one_leads() -> None:
    """The second waits as long as the first renews."""
    first, second = replica("a", 3.0), replica("b", 3.0)
    assert leads_within(first, 5)
    first.keep(lambda: None)
    assert not leads_within(second, 4.5)
    first.release()
    second.release()


@pytest.mark.usefixtures("api_double")
def test_a_leader_that_steps_down_lets_the_next_lead_at_once() -> None:
    """A rolling update must not wait for the lease to run out."""
    first, second = replica("a"), replica("b")
    assert leads_within(first, 5)
    first.release()
    started = time.monotonic()
    assert leads_within(second, 5)
    assert time.monotonic() - started < LEASE_SECONDS
    second.release()


@pytest.mark.usefixtures("api_double")
def test_a_leader_that_was_killed_is_replaced_when_its_lease_has_run_out() -> None:
    """Not before."""
    first, second = replica("a", 1.0), replica("b", 1.0)
    assert leads_within(first, 5)
    started = time.monotonic()
    assert leads_within(second, 10)
    assert time.monotonic() - started > 0.9
    second.release()


def test_a_leader_that_cannot_renew_steps_down_before_another_may_lead(api_double: Any) -> None:
    """The API server is away for it alone."""
    leader = replica("a")
    assert leads_within(leader, 5)
    lost = threading.Event()
    started = time.monotonic()
    api_double.fail("*", "/leases", 500, times=10_000)
    leader.keep(lost.set)
    assert lost.wait(2 * LEASE_SECONDS)
    assert time.monotonic() - started < LEASE_SECONDS
    assert not leader.leads


def test_a_server_that_does_not_answer_costs_the_leadership_in_time(api_double: Any) -> None:
    """The request hangs for half a minute; the clock does not."""
    leader = replica("a")
    assert leads_within(leader, 5)
    lost = threading.Event()
    leader._try = lambda: time.sleep(30) or True  # type: ignore[method-assign]  # it hangs
    started = time.monotonic()
    leader.keep(lost.set)
    assert lost.wait(2 * LEASE_SECONDS)
    assert time.monotonic() - started < LEASE_SECONDS
