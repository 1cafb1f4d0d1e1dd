"""Where state lives: one folder, `TIDEMILL_HOME`, default `./.tidemill`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tidemill.errors import TidemillError


@dataclass(frozen=True)
class Home:
    """The layout of the state folder. Nothing else in the code spells these paths."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        return cls(Path(os.environ.get("TIDEMILL_HOME", ".tidemill")).absolute())

    @property
    def events(self) -> Path:
        """Delta tables: events, items, dead_letters, marks, receipts; and the tracking plan."""
        return self.root / "events"

    @property
    def collector(self) -> Path:
        """What the collector has acknowledged and not yet put into the log, and its write keys."""
        return self.root / "collector"

    @property
    def objectives(self) -> Path:
        """The objective files this home knows, one `<name>.yaml` each."""
        return self.root / "objectives"

    @property
    def features(self) -> Path:
        """The signal catalog and the feature rows, one Parquet file per cutoff."""
        return self.root / "features"

    @property
    def online_store(self) -> Path:
        """SQLite file with one packed feature row per user."""
        return self.root / "online.db"

    @property
    def feast_registry(self) -> Path:
        return self.root / "feast.db"

    @property
    def mlflow_database(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.root / "mlflow"

    @property
    def runs(self) -> Path:
        """Outputs of the local pipeline runner."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """HTML pages and the JSON facts they are made of."""
        return self.root / "reports"

    def served(self, objective: str) -> Path:
        """`<version>/model.onnx` folders and the `current` link to the champion's."""
        return self.root / "serving" / objective

    def experiments(self, objective: str) -> Path:
        """Every experiment there was, one `<number>.json` each."""
        return self.root / "experiments" / objective

    def running_experiment(self, objective: str) -> Path:
        """The experiment that runs now, for the server."""
        return self.served(objective) / "experiment.json"

    def exposures(self, objective: str) -> Path:
        """Who was in which arm when: the prediction log in columns, one Parquet file a segment."""
        return self.experiments(objective) / "exposures"

    def experiment_plan(self, objective: str, number: int) -> Path:
        """What history promised when the experiment was first looked at."""
        return self.experiments(objective) / "plans" / f"{number}.json"

    def experiment_standing(self, objective: str, number: int) -> Path:
        """The newest verdict of an experiment."""
        return self.experiments(objective) / "standings" / f"{number}.json"

    def catalogue(self, objective: str) -> Path:
        """What may be offered now, for an objective that chooses items."""
        return self.served(objective) / "catalogue.npz"

    def served_objectives(self) -> list[str]:
        """Objectives that have a champion to serve, by name."""
        return sorted(link.parent.name for link in self.root.glob("serving/*/current"))

    def predictions(self, objective: str) -> Path:
        """Segments of the prediction log."""
        return self.root / "predictions" / objective

    def shadow_predictions(self, objective: str) -> Path:
        """What the challenger in the champion's shadow would have answered: segments of its own."""
        return self.predictions(objective) / "shadow"

    def monitoring(self, objective: str) -> Path:
        """Verdicts and Evidently snapshots, one folder per run."""
        return self.root / "monitoring" / objective

    @property
    def evidently(self) -> Path:
        """Workspace of Evidently's UI: one project per objective, its newest snapshots."""
        return self.root / "evidently"

    def notifications(self, objective: str) -> Path:
        """What receivers of the monitor's verdicts were told, and what waits to be sent."""
        return self.monitoring(objective) / "notifications"

    def history(self, objective: str) -> Path:
        """The page that shows an objective's metrics over time."""
        return self.monitoring(objective) / "history.html"

    @property
    def monitoring_metrics(self) -> Path:
        """The newest verdicts of all objectives, for Prometheus."""
        return self.root / "monitoring" / "metrics.prom"

    def confirmations(self, objective: str) -> Path:
        """What people have confirmed for the ML Test Score, one JSON object a line."""
        return self.root / "confirmations" / f"{objective}.jsonl"

    @contextmanager
    def lock(self, name: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the home-wide lock `name`; a second process calls `on_wait` and waits.

        Released even by kill -9. Raises TidemillError when the home cannot be written.
        """
        with self._opened(self.root / "locks" / f"{name}.lock") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait is not None:
                    on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _opened(self, lock: Path) -> IO[str]:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            return lock.open("a")
        except OSError as error:
            raise TidemillError(
                f"{self.root} cannot be written: {error.strerror}",
                hint="check that TIDEMILL_HOME is writable and its disk has room",
            ) from error
