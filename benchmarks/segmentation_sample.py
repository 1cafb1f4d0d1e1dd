"""The example segmentations on the sample: what is reported of real users, and how stable it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidemill.home import Home
from tidemill.objective import load_objective
from tidemill.sample.examples import example_objective
from tidemill_pipelines.segmenting import steps

EXAMPLES = ("home-store-segments", "shopper-segments")
AT = datetime(2018, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SampleRow:
    """One number of segments that was tried."""

    objective: str
    users: int
    k: int
    is_reported: bool
    valley: float
    """Of the two segments that are least apart."""
    jaccard: list[float] | None
    agreement: float | None
    faults: list[str]


def sample_rows() -> list[SampleRow]:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("tidemill")), "events", "sample"]
        subprocess.run(command, env={**os.environ, "TIDEMILL_HOME": folder}, check=True)
        return [row for name in EXAMPLES for row in rows_of(Home(Path(folder)), name)]


def rows_of(home: Home, name: str) -> list[SampleRow]:
    objective, folder = load_objective(example_objective(name)), home.root / name
    folder.mkdir()
    plan, dataset, model, evaluation = (
        folder / file for file in ("plan.json", "users.parquet", "model.onnx", "evaluation.json")
    )
    steps.validate(home, objective, AT, plan)
    users = int(steps.build_training_set(home, objective, plan, dataset)["users"])
    steps.train(objective, dataset, model)
    steps.evaluate(home, objective, dataset, model, evaluation)
    facts = json.loads(evaluation.read_text())
    most = len(facts["segments"])
    return [
        SampleRow(
            name,
            users,
            each["k"],
            facts["is_real"] and each["k"] == most,
            max(gap["valley"] for gap in each["gaps"]),
            each["jaccard"],
            each["agreement"],
            each["faults"],
        )
        for each in facts["tried"]
    ]


def sample_lines(rows: list[SampleRow]) -> list[str]:
    """A table: every number of segments that was tried."""
    lines = [
        "| objective | users | segments | reported | valley | lowest Jaccard | older | why not |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        jaccard = "-" if row.jaccard is None else f"{min(row.jaccard):.2f}"
        agreement = "-" if row.agreement is None else f"{row.agreement:.2f}"
        cells = [row.objective, f"{row.users:,}", row.k, "yes" if row.is_reported else "no"]
        cells += [f"{row.valley:.0%}", jaccard, agreement, "; ".join(row.faults)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines
