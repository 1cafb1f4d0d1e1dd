"""ONNX Runtime sessions as the server runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from tidemill.errors import BundleError

_ERRORS_ONLY = 3


def open_session(path: Path) -> Any:
    """The graph in a file, ready to run. Raises BundleError when it cannot be loaded."""
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
