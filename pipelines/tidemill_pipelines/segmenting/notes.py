"""What training says about the segments it found, kept in the ONNX file until it is bundled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from tidemill_pipelines.segmenting.choosing import Choice

_KEY = "tidemill.training"


@dataclass(frozen=True)
class SegmentNotes:
    """Which numbers of segments were tried, and how each fared."""

    k: int
    is_real: bool
    tried: list[dict[str, Any]]
    """As Tried.to_json."""

    @property
    def chosen(self) -> dict[str, Any]:
        """Of those tried."""
        return next(each for each in self.tried if each["k"] == self.k)


def write_notes(path: Path, choice: Choice) -> None:
    notes = {
        "k": choice.chosen.k,
        "is_real": choice.is_real,
        "tried": [each.to_json() for each in choice.tried],
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {_KEY: json.dumps(notes)})
    onnx.save(model, path)


def read_notes(path: Path) -> SegmentNotes:
    """Raises KeyError for a file that training did not write."""
    properties = {each.key: each.value for each in onnx.load(path).metadata_props}
    return SegmentNotes(**json.loads(properties[_KEY]))
