"""One leader among the operator's replicas, by a Lease (coordination.k8s.io/v1).

The leader renews well before the Lease runs out; who fails to renew in time is told, and has
MARGIN_SECONDS to stop before another may start.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tidemill.cluster.api import KubernetesApi
from tidemill.errors import TidemillError

logger = logging.getLogger("tidemill.operator")

LEASE_SECONDS = 15.0
_RENEW_SECONDS = 3.0
MARGIN_SECONDS = 5.0
"""How long before the end of the Lease a leader that cannot renew it steps down."""


class Leadership:
    """Takes part in the election until `stop`."""

    def __init__(
        self,
        api: KubernetesApi,
        lease: str,
        identity: str,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = _RENEW_SECONDS,
        margin_seconds: float = MARGIN_SECONDS,
    ) -> None:
        self._api = api
        self._lease = lease
        self._identity = identity
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds
        self._margin_seconds = margin_seconds
        self._stop = threading.Event()
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed_at = 0.0
        self.leads = False

    def wait(self) -> bool:
        """Wait until this replica leads; False when it was stopped before."""
        logger.info("waiting for the lease %s as %s", self._lease, self._identity)
        while not self._stop.is_set():
            if self._try():
                self.leads = True
                logger.info("leading")
                return True
            self._stop.wait(self._renew_seconds)
        return False

    def keep(self, on_loss: Callable[[], None]) -> None:
        """Renew in the background; call `on_loss` once when leadership is lost."""
        self._renewed_at = time.monotonic()
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        threading.Thread(target=self._watch, args=(on_loss,), name="leader", daemon=True).start()

    def quit(self) -> None:
        """Leave the election; a lease that is held stays held until `release`."""
        self._stop.set()

    def release(self) -> None:
        """Let another replica lead at once. To be called when the work has ended."""
        self._stop.set()
        if self.leads:
            self.leads = False
            self._give_back()

    def _renew(self) -> None:
        while not self._stop.wait(self._renew_seconds):
            started = time.monotonic()
            if self._try():
                self._renewed_at = started

    def _watch(self, on_loss: Callable[[], None]) -> None:
        """By a clock of its own: a request for the Lease may hang longer than the Lease lasts."""
        longest = self._lease_seconds - self._margin_seconds
        while not self._stop.wait(self._renew_seconds / 5):
            if time.monotonic() - self._renewed_at > longest:
                logger.error("the lease %s could not be renewed in time", self._lease)
                self.leads = False
                self._stop.set()
                on_loss()
                return

    def _try(self) -> bool:
        """Take or renew the Lease, if it is ours, free, or not renewed for its whole duration."""
        try:
            return self._take(self._api.get("Lease", self._lease))
        except Exception as error:  # a thread that died would renew nothing ever again
            logger.warning("lease %s: %s", self._lease, error)
            return False

    def _take(self, live: dict[str, Any] | None) -> bool:
        if live is None:
            self._api.create(self._manifest({}, transitions=0))
            return True
        spec = live["spec"]
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity and not self._has_expired(spec):
            return False
        transitions = spec.get("leaseTransitions", 0) + (holder != self._identity)
        self._api.replace(self._manifest(live["metadata"], transitions, spec))
        return True

    def _has_expired(self, spec: dict[str, Any]) -> bool:
        """By our own clock, from when we saw the last renewal: clocks of nodes may differ."""
        renewal = f"{spec.get('holderIdentity')} {spec.get('renewTime')}"
        if self._seen[0] != renewal:
            self._seen = (renewal, time.monotonic())
        return time.monotonic() - self._seen[1] > float(spec.get("leaseDurationSeconds", 0))

    def _give_back(self) -> None:
        try:
            live = self._api.get("Lease", self._lease)
            if live is not None and live["spec"].get("holderIdentity") == self._identity:
                # Absent and not empty: newer API servers refuse an empty holder.
                del live["spec"]["holderIdentity"]
                self._api.replace(live)
        except TidemillError as error:
            logger.warning("lease %s runs out by itself: %s", self._lease, error)

    def _manifest(
        self,
        metadata: dict[str, Any],
        transitions: int,
        before: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        is_ours = before is not None and before.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._lease, "namespace": self._api.namespace, **metadata},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": max(1, round(self._lease_seconds)),
                "acquireTime": before["acquireTime"] if before and is_ours else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }
