"""A training that must not, or could not, change anything leaves everything as it was."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tidemill.errors import NotReadyError, PipelineError
from tidemill.registry import Registry
from tidemill_pipelines.local_run import run_locally

TIDEMILL = str(Path(sys.executable).with_name("tidemill"))


@pytest.fixture(scope="module")
def home(tmp_path_factory, home_with, shop_events):
    """Half of the users never order, the others are all alike: recency is all there is to know."""
    events = shop_events(300, 120, habit=False)
    never = pc.match_substring_regex(events.column("user_id"), "[13579]$")
    kept = pc.invert(pc.and_(never, pc.equal(events.column("name"), "order")))
    return home_with(tmp_path_factory.mktemp("refused"), events.filter(kept))


@pytest.fixture(scope="module")
def start(home, cutoff):
    """Starts `tidemill train`."""

    def popen():
        return subprocess.Popen(
            [TIDEMILL, "train", "orders.yaml", "--at", cutoff.isoformat()],
            cwd=home.root.parent,
            env={**os.environ, "TIDEMILL_HOME": str(home.root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return popen


def steps_of(home):
    """Process ids of the Python processes that work for a run of this home."""
    runs = os.fsencode(home.runs)
    return {path.name for path in Path("/proc").glob("[0-9]*") if is_step(path, runs)}


def is_step(process, runs):
    try:
        command = (process / "cmdline").read_bytes()
        return b"executor_main" in command and b"TIDEMILL_RUN_LOCK=" + runs in (
            (process / "environ").read_bytes()
        )
    except OSError:  # it has just ended
        return False


def within_seconds(seconds, holds):
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.05)
    return holds()


@pytest.fixture(scope="module")
def killed(home, start):
    """What a run had said when it was killed with -9, and it alone, while it fitted the model."""
    process = start()
    said = []
    for line in process.stderr:
        said.append(line.strip())
        if said[-1] == "train":
            break
    assert within_seconds(30, lambda: steps_of(home))
    process.kill()
    process.communicate()
    return said


@pytest.fixture(scope="module")
def after(killed, start):
    """The next run: exit code, stdout, stderr."""
    process = start()
    out, err = process.communicate(timeout=290)
    return process.returncode, out, err


def test_a_step_ends_with_the_run_that_was_killed(home, killed):
    """An orphan would go on, and could promote its version while the next training runs."""
    assert within_seconds(15, lambda: not steps_of(home))


def test_a_killed_run_registers_and_serves_nothing(home, killed):
    """It got as far as the training, and no further."""
    assert killed[-1] == "train"
    assert home.served_objectives() == []
    assert Registry(home).versions("orders") == []


def test_a_killed_run_leaves_only_whole_files(home, killed):
    """Every feature row file can be read."""
    files = list(home.features.rglob("*.parquet"))
    assert len(files) == 5
    assert all(pq.read_table(path).num_rows > 200 for path in files)


def test_the_next_run_goes_through(after):
    """No lock, no half-made state in its way; a refusal is a normal outcome."""
    code, out, err = after
    assert code == 0, err
    assert "orders version 1 was refused" in out


def test_the_runners_warnings_about_clusters_are_not_shown(after):
    """Room and image of a pod mean nothing here, and nobody can act on that."""
    assert "Warning" not in after[2]


def test_a_refused_model_is_registered_but_not_served(home, after):
    """With the reason; `current` does not exist."""
    (version,) = Registry(home).versions("orders")
    assert version["aliases"] == []
    assert version["tags"]["tidemill.gate"].startswith("not better than recency alone")
    assert home.served_objectives() == []


def test_a_step_that_refuses_is_heard(tmp_path, home_with, shop_events, objective_of, cutoff):
    """The step's own error with its hint, not the runner's 'Inner task failed'."""
    home = home_with(tmp_path, shop_events(150, 100))
    objective = objective_of("propensity: {event: ordr, within: 14d}")
    with pytest.raises(NotReadyError, match="'ordr' never occurs") as caught:
        run_locally(home, objective, cutoff, "test", print)
    assert caught.value.hint == "did you mean 'order'?"
    assert home.served_objectives() == []


def test_a_step_that_breaks_is_named(tmp_path, home_with, shop_events, objective_of, cutoff):
    """With its cause, and the place of the whole log."""
    home = home_with(tmp_path, shop_events(150, 100))
    home.features.mkdir()
    (home.features / "catalog.json").write_text("{broken")
    with pytest.raises(PipelineError, match="'validate'.*JSONDecodeError") as caught:
        run_locally(home, objective_of(), cutoff, "test", lambda line: None)
    log = Path(caught.value.hint.split()[-1])
    assert "JSONDecodeError" in log.read_text()
