"""Runs and describes a model's file. Without torch: most steps only need the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.recommendation.bundle import AnyMetadata


def open_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores of raw feature rows, shape [n]."""
    scores: NDArray[np.float64] = session.run([OUTPUT_NAME], {INPUT_NAME: rows})[0].astype("f8")
    return scores


def attach_metadata(path: Path, metadata: AnyMetadata) -> None:
    """Write the bundle's description into the file."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata.to_properties())
    onnx.save(model, path)
