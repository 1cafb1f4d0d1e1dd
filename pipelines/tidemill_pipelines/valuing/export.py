"""The value model as ONNX, checked against torch before anybody may use it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.errors import BundleError
from tidemill.lifetime_value.bundle import DAYS_INPUT, MORE_OUTPUTS, PURCHASES_OUTPUT
from tidemill_pipelines.export import OPSET
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.valuing.intervals import BandReader
from tidemill_pipelines.valuing.value_model import ValueModel

_PARITY = 1e-4
"""Relative: values have units, and a graph may be asked for millions."""
_BATCHES = (1, 2, 7)


class ServedModel(nn.Module):
    """features [n, F] -> score, purchases, lower, upper over the horizon, float32 [n] each."""

    def __init__(self, model: ValueModel, bands: BandReader, days: float) -> None:
        """`bands` are of the judged days; over others they are stretched with the prediction."""
        super().__init__()
        self.model = model
        self.bands = bands
        self.is_judged = days == model.signals.days
        self.days: Tensor
        self.register_buffer("days", torch.tensor([days], dtype=torch.float64))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        signals = self.model.signals(features)
        values, purchases = self.model.expected(signals)
        seen = values
        if not self.is_judged:
            longer = self.model.signals.longer(features, signals, self.days)
            values, purchases = self.model.expected(signals, longer)
        lower, upper = self.bands(seen)
        stretch = values / torch.clamp(seen, min=1e-12)
        lower, upper = lower * stretch, upper * stretch
        return values.float(), purchases.float(), lower.float(), upper.float()


class JudgedModel(nn.Module):
    """(features [n, F], days [1]) -> score, purchases, float32 [n] each."""

    def __init__(self, model: ValueModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, days: Tensor) -> tuple[Tensor, Tensor]:
        values, purchases = self.model(features, days)
        return values.float(), purchases.float()


def export_served(model: ServedModel, vectors: NDArray[np.float32], path: Path) -> float:
    """Write it; returns the largest relative difference from torch over some of `vectors`.

    Raises BundleError where that is too much.
    """
    _export(model, vectors, {}, (OUTPUT_NAME, *MORE_OUTPUTS), path)
    return _largest_difference(model, vectors, {}, path)


def export_judged(model: JudgedModel, vectors: NDArray[np.float32], path: Path) -> float:
    """As `export_served`."""
    days = {DAYS_INPUT: np.array([model.model.signals.days])}
    _export(model, vectors, days, (OUTPUT_NAME, PURCHASES_OUTPUT), path)
    return _largest_difference(model, vectors, days, path)


def _export(
    model: nn.Module,
    vectors: NDArray[np.float32],
    more: Mapping[str, NDArray[np.float64]],
    outputs: tuple[str, ...],
    path: Path,
) -> None:
    # Two rows, because the exporter takes a batch of one for a constant.
    example = (torch.zeros((2, vectors.shape[1])), *(torch.from_numpy(v) for v in more.values()))
    shapes: dict[str, Any] = {INPUT_NAME: {0: "batch"}, **dict.fromkeys(more)}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model.eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME, *more],
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None  # noqa: S101  # None only for dynamo=False
    program.save(path)


@torch.no_grad()
def _largest_difference(
    model: nn.Module,
    vectors: NDArray[np.float32],
    more: Mapping[str, NDArray[np.float64]],
    path: Path,
) -> float:
    session, largest = open_session(path), 0.0
    for rows in (vectors[:1_000], *(vectors[:size] for size in _BATCHES)):
        expected = model(torch.from_numpy(rows), *(torch.from_numpy(v) for v in more.values()))
        found = session.run(None, {INPUT_NAME: rows, **more})
        for one, other in zip(found, (each.numpy() for each in expected), strict=True):
            away = np.abs(one - other) / np.maximum(np.abs(other), np.abs(other).mean() + 1e-9)
            largest = max(largest, float(away.max()))
    if not largest <= _PARITY:
        raise BundleError(f"ONNX and torch differ by {largest:.2e}, more than {_PARITY:.0e}")
    return largest
