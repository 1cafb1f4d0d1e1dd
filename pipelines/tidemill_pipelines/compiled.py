"""Compiles the pipeline: `python -m tidemill_pipelines.compiled > .../operator/training.yaml`.

The operator takes it from there (tidemill.operator.pipeline), without kfp.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

_HEADER = "# Written by `python -m tidemill_pipelines.compiled`; a test compares.\n"


def compile_training() -> str:
    """PipelineSpec and PlatformSpec as YAML, the same for every patch release of the compiler."""
    from kfp.compiler import Compiler  # 1 CPU second to import

    from tidemill_pipelines.pipeline import training

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.yaml"
        Compiler().compile(training, package_path=str(path))
        pipeline, platform = yaml.safe_load_all(path.read_text())
    del pipeline["sdkVersion"]
    return _HEADER + yaml.safe_dump_all([pipeline, platform])


if __name__ == "__main__":
    sys.stdout.write(compile_training())
