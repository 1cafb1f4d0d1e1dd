"""The resolved identities, kept in files: resolved once, and then only for what was added.

`state.json` says which files hold the truth about which version of the log. It is replaced in one
step; who reads or makes the files holds the lock. All of it can be deleted at any time.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import orjson

from tidemill.events.delta import Table, literal_glob
from tidemill.events.identity.claims import claims_of, merged
from tidemill.events.identity.decisions import active_times, decisions_table, read_decisions
from tidemill.events.identity.links import Caps, judge_claims
from tidemill.events.identity.owners import make_owners
from tidemill.events.plan import load_plan
from tidemill.events.schema import EVENTS
from tidemill.events.staging import exclusive, scratch_folder

_FORMAT = 1
"""Of the files; another one is another cache."""
_MEMORY_LIMIT = "800MB"
_STATE = "state.json"
_NEWS = """
SELECT count(*) FROM heard LEFT JOIN known USING (id, user_id, alias)
WHERE known.id IS NULL OR heard.first < known.first
"""


@dataclass(frozen=True)
class Settings:
    """What the links depend on besides the events."""

    users_per_device: int
    devices_per_user: int
    decisions: int
    """Version of the table of decisions."""
    format: int = _FORMAT

    @property
    def caps(self) -> Caps:
        return Caps(self.users_per_device, self.devices_per_user)


@dataclass(frozen=True)
class State:
    """Which files hold what is known of which version of the log."""

    version: int
    settings: Settings
    claims: str
    owners: str


@contextmanager
def resolved(log_root: Path, version: int) -> Iterator[tuple[Path, Path]]:
    """The files with the claims and the owners of the log as of `version` or later.

    They are there until the end of the block. See `claims` and `owners` for what they hold.
    """
    folder = log_root / "identity"
    with exclusive(folder / ".lock"):
        state = _refreshed(log_root, folder, version)
        yield folder / state.claims, folder / state.owners


def settings_of(log_root: Path) -> Settings:
    """The settings that are in force."""
    caps = load_plan(log_root).spec.identity
    return Settings(caps.usersPerDevice, caps.devicesPerUser, decisions_table(log_root).version())


def _refreshed(log_root: Path, folder: Path, version: int) -> State:
    settings, known = settings_of(log_root), _read_state(folder)
    if known and known.version >= version and known.settings == settings:
        return known
    with _workspace(folder) as con:
        has_news = _hear(con, log_root, folder, known)
        if known and not has_news and known.settings == settings:
            return _write_state(folder, State(version, settings, known.claims, known.owners))
        claims = _save(con, "claims", folder) if has_news or known is None else known.claims
        judge_claims(con, settings.caps)
        make_owners(con, active_times(read_decisions(log_root)))
        return _write_state(folder, State(version, settings, claims, _save(con, "owners", folder)))


def _hear(
    con: duckdb.DuckDBPyConnection, log_root: Path, folder: Path, known: State | None
) -> bool:
    """Show all `claims`; whether there are others than those that are `known`."""
    table = Table(log_root / "events", EVENTS)
    if known is None or not table.show_added(con, "added", known.version):
        table.create_view(con, "events")
        con.execute(f"CREATE TEMP TABLE claims AS {claims_of('events')}")
        return True
    con.read_parquet(literal_glob(folder / known.claims)).create_view("known")
    con.execute(f"CREATE TEMP TABLE heard AS {claims_of('added')}")
    has_news = bool(con.execute(_NEWS).fetchall()[0][0])
    if has_news:
        con.execute(f"CREATE TEMP TABLE claims AS {merged('known', 'heard')}")
    else:
        con.execute("CREATE TEMP VIEW claims AS FROM known")
    return has_news


@contextmanager
def _workspace(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with scratch_folder(folder / "staging") as scratch:
        spill = str(scratch / "spill")
        with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "temp_directory": spill}) as con:
            con.execute("SET TimeZone = 'UTC'")
            yield con


def _save(con: duckdb.DuckDBPyConnection, table: str, folder: Path) -> str:
    name = f"{table}-{secrets.token_hex(8)}.parquet"
    con.table(table).write_parquet(str(folder / name))
    with (folder / name).open("rb") as written:
        os.fsync(written.fileno())  # the state must never outlive the files that it names
    return name


def _read_state(folder: Path) -> State | None:
    """None when there is none, or not of this format, or without its files."""
    try:
        stored = orjson.loads((folder / _STATE).read_bytes())
        state = State(**{**stored, "settings": Settings(**stored["settings"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    files = (folder / state.claims, folder / state.owners)
    return state if state.settings.format == _FORMAT and all(f.exists() for f in files) else None


def _write_state(folder: Path, state: State) -> State:
    draft = folder / f"{_STATE}.tmp"
    draft.write_bytes(orjson.dumps(asdict(state)))
    os.replace(draft, folder / _STATE)
    for file in folder.glob("*.parquet"):
        if file.name not in (state.claims, state.owners):
            file.unlink(missing_ok=True)
    return state
