"""Events in Parquet files, with whatever types their writer chose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tidemill.events.unchecked import (
    MALFORMED,
    SCALARS,
    Batch,
    UnreadableFileError,
    merge_properties,
    require_columns,
)

_ROWS = 50_000
_TIMES = ("timestamp", "received_at")


def read_parquet(path: Path) -> Iterator[Batch]:
    """Batches of a Parquet file; `line` is the row's number. Raises UnreadableFileError."""
    try:
        with pq.ParquetFile(path) as file:
            require_columns(file.schema_arrow.names)
            size, total, done = path.stat().st_size, file.metadata.num_rows, 0
            for rows in file.iter_batches(batch_size=_ROWS):
                unchecked = _unchecked(rows, first_line=done + 1)
                done += rows.num_rows
                yield Batch(unchecked, MALFORMED.empty_table(), size * done // total)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(str(error)) from error


def _unchecked(rows: pa.RecordBatch, first_line: int) -> pa.Table:
    columns = {name: _column(rows, name) for name in SCALARS}
    columns["properties"] = _properties(rows)
    columns["line"] = pa.array(range(first_line, first_line + rows.num_rows), pa.int64())
    columns["raw"] = pa.nulls(rows.num_rows, pa.string())
    return pa.table(columns)


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
    if name not in rows.schema.names:
        return pa.nulls(rows.num_rows, pa.string())
    column = rows.column(name)
    kind = column.type
    if name in _TIMES and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return _utc(column)
    if name == "value" and (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return column.cast(pa.float64(), safe=False)
    return _texts(column)


def _utc(column: pa.Array) -> pa.Array:
    kind = column.type
    naive = not pa.types.is_timestamp(kind) or kind.tz is None
    micros = column.cast(pa.timestamp("us", None if naive else kind.tz), safe=False)
    return micros.cast(pa.timestamp("us", "UTC"))


def _texts(column: pa.Array) -> pa.Array:
    """Whole numbers kept as floats (pandas does it when some are missing) lose their '.0'."""
    if pa.types.is_floating(column.type) and pc.all(pc.equal(pc.floor(column), column)).as_py():
        column = column.cast(pa.int64())
    return column.cast(pa.string())


def _properties(rows: pa.RecordBatch) -> pa.Array:
    """The column `properties` (text, struct or map) with all columns that no event has."""
    names = rows.schema.names
    if set(names) <= set(SCALARS):
        return pa.nulls(rows.num_rows, pa.string())
    extras = [name for name in names if name not in SCALARS and name != "properties"]
    if not extras and _is_text(rows.schema.field("properties").type):
        return rows.column("properties").cast(pa.string())
    given = rows.column("properties") if "properties" in names else pa.nulls(rows.num_rows)
    others = rows.select(extras).to_pylist() if extras else [{}] * rows.num_rows
    merged = (
        merge_properties(own, {key: value for key, value in other.items() if value is not None})
        for own, other in zip(given.to_pylist(maps_as_pydicts="lossy"), others, strict=True)
    )
    return pa.array(merged, pa.string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
