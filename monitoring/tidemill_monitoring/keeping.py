"""Keeps a run of the monitor where everybody looks for it."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from tidemill_monitoring.verdicts import VERDICT_FILE, MonitorRun


def keep_run(folder: Path, run: MonitorRun) -> None:
    """Write verdict.json into `folder`, at once: a reader finds all of it or none."""
    path = folder / VERDICT_FILE
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(orjson.dumps(run.to_json(), option=orjson.OPT_INDENT_2))
    draft.replace(path)
