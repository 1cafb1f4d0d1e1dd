"""One model bundle, loaded, checked and warm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tidemill.bundle import INPUT_NAME, MODEL_FILE, OUTPUT_NAME, BundleMetadata, read_metadata
from tidemill.errors import BundleError
from tidemill.predictions import hash_features

_ERRORS_ONLY = 3
_WARM_UP_RUNS = 3
_OUTPUTS = [OUTPUT_NAME]


@dataclass(frozen=True)
class Model:
    """A bundle that has answered once. `score` may be called from any thread."""

    name: str
    version: str
    metadata: BundleMetadata
    feature_hash: str
    run: Callable[..., Any]
    """The session's native run. Its Python wrapper checks again what the warm-up has shown."""

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Probability of each row of `vectors` [n, features]; shape [n]."""
        scores: NDArray[np.float32] = self.run(_OUTPUTS, {INPUT_NAME: vectors}, None)[0]
        return scores.astype(np.float64)


def load_model(folder: Path, name: str, version: str | None = None) -> Model:
    """Load `folder`/model.onnx and run it. Raises BundleError when it cannot serve.

    Without `version` the model is named by its content, so equal files have equal versions.
    """
    path = folder / MODEL_FILE
    session = _open_session(path)
    metadata = read_metadata(session.get_modelmeta().custom_metadata_map, str(path))
    model = Model(
        name=name,
        version=version or sha256(path.read_bytes()).hexdigest()[:12],
        metadata=metadata,
        feature_hash=hash_features(metadata.features),
        run=session._sess.run,
    )
    _warm_up(model, path)
    return model


def _open_session(path: Path) -> Any:
    if not path.is_file():
        raise BundleError(
            f"no model bundle at {path}", hint="train one with `tidemill train OBJECTIVE`"
        )
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    # One thread that sleeps between requests: spinning threads burn four times the CPU.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common exception class
        raise BundleError(
            f"{path} cannot be loaded: {error}", hint="retrain with `tidemill train OBJECTIVE`"
        ) from error


def _warm_up(model: Model, path: Path) -> None:
    """The first run allocates; do it before traffic, and refuse a model that answers nonsense."""
    rows = np.zeros((2, len(model.metadata.features)), dtype=np.float32)
    rows[1] = np.nan
    try:
        for _ in range(_WARM_UP_RUNS):
            scores = model.score(rows)
    except Exception as error:  # the same
        raise BundleError(
            f"{path} cannot score {rows.shape[1]} features: {error}",
            hint="retrain with `tidemill train OBJECTIVE`",
        ) from error
    if scores.shape != (2,) or not np.isfinite(scores).all():
        raise BundleError(
            f"{path}: scores of a zero row and an empty row are {scores.tolist()}, "
            f"expected 2 finite numbers",
            hint="retrain with `tidemill train OBJECTIVE`",
        )
