"""Events in Parquet files, with whatever types their writer chose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
from tidemill.importing.parts import Chunk, Part
from tidemill.importing.records import Mapped, Mapper
from tidemill.importing.storage import open_stored

_ROWS = 50_000
_TIMES = ("timestamp", "received_at")


def read_parquet(part: Part, mapper: Mapper | None) -> Iterator[Chunk]:
    """Chunks of a Parquet file; a line is a row's number. Raises UnreadableFileError.

    Without a mapper the columns are our own, and those that no event has become properties.
    """
    with _opened(part) as file:
        (require_columns if mapper is None else mapper.require)(file.schema_arrow.names)
        size, total, at = part.file.size, file.metadata.num_rows, part.start
        for rows in _batches(file, part):
            line, at = at - part.start + 1, at + rows.num_rows
            position = size * at // total
            if mapper is None:
                batch = Batch(_unchecked(rows, line), MALFORMED.empty_table(), position)
            else:
                batch = _mapped(rows, line, mapper, position)
            yield Chunk(batch, at - part.start, at)


def first_row(part: Part) -> Any:
    """The first row; None if there is none."""
    with _opened(part) as file:
        rows = next(file.iter_batches(batch_size=1), None)
        return None if rows is None or not rows.num_rows else _records(rows)[0]


def row_ranges(part: Part, size: int) -> Iterator[Part]:
    """`part` in whole row groups, about `size` bytes each. Raises UnreadableFileError."""
    with _opened(part) as file:
        groups = [file.metadata.row_group(at) for at in range(file.num_row_groups)]
    start, at, gathered = part.start, 0, 0
    for group in groups:
        at += group.num_rows
        gathered += group.total_byte_size if at > part.start else 0
        if gathered >= size:
            yield Part(part.file, start, at)
            start, gathered = at, 0
    yield Part(part.file, start)


@contextmanager
def _opened(part: Part) -> Iterator[pq.ParquetFile]:
    try:
        with open_stored(part.file.location) as stored, pq.ParquetFile(stored) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(str(error)) from error


def _batches(file: pq.ParquetFile, part: Part) -> Iterator[pa.RecordBatch]:
    """The rows of `part`; row groups outside it are not read."""
    groups: list[int] = []
    ends = at = 0
    for number in range(file.num_row_groups):
        begins, ends = ends, ends + file.metadata.row_group(number).num_rows
        if ends > part.start and (part.end is None or begins < part.end):
            at = at if groups else begins
            groups.append(number)
    for rows in file.iter_batches(batch_size=_ROWS, row_groups=groups):
        skipped = max(part.start - at, 0)
        at += rows.num_rows
        if skipped < rows.num_rows:
            yield rows.slice(skipped)


def _mapped(rows: pa.RecordBatch, first_line: int, mapper: Mapper, position: int) -> Batch:
    mapped = Mapped(mapper.to_event)
    for line, record in enumerate(_records(rows), first_line):
        mapped.add(record, line)
    return mapped.take(position)


def _records(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Numbers with a fixed point as text, which JSON can hold and everybody can read."""
    columns = [c.cast(pa.string()) if pa.types.is_decimal(c.type) else c for c in rows.columns]
    plain = pa.RecordBatch.from_arrays(columns, rows.schema.names)
    records: list[dict[str, Any]] = plain.to_pylist(maps_as_pydicts="lossy")
    return records


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
