"""The plan of a log: a file in its folder, read again when it changes."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

import yaml

from tidemill.errors import EventLogError
from tidemill.events.plan.schema import PlanSpec, TrackingPlan
from tidemill.objective.documents import (
    UnreadableError,
    list_problems,
    parse_document,
    read_text,
)
from tidemill.objective.marked_yaml import Problem

PLAN_FILE = "plan.yaml"
_READABLE = 0o644
"""By whoever can read the log; a temporary file is its owner's alone."""
DEFAULT_PLAN = TrackingPlan.of(PlanSpec())
"""Any event is allowed; repeated clicks and bots are marked."""


def load_plan(log_root: Path) -> TrackingPlan:
    """The plan of the log at `log_root`; the defaults when it has none.

    Cheap enough for every append: the file is read again only after it was changed or replaced.
    Raises EventLogError for a plan that is there and is not valid.
    """
    path = log_root / PLAN_FILE
    try:
        state = path.stat()
    except FileNotFoundError:
        return DEFAULT_PLAN
    except OSError as error:
        raise EventLogError(f"the tracking plan {path} cannot be read: {error.strerror}") from error
    return _read_once(path, state.st_mtime_ns, state.st_size, state.st_ino)


def read_plan(path: Path) -> tuple[TrackingPlan, str]:
    """The plan in a file, and its text; the file is read once, for it may be a pipe.

    Raises EventLogError whose message holds one `FILE:LINE: key: what is wrong` per problem.
    """
    text, plan = "", None
    try:
        text = read_text(path)
        plan, problems = parse_document(text, TrackingPlan)
    except UnreadableError as error:
        problems = [Problem(1, "", str(error))]
    if plan is None:
        raise EventLogError(
            list_problems(path, problems),
            hint="fix the file, then try it with `tidemill events plan FILE`",
        )
    return plan, text


def keep_plan(log_root: Path, text: bytes) -> None:
    """Make `text` the plan of the log, in place of an earlier one, at once or not at all."""
    target = log_root / PLAN_FILE
    try:
        log_root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=log_root, suffix=".new", delete=False) as new:
            new.write(text)
            new.flush()
            os.fchmod(new.fileno(), _READABLE)
            os.fsync(new.fileno())
        os.replace(new.name, target)
    except OSError as error:
        raise EventLogError(
            f"the tracking plan cannot be kept at {target}: {error.strerror}",
            hint="check that the folder is writable and the disk has room",
        ) from error


def write_plan(plan: TrackingPlan) -> str:
    """The plan as YAML that loads as the same plan; what is at its default is left out."""
    document = plan.model_dump(mode="json", exclude_defaults=True)
    document.setdefault("spec", {})
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


@lru_cache(maxsize=8)
def _read_once(path: Path, _mtime_ns: int, _size: int, _inode: int) -> TrackingPlan:
    return read_plan(path)[0]
