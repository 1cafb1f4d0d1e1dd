"""`tidemill operator`: what the operator's container runs."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus come from outside the pod
_CONFIG = Path("/etc/tidemill/operator.yaml")


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(operator)


def operator(
    config: Annotated[
        Path, typer.Option(envvar="TIDEMILL_OPERATOR_CONFIG", help="The configuration file.")
    ] = _CONFIG,
    host: Annotated[str, typer.Option(help="Address of /healthz and /metrics.")] = _EVERYWHERE,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /healthz and /metrics.")
    ] = 8090,
) -> None:
    """Run the operator: keep pipelines, endpoints and monitors equal to the Objectives declared.

    Watches the namespace of its configuration. Several replicas elect one that works. The chart
    runs this; outside a cluster it works with the current context of your kubeconfig, which is
    good for trying things out.
    """
    from tidemill.operator.process import run_operator  # kopf and the Kubernetes client
    from tidemill.operator.settings import load_settings

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # kopf tells of every event it hands over; what follows from it is told here.
    logging.getLogger("kopf").setLevel(logging.WARNING)
    identity = f"{os.environ.get('HOSTNAME') or socket.gethostname()}-{os.getpid()}"
    run_operator(load_settings(config), identity, host, port)
