"""The models being served, and their exchange for newer ones while requests run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread

from tidemill.errors import BundleError, TidemillError
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.objective import refuse_alert
from tidemill.objective.schema import Index
from tidemill.online import online_address
from tidemill_serving.errors import NotFoundError, show
from tidemill_serving.experiments import Stamp, load_arms, stamp_of
from tidemill_serving.model import AnyModel, Model, load_model
from tidemill_serving.predictor import Answer, Predictor, ThreadLogs
from tidemill_serving.recommended import Recommendations
from tidemill_serving.recommender import Recommender
from tidemill_serving.recommender_model import RecommenderModel
from tidemill_serving.segment_model import SegmentModel
from tidemill_serving.segmenter import Segmented, Segmenter
from tidemill_serving.shadow import Shadow
from tidemill_serving.valuer import Valuer

logger = logging.getLogger("tidemill.serving")
CHECK_SECONDS = 1.0

Sources = Callable[[], Mapping[str, Path]]
"""Model name to its folder, or to a link that moves when a new version is promoted."""
Served = Predictor | Recommender | Segmenter
Answered = Answer | Recommendations | Segmented


def promoted(home: Home, objectives: list[str]) -> Sources:
    """The current bundle of each objective; of every objective that has one, when none is named."""
    return lambda: {
        name: home.served(name) / "current" for name in objectives or home.served_objectives()
    }


class Repository:
    """Answers which predictor serves a name. Reads need no lock: the mapping is replaced whole."""

    def __init__(self, home: Home, sources: Sources, index: Index | None = None) -> None:
        """Without `index`, the objectives that the home keeps say how to search."""
        self._home = home
        self._sources = sources
        self._index = index
        self._predictors: dict[str, Served] = {}
        self._seen: dict[str, tuple[Path, bool, Path | None]] = {}
        """Where a model was loaded from, whether its catalogue was there then, and who was in its
        shadow."""
        self._experiments: dict[str, Stamp] = {}
        self._logs: dict[str, ThreadLogs] = {}
        self._kept: dict[str, str] = {}
        """Why a model does not follow what it reads; said once."""
        self._stop = Event()
        self._watcher = Thread(target=self._watch, name="model-watcher", daemon=True)
        self.draining = False

    @property
    def ready(self) -> bool:
        return bool(self._predictors) and not self.draining

    @property
    def predictors(self) -> Mapping[str, Served]:
        return self._predictors

    def get(self, name: str, version: str | None = None) -> Served:
        """The predictor of `name`. Raises NotFoundError with the names that are served."""
        predictor = self._predictors.get(name)
        if predictor is None:
            raise NotFoundError(
                f"model: {show(name)} is not served", f"served: {', '.join(self._predictors)}"
            )
        if version and version != predictor.model.version:
            raise NotFoundError(
                f"version: {show(version)} of '{name}' is not served",
                f"served: {predictor.model.version}",
            )
        return predictor

    def load(self) -> None:
        """Load every source. Raises BundleError when one cannot be served, or there is none.

        A store that cannot be reached yet is no fault, an address that never can be is.
        """
        online_address(self._home)
        for name, link in self._sources().items():
            self._load(name, link, link.resolve())
            self._follow(name)
        if not self._predictors:
            raise BundleError(
                f"nothing to serve in {self._home.root}",
                hint="train and promote a model with `tidemill train OBJECTIVE`",
            )

    def watch(self) -> None:
        """Follow promotions and the online store in the background, until `close`."""
        self._watcher.start()

    def close(self) -> None:
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join()

    def refresh(self) -> None:
        """Serve what is promoted now. A bundle that cannot serve leaves the old one in place."""
        for name, link in self._sources().items():
            target = link.resolve()
            if self._seen.get(name) != self._source(name, link, target):
                self._exchange(name, link, target)
            elif name in self._predictors:
                self._follow_experiment(name)
            if name in self._predictors:
                self._follow(name)

    def _watch(self) -> None:
        while not self._stop.wait(CHECK_SECONDS):
            try:
                self.refresh()
            except Exception:  # a thread that died would follow no promotion ever again
                logger.exception("following promotions failed; trying again")

    def _exchange(self, name: str, link: Path, target: Path) -> None:
        try:
            self._load(name, link, target)
        except TidemillError as error:
            kept = self._predictors.get(name)
            fallback = f"still serving {kept.model.version}" if kept else "not serving it"
            logger.error("%s: %s; %s", name, error.message, fallback)

    def _load(self, name: str, link: Path, target: Path) -> None:
        self._seen[name] = self._source(name, link, target)
        model = load_model(target, name, _version(link, target))
        objective = model.metadata.objective
        logs = self._logs.setdefault(objective, ThreadLogs(self._home.predictions(objective)))
        served = self._serve(model, logs, link)
        if not isinstance(served, Segmenter):
            self._join(name, served)
        before = self._predictors.get(name)
        self._predictors = {**self._predictors, name: served}
        if isinstance(before, Predictor) and before.shadow is not None:
            before.shadow.close()
        logger.info("serving %s version %s", name, model.version)

    def _serve(self, model: AnyModel, logs: ThreadLogs, link: Path) -> Served:
        if isinstance(model, RecommenderModel):
            return Recommender(model, self._home, logs, self._index)
        if isinstance(model, SegmentModel):
            return Segmenter(model, self._home, logs)
        if model.metadata.value is not None:
            return Valuer(model, self._home, logs)
        return Predictor(model, self._home, logs, self._load_shadow(model.name, link))

    def _follow_experiment(self, name: str) -> None:
        served = self._predictors[name]
        if isinstance(served, Segmenter):
            return
        if stamp_of(self._home, served.model.metadata.objective) != self._experiments[name]:
            self._join(name, served)

    def _join(self, name: str, served: Predictor | Recommender) -> None:
        """Have `served` answer as the experiment says that runs, or as none does."""
        objective = served.model.metadata.objective
        self._experiments[name] = stamp_of(self._home, objective)
        logs = self._logs[objective]
        if isinstance(served, Predictor):
            kind = type(served)
            served.take_part(
                load_arms(self._home, served.model, lambda m: kind(m, self._home, logs))
            )
        else:
            served.take_part(
                load_arms(
                    self._home,
                    served.model,
                    lambda m: Recommender(m, self._home, logs, self._index),
                )
            )

    def _load_shadow(self, name: str, link: Path) -> Shadow | None:
        """The challenger beside the champion; None when there is none, or none that can score."""
        target = _shadow_of(link)
        if target is None:
            return None
        try:
            model = load_model(target, name, target.name)
        except Exception:  # whatever is wrong with a challenger, the champion is served
            logger.exception("%s: version %s cannot be scored in the shadow", name, target.name)
            return None
        if not isinstance(model, Model):
            return None
        logger.info("scoring %s version %s in the shadow", name, model.version)
        return Shadow(model, self._home)

    def _source(self, name: str, link: Path, target: Path) -> tuple[Path, bool, Path | None]:
        """A recommender that came before its catalogue is loaded again once that is there."""
        return target, self._home.catalogue(name).exists(), _shadow_of(link)

    def _follow(self, name: str) -> None:
        served = self._predictors[name]
        try:
            served.refresh()
            self._kept.pop(name, None)
        except TidemillError as error:
            if self._kept.get(name) != error.message:
                logger.warning("%s: %s: %s", name, served.when_stale, error)
            self._kept[name] = error.message


def _shadow_of(link: Path) -> Path | None:
    """What the link `shadow` beside a champion's leads to."""
    if not link.is_symlink():
        return None
    beside = link.with_name("shadow")
    return beside.resolve() if beside.is_symlink() else None


def _version(link: Path, target: Path) -> str | None:
    """The registry's version, which names its folder; None for a folder from elsewhere."""
    return target.name if link.is_symlink() or target.name.isdecimal() else None


def check_objective(home: Home, name: str) -> None:
    """Raise BundleError with the next step when `name` has no live model, ObjectiveError when it is
    an alert."""
    if name not in home.served_objectives():
        refuse_alert(home, name)
    served_bundle(home, name)
