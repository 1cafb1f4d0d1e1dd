"""An objective over the synthetic shop, and a home that holds its events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import Objective, load_objective

_TARGET = "propensity: {event: order, within: 14d}"
_OBJECTIVE = """
apiVersion: tidemill.dev/v1alpha1
kind: Objective
metadata: {name: orders}
spec:
  %s
  training: {cutoffs: 3, minimum_positives: %d}
"""


@pytest.fixture(scope="session")
def objective_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Objective]:
    """`objective_of("churn: {within: 7d}", minimum=50)`; by default, an order within 14 days."""

    def build(target: str = _TARGET, minimum: int = 50) -> Objective:
        path = tmp_path_factory.mktemp("objective") / "orders.yaml"
        path.write_text(_OBJECTIVE % (target, minimum))
        return load_objective(path)

    return build


@pytest.fixture(scope="session")
def home_with() -> Callable[[Path, pa.Table], Home]:
    """`home_with(folder, events)`: a home with a filled event log and the objective file beside."""

    def build(folder: Path, events: pa.Table) -> Home:
        home = Home(folder / "home")
        EventLog(home.events).append(events)
        (folder / "orders.yaml").write_text(_OBJECTIVE % (_TARGET, 50))
        return home

    return build
