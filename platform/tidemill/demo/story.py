"""The demo's acts: events, training, serving, four real weeks, an incident, the report."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.rule import Rule

from tidemill.cli import console
from tidemill.cli.options import parse_instant
from tidemill.demo.endpoint import Endpoint, running_server
from tidemill.demo.shell import tidemill
from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.sample.examples import example_objective
from tidemill.sample.retail import sample_events

OBJECTIVE = "coupon-redemption"
GO_LIVE, FOUR_WEEKS_LATER, EIGHT_WEEKS_LATER = "2017-11-05", "2017-12-03", "2017-12-31"
RENAMED = ("product_purchased", "Product Purchased")
_MARK = "demo.json"
_OK_OR_ACT = (0, 3, 4)


def play(home: Home) -> None:
    """Play all acts in `home`, which must be empty or an earlier demo's."""
    _prepare(home)
    started = time.monotonic()
    _act("1 Events", "ten months of a real retailer's events become the event log")
    tidemill(home, "events", "sample", "--end", GO_LIVE)
    _act("2 Training", "point-in-time features, a torch model, a gate that must be passed")
    tidemill(home, "train", str(example_objective(OBJECTIVE)), "--at", GO_LIVE)
    _act("3 Serving", "the champion answers over HTTP and gRPC, from online features")
    tidemill(home, "features", "materialize", "--at", GO_LIVE)
    with running_server(home, OBJECTIVE) as endpoint:
        _ask_for_everybody(home, endpoint, GO_LIVE)
        _show_some(endpoint)
        _act("4 Four real weeks later", "what was promised, against what happened")
        tidemill(home, "events", "sample", "--start", GO_LIVE, "--end", FOUR_WEEKS_LATER)
        tidemill(home, "features", "materialize", "--at", FOUR_WEEKS_LATER)
        _ask_for_everybody(home, endpoint, FOUR_WEEKS_LATER)
        _monitor(home, FOUR_WEEKS_LATER, "--no-retrain")
        _act("5 An incident", f"a tracking change renames '{RENAMED[0]}' to '{RENAMED[1]}'")
        tidemill(home, "events", "import", str(_incident(home)))
        tidemill(home, "features", "materialize", "--at", EIGHT_WEEKS_LATER)
        _ask_for_everybody(home, endpoint, EIGHT_WEEKS_LATER)
        _monitor(home, EIGHT_WEEKS_LATER, "--retrain")
        console.out.print(f"The endpoint answers with version {endpoint.version()}.")
    _act("6 Summary", "what is registered, what is live, and a page to look at")
    tidemill(home, "models", OBJECTIVE)
    tidemill(home, "status")
    tidemill(home, "report", OBJECTIVE)
    _farewell(home, time.monotonic() - started)


def _prepare(home: Home) -> None:
    """An earlier demo is played over; anybody's real work is left alone."""
    if home.root.exists() and any(home.root.iterdir()):
        if not (home.root / _MARK).exists():
            raise TidemillError(
                f"{home.root} holds something that is not an earlier demo",
                hint="set TIDEMILL_HOME to another folder, for example TIDEMILL_HOME=./demo",
            )
        shutil.rmtree(home.root)
    home.root.mkdir(parents=True, exist_ok=True)
    (home.root / _MARK).write_text(json.dumps({"objective": OBJECTIVE, "go_live": GO_LIVE}))


def _act(title: str, meaning: str) -> None:
    console.out.print()
    console.out.print(Rule(f"[bold]{title}[/]", align="left"))
    console.out.print(f"[italic]{meaning}[/]\n")


def _ask_for_everybody(home: Home, endpoint: Endpoint, at: str) -> None:
    con = EventLog(home.events).connect()
    users = con.execute(
        "SELECT DISTINCT user_id FROM user_events WHERE superseded_at IS NULL AND timestamp < $at "
        "ORDER BY user_id",
        {"at": parse_instant(at)},
    ).fetchall()
    con.close()
    endpoint.settle()
    started = time.monotonic()
    grades = endpoint.score_everybody([user for (user,) in users])
    spent = time.monotonic() - started
    shares = ", ".join(f"{letter} {grades[letter]:,}" for letter in "ABCD")
    console.out.print(
        f"POST /v2/models/{OBJECTIVE}/infer for {len(users):,} users in {spent:.1f} s; "
        f"grades: {shares}"
    )


def _show_some(endpoint: Endpoint) -> None:
    console.out.print(f"[bold cyan]$ {_curl(endpoint.url)}[/]")
    for row in endpoint.predict(["1", "718", "nobody-yet"]):
        console.out.print(json.dumps(row))


def _monitor(home: Home, at: str, retrain: str) -> None:
    """A monitor that wants action is part of the story, not a failure of the demo."""
    tidemill(home, "monitor", OBJECTIVE, "--at", at, "--window", "28d", retrain, allowed=_OK_OR_ACT)


def _incident(home: Home) -> Path:
    """The next four weeks as an export, in which one event goes by another name."""
    events = sample_events(parse_instant(FOUR_WEEKS_LATER), parse_instant(EIGHT_WEEKS_LATER))
    name = events.column("name")
    renamed = pc.if_else(pc.equal(name, RENAMED[0]), pa.scalar(RENAMED[1]), name)
    path = home.root / "december.parquet"
    pq.write_table(events.set_column(events.schema.get_field_index("name"), "name", renamed), path)
    return path


def _farewell(home: Home, spent: float) -> None:
    home_words = f"TIDEMILL_HOME={home.root}"
    lines: list[tuple[str, str]] = [
        ("look at the report", str(home.reports / f"{OBJECTIVE}.html")),
        ("serve it", f"{home_words} tidemill serve"),
        ("ask it", _curl("http://127.0.0.1:8080")),
        (
            "browse runs and versions",
            f"mlflow ui --backend-store-uri sqlite:///{home.mlflow_database}",
        ),
    ]
    console.out.print()
    console.out.print(f"Played in {spent:.0f} s. To go on:")
    for what, how in lines:
        console.out.print(f"  [bold]{what}[/]\n    {how}", soft_wrap=True)


def _curl(url: str) -> str:
    return (
        f"curl -s {url}/v1/models/{OBJECTIVE}:predict -H 'Content-Type: application/json' "
        """-d '{"instances": ["1", "718", "nobody-yet"]}'"""
    )
