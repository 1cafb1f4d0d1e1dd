"""Events of an Objective, as `kubectl describe` shows them."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from typing import Any

from tidemill.cluster.api import KubernetesApi
from tidemill.errors import ClusterError

logger = logging.getLogger("tidemill.operator")
_LONGEST_MESSAGE = 1000
_CONFLICT = 409
_COMPONENT = "tidemill-operator"


def post_event(
    api: KubernetesApi,
    owner: dict[str, Any],
    reason: str,
    message: str,
    is_warning: bool,
    *,
    once: bool = False,
) -> None:
    """Tell people, with `once` only the first time; an event that cannot be posted changes nothing
    else.
    """
    metadata = owner["metadata"]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{reason.lower() if once else secrets.token_hex(8)}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if is_warning else "Normal",
        "reason": reason,
        "message": message[:_LONGEST_MESSAGE] or reason,
        "source": {"component": _COMPONENT},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    level = logging.WARNING if is_warning else logging.INFO
    logger.log(level, "%s: %s: %s", metadata["name"], reason, message)
    try:
        api.create(event)
    except ClusterError as error:
        if once and error.status == _CONFLICT:
            return
        logger.warning("%s: an event cannot be posted: %s", metadata["name"], error)
