"""What training says about the model it wrote, kept in the ONNX file until it is bundled."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

_KEY = "tidemill.training"


@dataclass(frozen=True)
class TrainingNotes:
    """Which candidate won, and how all of them fared one horizon earlier."""

    model: str
    is_factored: bool
    candidates: list[dict[str, Any]]
    """`name`, `ndcg`, `ndcg_new`, `recall`, `cpu_seconds`, `note`."""


def write_notes(path: Path, notes: TrainingNotes) -> None:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {_KEY: json.dumps(asdict(notes))})
    onnx.save(model, path)


def read_notes(path: Path) -> TrainingNotes:
    """Raises KeyError for a file that training did not write."""
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    return TrainingNotes(**json.loads(properties[_KEY]))
