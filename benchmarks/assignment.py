"""Who is in which arm: even, independent, the same in the server, and how long it takes.

    python benchmarks/assignment.py        writes docs/benchmarks/assignment.md and .json

Every user is assigned in Python and asked about through the server's own routes, in requests of
10,000 users; the arms of both are compared one by one. Times are of the process, not of the clock.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from bare_bundle import bare_metadata
from onnx import helper, parser, save
from scipy.stats import chi2_contingency, chisquare

from tidemill.bundle import MODEL_FILE
from tidemill.experiments.assignment import cell_of
from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.http.messages import Reply, Request
from tidemill.objective.experimenting import DeclaredExperiment
from tidemill.online import open_online_writer

MODEL_NAME = "assigned"
FEATURES = ("days",)
_GRAPH = """
recency (float[batch, 1] features) => (float[batch] score) <int64[1] last = {1}> {
  is_unknown = IsNaN (features)
  chance = Cast <to = 1> (is_unknown)
  score = Squeeze (chance, last)
}
"""
ROOT = Path(__file__).parent.parent
A_REQUEST = 10_000
BINS = 1_000
SHARES = ["5%", "15%", "30%", "50%"]
STARTED = datetime(2026, 1, 1, tzinfo=UTC)
IDS: dict[str, Callable[[int], str]] = {
    "numbers": str,
    "prefixed": lambda number: f"user-{number:08d}",
    "random": lambda number: f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
}
"""Kinds of user ids."""


def declare(home: Home, name: str, **layer: Any) -> Experiment:
    """An experiment of four arms that the champion serves alike."""
    arms = [
        {"name": f"arm-{place}", "share": share, "serve": "champion"}
        for place, share in enumerate(SHARES)
    ]
    declared = DeclaredExperiment.model_validate({"arms": arms, **layer})
    return ExperimentBook(home).start(name, declared, {}, STARTED)


def spread(name: str, users: Sequence[str]) -> dict[str, Any]:
    """P-values of chi-square: cells over even bins, arms over shares, arms of two experiments."""
    first, second = (_cells(f"{name}-{number}", users) for number in (1, 2))
    ends = np.cumsum([float(share[:-1]) for share in SHARES[:-1]]) / 100 * 2**53
    arms = [np.searchsorted(ends, cells, side="right") for cells in (first, second)]
    table = np.zeros((len(SHARES), len(SHARES)))
    np.add.at(table, tuple(arms), 1)
    even = np.bincount(first * BINS // 2**53, minlength=BINS)
    wanted = np.array([float(share[:-1]) for share in SHARES]) / 100 * len(users)
    return {
        "ids": name,
        "users": len(users),
        "even": float(chisquare(even).pvalue),
        "shares": float(chisquare(np.bincount(arms[0]), wanted).pvalue),
        "independent": float(chi2_contingency(table).pvalue),
        "correlation": float(np.corrcoef(first, second)[0, 1]),
    }


def _cells(salt: str, users: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.fromiter((cell_of(salt, user) for user in users), np.int64, len(users))


def assigned(experiment: Experiment, users: Sequence[str]) -> tuple[list[str], float]:
    """The arm of each user, "" for none, and microseconds of CPU time each."""
    assign = experiment.assign
    began = time.process_time()
    arms = [assign(user) for user in users]
    took = time.process_time() - began
    return ["" if arm is None else arm.name for arm in arms], took / len(users) * 1e6


def served(home: Home, users: Sequence[str]) -> Iterator[tuple[list[str], float]]:
    """The arms that the server answers with, request by request, and its seconds of CPU time."""
    from tidemill_serving.app import App
    from tidemill_serving.metrics import Metrics
    from tidemill_serving.repository import Repository, promoted

    repository = Repository(home, promoted(home, []))
    repository.load()
    app = App(repository, Metrics())
    path = f"/v2/models/{MODEL_NAME}/infer"
    for at in range(0, len(users), A_REQUEST):
        asked = list(users[at : at + A_REQUEST])
        tensor = {"name": "user_id", "datatype": "BYTES", "shape": [len(asked)], "data": asked}
        body = orjson.dumps({"inputs": [tensor], "outputs": [{"name": "arm"}]})
        began = time.process_time()
        reply = app.answer(Request("POST", path, {"content-type": "application/json"}, body))
        took = time.process_time() - began
        assert isinstance(reply, Reply)
        (output,) = orjson.loads(reply.body)["outputs"]
        yield output["data"], took
        if at % 1_000_000 == 0:  # ten million rows would fill a small disk
            for segment in home.predictions(MODEL_NAME).glob("*"):
                segment.unlink()


def differing(home: Home, users: Sequence[str], wanted: Sequence[str]) -> tuple[int, float]:
    """Users whose arm in the server is another one, and microseconds of CPU time for each user."""
    seconds, wrong, at = 0.0, 0, 0
    for arms, took in served(home, users):
        seconds += took
        wrong += sum(a != b for a, b in zip(arms, wanted[at : at + len(arms)], strict=True))
        at += len(arms)
    assert at == len(users)
    return wrong, seconds / len(users) * 1e6


def write_model(folder: Path) -> None:
    """Whether anything is known of the user: what is measured is not the model."""
    opset = [helper.make_opsetid("", 20)]
    model = helper.make_model(parser.parse_graph(_GRAPH), opset_imports=opset, ir_version=10)
    helper.set_model_props(model, bare_metadata(MODEL_NAME, FEATURES).to_properties())
    folder.mkdir(parents=True)
    save(model, str(folder / MODEL_FILE))


def make_home(root: Path) -> Home:
    """A served model and an online store; who is asked about need not be in it."""
    home = Home(root)
    folder = home.served(MODEL_NAME)
    write_model(folder / "1")
    (folder / "current").symlink_to("1")
    writer = open_online_writer(home)
    rows = ((f"user-{n}", 1, np.zeros(len(FEATURES), np.float32).tobytes()) for n in range(1000))
    writer.write("user_activity", FEATURES, rows)
    writer.close()
    return home


def measure(count: int) -> dict[str, Any]:
    """Everything on the page."""
    facts: dict[str, Any] = {"spread": [], "users": count}
    for name, make in IDS.items():
        facts["spread"].append(spread(name, [make(number) for number in range(count)]))
    users = [IDS["prefixed"](number) for number in range(count)]
    root = Path(tempfile.mkdtemp(prefix="tidemill-assignment-"))
    try:
        home = make_home(root)
        _, without = differing(home, users[: count // 10], [""] * (count // 10))
        half = {"layer": {"name": "pages", "share": "50%"}}
        facts["served"] = []
        for kind, layer in (("everybody", {}), ("half of a layer", half)):
            experiment = declare(home, MODEL_NAME, **layer)
            arms, cost = assigned(experiment, users)
            wrong, with_arms = differing(home, users, arms)
            facts["served"].append(
                {"kind": kind, "microseconds": cost, "differing": wrong}
                | {"request": with_arms, "without": without}
            )
    finally:
        shutil.rmtree(root)
    facts["versions"] = {name: version(name) for name in ("tidemill", "numpy", "scipy")}
    return facts


def markdown(facts: dict[str, Any]) -> str:
    """The page."""
    lines = [
        f"## Even and independent: {facts['users']:,} users\n",
        f"| user ids | {BINS:,} even bins | arms of {', '.join(SHARES)} | two experiments | "
        "correlation |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['ids']} | {row['even']:.3f} | {row['shares']:.3f} | {row['independent']:.3f} | "
        f"{row['correlation']:+.5f} |"
        for row in facts["spread"]
    ]
    lines += [
        "\nP-values of chi-square tests: small ones would say that arms are uneven, or that the "
        "arm in one experiment says something about the arm in another.\n",
        "## The same in the server, and what it costs\n",
        "| who takes part | another arm in the server | us a user, `Experiment.assign` | "
        "us a user of a request of 10,000 | the same without experiment |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['kind']} | {row['differing']:,} of {facts['users']:,} | "
        f"{row['microseconds']:.2f} | {row['request']:.2f} | {row['without']:.2f} |"
        for row in facts["served"]
    ]
    packages = ", ".join(f"{name} {found}" for name, found in facts["versions"].items())
    lines.append(f"\nCPU time, one process, Python {sys.version.split()[0]}, {packages}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    facts = measure(options.users)
    (options.out / "assignment.json").write_text(json.dumps(facts, indent=2) + "\n")
    (options.out / "assignment.md").write_text(markdown(facts))
    print(markdown(facts))


if __name__ == "__main__":
    main()
