"""The commands `tidemill collect` and `tidemill sources`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import Json
from tidemill.collector.sources import KeyRing, SourceError, SourceFile, SourceFolder
from tidemill.home import Home

_MB = 1024 * 1024
_DEFAULT_SOURCE = "default"
_EXAMPLE = "segment.analytics.Client('{key}', host='{url}').track('user-1', 'signed up')"
_KeysDir = Annotated[
    Path | None,
    typer.Option(
        "--write-keys-dir",
        envvar="TIDEMILL_WRITE_KEYS_DIR",
        help="Take write keys from this folder instead: a file for each source, its content the "
        "key. A Kubernetes Secret is mounted like that.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root app."""
    app.command()(collect)
    sources = typer.Typer(no_args_is_help=True, help="Who may send events, and their write keys.")
    sources.callback()(lambda: None)
    sources.command("add")(add_source)
    sources.command("list")(list_sources)
    sources.command("remove")(remove_source)
    app.add_typer(sources, name="sources")


def collect(
    *,
    host: Annotated[
        str, typer.Option(envvar="TIDEMILL_COLLECT_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="TIDEMILL_COLLECT_PORT", help="Port.")
    ] = 8070,
    write_keys_dir: _KeysDir = None,
    requests_per_second: Annotated[
        float,
        typer.Option(
            min=0.1,
            envvar="TIDEMILL_COLLECT_REQUESTS_PER_SECOND",
            help="What one source may send on average; beyond: 429 and Retry-After.",
        ),
    ] = 1_000.0,
    events_per_second: Annotated[
        float,
        typer.Option(
            min=0.1,
            envvar="TIDEMILL_COLLECT_EVENTS_PER_SECOND",
            help="What one source may send on average; beyond: 429 and Retry-After.",
        ),
    ] = 50_000.0,
    max_body_mb: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="TIDEMILL_COLLECT_MAX_BODY_MB",
            help="Largest request, MB, where its API allows more.",
        ),
    ] = 20,
    max_connections: Annotated[
        int,
        typer.Option(
            min=1, envvar="TIDEMILL_COLLECT_MAX_CONNECTIONS", help="Open at once; beyond: 503."
        ),
    ] = 1024,
    max_memory_mb: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="TIDEMILL_COLLECT_MAX_MEMORY_MB",
            help="Request bodies held at once, MB; beyond: 503.",
        ),
    ] = 256,
    max_spool_mb: Annotated[
        int,
        typer.Option(
            min=1,
            envvar="TIDEMILL_COLLECT_MAX_SPOOL_MB",
            help="What may wait on disk for the event log, MB; beyond: 503.",
        ),
    ] = 4096,
    drain_seconds: Annotated[
        float,
        typer.Option(
            min=0.05,
            max=60,
            envvar="TIDEMILL_COLLECT_DRAIN_SECONDS",
            help="How often acknowledged events are moved into the event log.",
        ),
    ] = 1.0,
) -> None:
    """Take events from the SDKs you have, unmodified.

    Segment, RudderStack, Mixpanel, Amplitude, PostHog, Snowplow: point the SDK at this address and
    give it a write key. An answer means that the events are on the disk. The first start makes a
    source `default` and prints its key once.

    Metrics are at /metrics. SIGTERM ends it when everything acknowledged is in the event log.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    home = Home.from_environment()
    keys = _open_keys(home, write_keys_dir, f"http://{host}:{port}")
    from tidemill.collector.limits import Rates
    from tidemill.collector.server import Settings, run  # httptools, deltalake
    from tidemill.http.edge import Limits

    limits = Limits(max_body_mb * _MB, max_memory_mb * _MB, max_connections)
    rates = Rates(requests_per_second, events_per_second)
    run(home, keys, Settings(host, port, limits, rates, max_spool_mb * _MB, drain_seconds))


def add_source(
    name: Annotated[str, typer.Argument(help="Letters, digits, dots, dashes, underscores.")],
    as_json: Json = False,
) -> None:
    """Add a source and print its write key, which is shown only now.

    Running collectors know it within a second. Events carry the source's name in the receipts.
    """
    home = Home.from_environment()
    key = _add(home, name)
    if as_json:
        console.print_json({"source": name, "write_key": key})
        return
    console.log(f"write key of source '{name}', shown only now:")
    console.out.print(key)


def list_sources(write_keys_dir: _KeysDir = None, as_json: Json = False) -> None:
    """List the sources."""
    store = _store(Home.from_environment(), write_keys_dir)
    names = sorted(store.read())
    if as_json:
        console.print_json(names)
        return
    for name in names:
        console.out.print(name)


def remove_source(name: Annotated[str, typer.Argument(help="A source.")]) -> None:
    """Remove a source; its write key is refused within a second. Its events stay."""
    home = Home.from_environment()
    with home.lock("sources"):
        _file(home).remove(name)
    console.log(f"source '{name}' is removed")


def _add(home: Home, name: str) -> str:
    with home.lock("sources"):
        return _file(home).add(name)


def _file(home: Home) -> SourceFile:
    return SourceFile(home.collector / "sources.json")


def _store(home: Home, folder: Path | None) -> SourceFile | SourceFolder:
    if folder is None:
        return _file(home)
    if not folder.is_dir():
        raise SourceError(
            f"there is no folder {folder} for write keys",
            hint="create it, or leave out --write-keys-dir and TIDEMILL_WRITE_KEYS_DIR",
        )
    return SourceFolder(folder)


def _open_keys(home: Home, folder: Path | None, url: str) -> KeyRing:
    keys = KeyRing(_store(home, folder))
    if keys.is_empty and folder is None:
        key = _add(home, _DEFAULT_SOURCE)
        console.log(f"write key of source '{_DEFAULT_SOURCE}', shown only now:")
        console.out.print(key)
        console.log(f"with Segment's Python SDK: {_EXAMPLE.format(key=key, url=url)}")
        keys.refresh()
    elif keys.is_empty:
        console.log(f"no write keys in {folder} yet; every request is refused until there are")
    return keys
