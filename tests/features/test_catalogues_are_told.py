"""`tidemill features materialize` says what may be offered now, and what never is."""

import json
import os
import subprocess
import sys

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import keep_objective
from tidemill.recommendation.interests import interests_of
from tidemill_features.catalog import Catalog, Signal, save_catalog
from tidemill_features.kept_interests import keep_interests

UNTIL = {"i1": "2099-01-01", "i2": "31.12.2099", "i3": "2020-01-01"}


@pytest.fixture
def home(tmp_path, events_of, choosing):
    """One model is live that chooses from three items: one on sale, one unreadable, one gone."""
    import pyarrow as pa

    from tidemill.events.schema import ITEMS

    home = Home(tmp_path)
    log = EventLog(home.events)
    log.append(events_of({"item": "i1"}, {"item": "i2", "user": "u2"}))
    attributes = [json.dumps({"until": until}) for until in UNTIL.values()]
    log.put_items(pa.table({"item_id": list(UNTIL), "attributes": attributes}, schema=ITEMS))
    save_catalog(home, Catalog((Signal("order"),)))
    objective = choosing(items={"available": {"end": "item.until"}})
    keep_objective(home, objective)
    keep_interests(home, objective.name, interests_of(objective))
    return home


def materialize(home, cutoff, *arguments):
    command = ["features", "materialize", "--at", cutoff.isoformat(), *arguments]
    return subprocess.run(
        [sys.executable, "-m", "tidemill.cli", *command],
        env={**os.environ, "TIDEMILL_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_catalogue_is_told_in_numbers(home, cutoff):
    """Beside the features; what cannot be read is a note on stderr."""
    told = materialize(home, cutoff)
    assert "a catalogue of 3 items, 1 of them available now" in told.stdout
    assert "1 item is never offered, because 'item.until'" in told.stderr
    assert "'31.12.2099'" in told.stderr


def test_numbers_for_machines(home, cutoff):
    """By objective."""
    (count,) = json.loads(materialize(home, cutoff, "--json").stdout)["available"].values()
    assert count == 1
