"""The operator's process: elect, work, step down."""

from __future__ import annotations

import logging
import os
import signal
import threading

from tidemill.cluster.api import KubernetesApi
from tidemill.errors import ClusterError, OperatorError
from tidemill.operator.controller import Controller
from tidemill.operator.kubeflow import Kubeflow
from tidemill.operator.leader import MARGIN_SECONDS, Leadership
from tidemill.operator.metrics import OperatorMetrics
from tidemill.operator.model_registry import ModelRegistry
from tidemill.operator.probe import serve_probe
from tidemill.operator.reconcile import Reconciler
from tidemill.operator.settings import OperatorSettings

logger = logging.getLogger("tidemill.operator")
_WAIT_SECONDS = 3.0


def run_operator(settings: OperatorSettings, identity: str, host: str, port: int) -> None:
    """Wait to lead, then work until SIGTERM or SIGINT.

    Raises OperatorError when leadership is lost: the pod is started again and waits its turn.
    """
    # kopf names itself by the user otherwise, and a container's user may have no name.
    os.environ.setdefault("POD_ID", identity)
    api = KubernetesApi.connect(None, settings.namespace)
    kubeflow = Kubeflow(
        settings.kubeflow.endpoint,
        settings.namespace,
        settings.kubeflow.serviceAccount,
        settings.kubeflow.tokenPath,
    )
    reconciler = Reconciler(settings, api, kubeflow, ModelRegistry(settings.mlflow))
    metrics = OperatorMetrics()
    controller = Controller(reconciler, metrics, settings.namespace, settings.resyncSeconds)
    leadership = Leadership(api, f"{settings.name}-operator", identity)
    lost, stopped = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        controller.stop()
        leadership.quit()

    def step_down() -> None:
        lost.set()
        stopped.set()
        controller.stop()
        # Work that hangs must end before another replica may lead.
        last_resort = threading.Timer(MARGIN_SECONDS - 1, os._exit, [1])
        last_resort.daemon = True
        last_resort.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    probe = serve_probe(host, port, controller.is_alive, metrics.render)
    try:
        if leadership.wait():
            metrics.set_leader(True)
            leadership.keep(step_down)
            if _wait_for_objectives(api, stopped):
                controller.run()
    finally:
        leadership.release()
        probe.shutdown()
    if lost.is_set():
        raise OperatorError("another replica may lead now", hint="this one starts again and waits")


def _wait_for_objectives(api: KubernetesApi, stopped: threading.Event) -> bool:
    """Wait until the cluster knows the kind: kopf looks for it once. False when stopped before."""
    while not stopped.is_set():
        try:
            api.list("Objective")
            return True
        except ClusterError as error:
            logger.warning("waiting for the kind Objective: %s", error)
            stopped.wait(_WAIT_SECONDS)
    return False
