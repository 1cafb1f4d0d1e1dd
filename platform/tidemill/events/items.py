"""Items from a file: one row each, `item_id` and one column per attribute."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from tidemill.errors import EventLogError
from tidemill.events.schema import ITEMS

_KEY = "item_id"
_READERS = {
    ".csv": "read_csv($path, all_varchar = true)",
    ".jsonl": "read_json($path, format = 'newline_delimited')",
    ".ndjson": "read_json($path, format = 'newline_delimited')",
    ".parquet": "read_parquet($path)",
}
_HINT = "is it UTF-8, and every line like the first: its columns, quotes and line end?"


def read_items(path: Path) -> pa.Table:
    """Items of a CSV, JSON lines or Parquet file, ITEMS schema. Attributes are kept as text.

    Raises EventLogError for another kind of file, one that cannot be read, or one without ids.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise EventLogError(
            f"{path} is not a file that items can be read from",
            hint=f"supported: {', '.join(_READERS)}",
        )
    with duckdb.connect() as con:
        try:
            rows = con.execute(f"SELECT * FROM {reader}", {"path": str(path)}).to_arrow_table()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise EventLogError(f"{path} cannot be read: {reason}", hint=_HINT) from error
        if _KEY not in rows.column_names:
            raise EventLogError(
                f"{path} has no column '{_KEY}', only {', '.join(rows.column_names)}",
                hint=f"name the column with the id of each item '{_KEY}'",
            )
        con.register("rows", rows)
        return con.execute(_select(rows.column_names)).to_arrow_table().cast(ITEMS)


def _select(columns: list[str]) -> str:
    """Attributes without a value are left out of the JSON object."""
    pairs = ", ".join(
        f"{_literal(name)}, CAST({_quoted(name)} AS VARCHAR)"
        for name in sorted(columns)
        if name != _KEY
    )
    attributes = f"json_merge_patch('{{}}', json_object({pairs}))"
    return (
        f"SELECT CAST({_KEY} AS VARCHAR) AS item_id, CAST({attributes} AS VARCHAR) AS attributes "
        f"FROM rows WHERE {_KEY} IS NOT NULL"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
