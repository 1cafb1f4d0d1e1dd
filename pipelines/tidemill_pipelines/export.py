"""Torch to one ONNX file, checked against torch before anybody may use it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.errors import BundleError
from tidemill_pipelines.models.wide_deep import score
from tidemill_pipelines.onnx_file import open_session, run

OPSET = 20
_PARITY = 1e-5
_BATCHES = (1, 2, 7)


def export(model: torch.nn.Module, width: int, path: Path) -> None:
    """Write `model` as ONNX with a free batch dimension. Weights stay inside the one file."""
    # Two rows, because the exporter takes a batch of one for a constant.
    example = torch.zeros((2, width), dtype=torch.float32)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={INPUT_NAME: {0: "batch"}},
            verbose=False,
        )
    assert program is not None  # noqa: S101  # None only for dynamo=False
    program.save(path)
    batch = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0]
    if not batch.dim_param:
        raise BundleError(
            f"the exported batch dimension is fixed at {batch.dim_value}",
            hint="some operation of the model specialises on the batch size",
        )


def largest_difference(model: torch.nn.Module, path: Path, rows: NDArray[np.float32]) -> float:
    """Largest |torch - ONNX| over `rows` and over small batches. Raises BundleError above 1e-5."""
    session = open_session(path)
    difference = float(np.abs(score(model, rows) - run(session, rows)).max())
    for size in _BATCHES:
        part = rows[:size]
        difference = max(difference, float(np.abs(score(model, part) - run(session, part)).max()))
    if not difference <= _PARITY:
        raise BundleError(f"ONNX and torch differ by {difference:.2e}, more than {_PARITY:.0e}")
    return difference
