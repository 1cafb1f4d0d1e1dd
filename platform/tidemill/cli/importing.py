"""`tidemill events import`: events from the files and exports that people have."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from tidemill.cli import console
from tidemill.cli.options import Json
from tidemill.errors import EventLogError
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.events import ImportReport

_KIB = 1024
_INTERRUPTED = 130


def import_events(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns like 'x/**/*.gz', s3:// URLs.")
    ],
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="`segment`, `mixpanel`, `amplitude`, `ga4` or `native`. Default: told from the "
            "first record of each file.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="YAML file that says what the columns of any other file are."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import events from files: exports of Segment, Mixpanel, Amplitude and GA4, or your own.

    Reads CSV and JSON lines (both also .gz), Parquet, and .zip of the former. An export is
    recognised by its first record. Any other file is read as `--mapping` says, or has columns named
    as in the log: `name`, `timestamp` and one of `user_id` and `anonymous_id` are needed;
    `event_id`, `item_id`, `received_at`, `value` and `properties` (a JSON object) are not; all
    others become properties. Times are ISO 8601, in UTC unless they say otherwise.

    s3:// takes credentials from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_REGION, AWS_PROFILE, and AWS_ENDPOINT_URL for other stores than Amazon's.

    Importing twice is safe: events are recognised by `event_id`, or by their content if they have
    none. An interrupted import goes on where it stood when the same command runs again. Rows that
    break a rule are kept aside (see `tidemill events rejected`) and the rest is imported. Exit
    code 1 only if not one event could be read.
    """
    from tidemill.events.log import EventLog
    from tidemill.importing.formats import Format
    from tidemill.importing.importer import Audience, import_files
    from tidemill.importing.mapping import read_mapping

    chosen = Format(file_format, None if mapping is None else read_mapping(mapping))
    log = EventLog(Home.from_environment().events)
    with console.progress() as progress:
        task = progress.add_task("reading (KiB)", total=None)

        def say(text: str) -> None:
            console.err.print(text, markup=False)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done // _KIB, total=total // _KIB)

        try:
            report = import_files(log, paths, chosen, Audience(say, show))
        except KeyboardInterrupt:
            console.log("interrupted; the same command goes on where the import stood")
            raise typer.Exit(_INTERRUPTED) from None
    for file, reason in report.unreadable.items():
        console.err.print(f"cannot read {file}: {reason}", style="yellow", markup=False)
    show_report(report, as_json)
    if report.is_empty:
        refused = "`tidemill events rejected` shows what was refused and why; "
        raise EventLogError(
            f"not one event could be read from {', '.join(paths)}",
            hint=f"{refused if report.rejected else ''}`tidemill events import --help` says which "
            "columns events need, and --mapping gives them other names",
        )


def show_report(report: ImportReport, as_json: bool) -> None:
    """Counts of an import on stdout."""
    if as_json:
        console.print_json(asdict(report))
        return
    table = Table("events", Column("rows", justify="right"))
    table.add_row("accepted", f"{report.accepted:,}")
    table.add_row("duplicates", f"{report.duplicates:,}")
    for reason, count in report.marked.items():
        table.add_row(f"accepted, not counted: {reason}", f"{count:,}")
    for reason, count in report.rejected.items():
        table.add_row(f"rejected: {reason}", f"{count:,}")
    console.out.print(table)
