"""The steps of the training pipeline for objectives that divide users into segments.

As those of tidemill_pipelines.steps. There is nothing to predict: the users of one instant are
divided, and those of an older one say whether the same segments were there before.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.segmentation.bundle import KIND
from tidemill_pipelines.saying import say, say_warnings

if TYPE_CHECKING:
    from tidemill_pipelines.segmenting.choosing import Tried


def validate(
    home: Home, objective: Objective, instant: datetime, readiness_path: Path
) -> dict[str, float]:
    """Raises NotReadyError with what is missing."""
    from tidemill.events import EventLog
    from tidemill_pipelines.assessing.assess import require_sound
    from tidemill_pipelines.assessing.kinds import of_segments
    from tidemill_pipelines.segmenting.readiness import check_segment_readiness

    with EventLog(home.events).connect() as con:
        readiness = check_segment_readiness(con, objective, instant)
        asked = of_segments(con, objective, instant, readiness)
        say_warnings(require_sound(con, objective, instant, asked))
    older = readiness.older
    plan = {
        "at": instant.isoformat(),
        "train": [] if older is None else [older.isoformat()],
        "test": instant.isoformat(),
    }
    readiness_path.write_text(json.dumps(plan, indent=1))
    again = "" if older is None else f", and again among those of {older:%Y-%m-%d}"
    say(f"ready: segments are looked for among {readiness.users:,} active users{again}")
    return {"users": readiness.users}


def build_training_set(
    home: Home, objective: Objective, readiness_path: Path, dataset: Path
) -> dict[str, float]:
    """Features as known at one instant or two, one Parquet file."""
    from tidemill_pipelines.segmenting.segment_set import build_segment_set  # imports feast

    plan = json.loads(readiness_path.read_text())
    older = [datetime.fromisoformat(cutoff) for cutoff in plan["train"]]
    at = datetime.fromisoformat(plan["at"])
    users = build_segment_set(home, objective, at, older[0] if older else None, dataset)
    say(f"training set: {users:,} users")
    return {"users": users}


def train(objective: Objective, dataset: Path, model: Path) -> dict[str, float]:
    """Look for segments and export how to tell them apart. Not finding any is no error."""
    from tidemill_pipelines.segmenting.training import find_segments

    found = find_segments(objective, dataset, model)
    for each in found.choice.tried:
        say(_in_words(each))
    say(f"ONNX differs from NumPy by {found.difference:.1e} standard deviations at most")
    return {
        "segments": found.choice.chosen.k if found.choice.is_real else 0,
        "onnx_difference": found.difference,
    }


def evaluate(
    home: Home, objective: Objective, dataset: Path, model: Path, evaluation_path: Path
) -> dict[str, float]:
    """Describe the segments, and match them with those of the champion."""
    from tidemill_pipelines.segmenting.judging import judge_segments

    evaluation = judge_segments(home, objective, dataset, model)
    evaluation_path.write_text(json.dumps({"kind": KIND, **asdict(evaluation)}))
    if evaluation.is_real:
        for each in sorted(evaluation.segments, key=lambda each: int(each["id"][1:])):
            say(f"{each['id']}: {each['users']:,} users ({each['share']:.0%}), {each['name']}")
    return evaluation.metrics


def _in_words(tried: Tried) -> str:
    return f"{tried.k} segments: {'; '.join(tried.faults) or 'real'}"
