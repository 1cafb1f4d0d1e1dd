"""The experiment that runs for an objective, as the served folder publishes it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tidemill.experiments.running import Experiment
from tidemill.home import Home
from tidemill_serving.arms import Arms
from tidemill_serving.model import Model, load_model
from tidemill_serving.recommender_model import RecommenderModel

logger = logging.getLogger("tidemill.serving")
S = TypeVar("S")
M = TypeVar("M", Model, RecommenderModel)
Stamp = tuple[int, int] | None


def stamp_of(home: Home, objective: str) -> Stamp:
    """What changes when another experiment is published, or its shares are; None without one."""
    try:
        found = home.running_experiment(objective).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def load_arms(home: Home, live: M, make: Callable[[M], S]) -> Arms[S] | None:
    """The running experiment with what `make` makes of the bundles of its arms; None without one.

    A bundle that cannot be served is left out, and the log says so: its arm gets the live model.
    """
    objective = live.metadata.objective
    experiment = _read(home.running_experiment(objective))
    if experiment is None:
        return None
    others = {}
    for version in sorted({arm.version for arm in experiment.arms if arm.version is not None}):
        if version == live.version:
            continue
        try:
            others[version] = make(_load(home.served(objective) / version, live, version))
        except Exception:  # whatever is wrong with a challenger, its users are answered
            logger.exception("%s: version %s cannot be served", experiment.name, version)
    has_rule = isinstance(live, RecommenderModel) or live.metadata.rule is not None
    if not has_rule and any(arm.serve == "rule" for arm in experiment.arms):
        logger.error("%s: version %s carries no rule", experiment.name, live.version)
    logger.info("%s runs on version %s", experiment.name, live.version)
    return Arms(experiment, live.version, has_rule, others)


def _load(folder: Path, live: M, version: str) -> M:
    model = load_model(folder, live.name, version)
    if not isinstance(model, type(live)):
        raise TypeError(f"{folder} holds a {type(model).__name__}, not a {type(live).__name__}")
    return model


def _read(path: Path) -> Experiment | None:
    if not path.exists():
        return None
    try:
        return Experiment.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        logger.exception("%s cannot be read: no experiment is served", path)
        return None
