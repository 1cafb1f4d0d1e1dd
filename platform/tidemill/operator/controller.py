"""Wires it together: kopf watches, the queue collects, workers reconcile.

kopf's own per-object bookkeeping stays unused: its handlers here only say which Objective to look
at, and what to do follows from what is there then.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import kopf

from tidemill.cluster.resources import OBJECTIVE_LABEL
from tidemill.errors import TidemillError
from tidemill.operator.metrics import OperatorMetrics
from tidemill.operator.reconcile import Reconciler
from tidemill.operator.workqueue import WorkQueue

logger = logging.getLogger("tidemill.operator")

WORKERS = 4
_STUCK_SECONDS = 600.0
"""No call takes this long: every request has a time-out."""
_CHILDREN = (
    ("serving.kserve.io", "v1beta1", "inferenceservices"),
    ("batch", "v1", "cronjobs"),
    ("batch", "v1", "jobs"),
)


class Controller:
    """The operator's work, from `run` to `stop`."""

    def __init__(
        self,
        reconciler: Reconciler,
        metrics: OperatorMetrics,
        namespace: str,
        resync_seconds: float,
    ) -> None:
        self._reconciler = reconciler
        self._metrics = metrics
        self._namespace = namespace
        self._resync_seconds = resync_seconds
        self._queue = WorkQueue()
        self._names: set[str] = set()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._moved_at = time.monotonic()

    def run(self) -> None:
        """Work until `stop`. Raises what ends kopf."""
        threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(WORKERS)
        ]
        threads.append(threading.Thread(target=self._resync, name="resync", daemon=True))
        for thread in threads:
            thread.start()
        try:
            asyncio.run(self._watch())
        finally:
            self.stop()
            for thread in threads:
                thread.join(timeout=30.0)

    def stop(self) -> None:
        """Take nothing new; what workers have begun they finish."""
        self._stop.set()
        self._queue.close()

    def is_alive(self) -> bool:
        """False when names wait and no worker has finished one for ten minutes."""
        return not len(self._queue) or time.monotonic() - self._moved_at < _STUCK_SECONDS

    async def _watch(self) -> None:
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_kopf_settings(),
                namespaces=[self._namespace],
                standalone=True,
                stop_flag=self._stop,
            )
        finally:
            # kopf waits for the flag in a thread, which this loop would wait for in turn.
            self._stop.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.event("tidemill.dev", "v1alpha1", "objectives", registry=registry)(self._on_own)
        for resource in _CHILDREN:
            mine = {OBJECTIVE_LABEL: kopf.PRESENT}
            kopf.on.event(*resource, labels=mine, registry=registry)(self._on_child)
        kopf.on.login(registry=registry)(_login)
        return registry

    async def _on_own(self, *, event: kopf.RawEvent, name: str, **_: Any) -> None:
        with self._lock:
            if event["type"] == "DELETED":
                self._names.discard(name)
                return
            self._names.add(name)
        self._queue.add(name)

    async def _on_child(self, *, labels: kopf.Labels, **_: Any) -> None:
        self._queue.add(labels[OBJECTIVE_LABEL])

    def _resync(self) -> None:
        while not self._stop.wait(self._resync_seconds):
            with self._lock:
                names = sorted(self._names)
            for name in names:
                self._queue.add(name, urgent=False)

    def _work(self) -> None:
        while (name := self._queue.take()) is not None:
            started = self._moved_at = time.monotonic()
            is_settled = self._reconcile(name)
            self._queue.done(name, retry=not is_settled)
            self._metrics.reconciled(time.monotonic() - started, failed=not is_settled)

    def _reconcile(self, name: str) -> bool:
        try:
            outcome = self._reconciler.reconcile(name)
            self._metrics.set_phase(name, outcome.phase)
            self._metrics.set_verdict(name, outcome.verdict)
            return outcome.is_settled
        except TidemillError as error:
            hint = f" ({error.hint})" if error.hint else ""
            logger.warning("%s: %s%s; trying again", name, error.message, hint)
        except Exception:  # a worker that died would leave its Objectives alone for good
            logger.exception("%s: trying again", name)
        return False


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # It would list and watch every namespace and CustomResourceDefinition of the cluster.
    settings.scanning.disabled = True
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.execution.max_workers = 2
    return settings


def _login(**arguments: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)
