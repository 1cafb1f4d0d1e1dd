"""What a custom resource of kind Objective says: what is declared, and what was reported before."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from tidemill.objective import Objective
from tidemill.objective.status import ObjectiveStatus


def read_objective(owner: dict[str, Any]) -> Objective:
    """The Objective, without what the API server adds to it.

    Raises pydantic.ValidationError: the resource may have been stored by another release.
    """
    name = {"name": owner["metadata"]["name"]}
    declared = {key: owner.get(key) for key in ("apiVersion", "kind", "spec")}
    return Objective.model_validate({**declared, "metadata": name})


def read_status(owner: dict[str, Any]) -> ObjectiveStatus:
    """What was reported before, as far as it can be read: another release may have written it."""
    stored = owner.get("status") or {}
    memory = {key: stored[key] for key in ("training", "serving", "monitoring") if key in stored}
    for readable in (stored, memory):
        with suppress(ValidationError):
            return ObjectiveStatus.model_validate(readable)
    return ObjectiveStatus()
