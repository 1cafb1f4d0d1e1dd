"""The error rate of one served version, from Prometheus."""

from __future__ import annotations

import json
import logging
import math

logger = logging.getLogger("tidemill.operator")

_TIMEOUT_SECONDS = 5.0
_FAILED = "5..|UNKNOWN|INTERNAL|UNAVAILABLE|DEADLINE_EXCEEDED"
"""Our own failures, by HTTP status and gRPC code; a bad request is the caller's."""


def error_query(namespace: str, objective: str, version: str) -> str:
    """Share of failed requests of the last five minutes, over the pods that serve `version`."""
    chosen = f'namespace="{namespace}",model="{objective}"'
    serves = f'on(namespace,pod) tidemill_model_info{{{chosen},version="{version}"}}'
    failed = f'sum(rate(tidemill_requests_total{{{chosen},code=~"{_FAILED}"}}[5m]) * {serves})'
    everything = f"sum(rate(tidemill_requests_total{{{chosen}}}[5m]) * {serves})"
    return f"({failed} or vector(0)) / {everything}"


def error_rate(url: str, namespace: str, objective: str, version: str) -> float | None:
    """The share, 0 to 1; None when nothing was asked, or Prometheus cannot tell."""
    if not url:
        return None
    import urllib3  # comes with the Kubernetes client

    query = error_query(namespace, objective, version)
    try:
        answer = urllib3.request(
            "GET",
            f"{url.rstrip('/')}/api/v1/query",
            fields={"query": query},
            timeout=_TIMEOUT_SECONDS,
            retries=False,
        )
        found = json.loads(answer.data)["data"]["result"]
        rate = float(found[0]["value"][1]) if found else math.nan
    except (urllib3.exceptions.HTTPError, KeyError, ValueError, IndexError, TypeError) as error:
        logger.warning("%s: Prometheus at %s cannot tell: %s", objective, url, error)
        return None
    return None if math.isnan(rate) else rate
