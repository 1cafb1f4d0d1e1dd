"""Names, labels and settings that all children of an Objective share."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tidemill.cluster.resources import OBJECTIVE_LABEL

HOME = "/tidemill"
_DIGEST = "tidemill.dev/declared"


def child_name(objective: str, longest: int, suffix: str = "") -> str:
    """`objective` with `suffix`, of at most `longest` characters; a digest keeps cut ones apart."""
    name = f"{objective}{suffix}"
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(objective.encode()).hexdigest()[:6]
    return f"{objective[: longest - len(suffix) - 7].rstrip('-')}-{digest}{suffix}"


def child_metadata(owner: dict[str, Any], name: str, component: str) -> dict[str, Any]:
    """Metadata of a child; it goes when its Objective goes."""
    objective = owner["metadata"]
    return {
        "name": name,
        "namespace": objective["namespace"],
        "labels": labels(objective["name"], component),
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": objective["name"],
                "uid": objective["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def labels(objective: str, component: str) -> dict[str, str]:
    """The labels that find an Objective's children."""
    return {
        "app.kubernetes.io/managed-by": "tidemill-operator",
        "app.kubernetes.io/part-of": "tidemill",
        "app.kubernetes.io/component": component,
        OBJECTIVE_LABEL: objective,
    }


def signed(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with a digest of itself, by which a field that is declared no more is seen."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]
    annotations = {**manifest["metadata"].get("annotations", {}), _DIGEST: digest}
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def is_as_declared(live: Any, declared: Any) -> bool:
    """Whether `live` has everything that `declared` says; a server adds defaults of its own."""
    if isinstance(declared, dict):
        return isinstance(live, dict) and all(
            key in live and is_as_declared(live[key], value) for key, value in declared.items()
        )
    if isinstance(declared, list):
        return (
            isinstance(live, list)
            and len(live) == len(declared)
            and all(map(is_as_declared, live, declared))
        )
    return bool(live == declared) or _is_same_quantity(live, declared)


def _is_same_quantity(live: Any, declared: Any) -> bool:
    """A server writes 1000m as 1, and 1024Mi as 1Gi."""
    from kubernetes.utils.quantity import parse_quantity  # slow to import

    try:
        return bool(parse_quantity(live) == parse_quantity(declared))
    except (ValueError, TypeError):
        return False
