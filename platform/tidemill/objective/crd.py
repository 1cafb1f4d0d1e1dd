"""The CustomResourceDefinition, from the same models as everything else: run this module.

python -m tidemill.objective.crd > helm/tidemill/files/objectives.tidemill.dev.yaml
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from tidemill.objective.kubernetes_metadata import LONGEST_NAME
from tidemill.objective.schema import API_VERSION, Objective
from tidemill.objective.status import ObjectiveStatus
from tidemill.objective.structural import Schema, structural_schema

_COMMENT = "# Made by `python -m tidemill.objective.crd`; change the models, not this file.\n"
_GROUP, _VERSION = API_VERSION.split("/")
_PLURAL = "objectives"
_COLUMNS = {
    "Type": ".status.type",
    "Phase": ".status.phase",
    "Model": ".status.modelVersion",
    "Quality": ".status.quality",
    "Drift": ".status.drift",
    "Lift": ".status.lift",
    "URL": ".status.url",
}


def objective_crd() -> dict[str, Any]:
    """The whole object, as `kubectl apply` takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_PLURAL}.{_GROUP}"},
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": "Objective",
                "listKind": "ObjectiveList",
                "plural": _PLURAL,
                "singular": "objective",
                "shortNames": ["obj"],
                "categories": ["tidemill"],
            },
            "versions": [_version()],
        },
    }


def render_crd() -> str:
    """YAML, the same for the same models."""
    return _COMMENT + yaml.safe_dump(objective_crd(), sort_keys=False, width=100)


def _version() -> dict[str, Any]:
    return {
        "name": _VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _printer_columns(),
        "schema": {"openAPIV3Schema": _schema()},
    }


def _printer_columns() -> list[dict[str, str]]:
    columns = [
        {"name": name, "type": "string", "jsonPath": path} for name, path in _COLUMNS.items()
    ]
    return [*columns, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]


def _schema() -> Schema:
    schema = structural_schema(Objective, defaults=True)
    schema["properties"]["metadata"] = _metadata()
    schema["properties"]["status"] = _status()
    return schema


def _metadata() -> Schema:
    """Kubernetes has its own schema of metadata and lets nothing but names be narrowed."""
    name = {"type": "string", "maxLength": LONGEST_NAME}
    return {"type": "object", "properties": {"name": name, "generateName": {**name}}}


def _status() -> Schema:
    """Without defaults: what the operator has not found out is not said for it."""
    schema = structural_schema(ObjectiveStatus, defaults=False)
    schema["properties"]["conditions"] |= {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }
    return schema


if __name__ == "__main__":
    sys.stdout.write(render_crd())
