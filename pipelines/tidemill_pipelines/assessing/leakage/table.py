"""A training table from anywhere: one row per (user, cutoff), an outcome, and columns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.errors import EventLogError
from tidemill.events.delta import literal_glob

Bools = NDArray[np.bool_]
Values = NDArray[np.float64]
Instants = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max
"""In place of an instant that is not there."""
DAY_US = 86_400_000_000
_USER, _CUTOFF = ("user_id", "user"), ("cutoff", "event_timestamp")
_LABEL, _SPLIT = "label", "split"
_CURRENT = "current"
_READERS = {".parquet": "read_parquet", ".csv": "read_csv"}
_FORM = "a training table has user_id, cutoff, label and one column per feature"
_LARGEST = 1e30
"""Anything beyond it, such as infinity, is as large: its square must still be a number."""
_MOST_TEXTS = 12
"""Values of a text column that are looked at one by one, the most frequent first."""


@dataclass(frozen=True)
class TrainingTable:
    """Rows in the order of the file. Arrays of one value have the shape [n]."""

    users: NDArray[np.str_]
    cutoffs: Instants
    """Microseconds since 1970 UTC."""
    labels: Bools
    labelled: Bools
    """False for rows of now, whose outcome is not known yet."""
    columns: dict[str, Values]
    """What each is by name, NaN for missing. A text is one column per frequent value."""
    origins: dict[str, str]
    """The file's name of each column."""
    stamps: dict[str, Instants]
    """Columns that hold instants, microseconds since 1970 UTC, NEVER for none."""
    tested: Bools | None
    """Rows that a model is to be judged on, where the file says which."""
    unread: tuple[str, ...] = ()
    """Columns of the file that hold nothing a model reads as it is."""

    def where(self, chosen: Bools | NDArray[np.int64]) -> TrainingTable:
        """Some of the rows."""
        return replace(
            self,
            users=self.users[chosen],
            cutoffs=self.cutoffs[chosen],
            labels=self.labels[chosen],
            labelled=self.labelled[chosen],
            columns={name: values[chosen] for name, values in self.columns.items()},
            stamps={name: values[chosen] for name, values in self.stamps.items()},
            tested=None if self.tested is None else self.tested[chosen],
        )

    def without(self, origins: set[str]) -> TrainingTable:
        """All but some columns of the file."""
        kept = {name for name, origin in self.origins.items() if origin not in origins}
        return replace(
            self,
            columns={name: v for name, v in self.columns.items() if name in kept},
            origins={name: o for name, o in self.origins.items() if name in kept},
            stamps={name: v for name, v in self.stamps.items() if name not in origins},
        )

    @property
    def is_test(self) -> Bools:
        """What a model would be judged on: as the file says, else the newest known outcomes."""
        if self.tested is not None:
            return self.tested
        newest = self.cutoffs[self.labelled].max(initial=np.iinfo(np.int64).min)
        return np.asarray(self.labelled & (self.cutoffs == newest))

    def matrix(self) -> NDArray[np.float32]:
        """The columns side by side, [n, columns]."""
        parts = list(self.columns.values())
        width = np.column_stack(parts) if parts else np.empty((len(self.users), 0))
        return np.clip(width, -3e38, 3e38).astype(np.float32)


def read_training_table(path: Path) -> TrainingTable:
    """Parquet or CSV with `user_id`, `cutoff`, `label`, optionally `split`, and columns to judge.

    A null label (or the split `current`) is a row of now. `user` and `event_timestamp` are taken
    for `user_id` and `cutoff`. Raises EventLogError for a file that cannot be read as one.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise EventLogError(
            f"a training table is a .parquet or .csv file, and this is '{path.name}'", hint=_FORM
        )
    if not path.is_file():
        raise EventLogError(f"there is no file '{path}'", hint=_FORM)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        try:
            found = con.execute(f"FROM {reader}($path)", {"path": literal_glob(path)})
            return as_training_table(found.to_arrow_table(), path.name)
        except duckdb.Error as error:
            cause = str(error).strip().splitlines()[0]
            raise EventLogError(f"'{path}' cannot be read: {cause}", hint=_FORM) from error


def as_training_table(table: pa.Table, source: str) -> TrainingTable:
    """As `read_training_table`; `source` is named in errors."""
    user, cutoff = (_named(table, names, source) for names in (_USER, _CUTOFF))
    label = _named(table, (_LABEL,), source)
    _check_rows(table, (user, cutoff), source)
    if not pa.types.is_temporal(table.schema.field(cutoff).type):
        kind = table.schema.field(cutoff).type
        raise EventLogError(
            f"'{cutoff}' of {source} is {kind}, not a date or an instant",
            hint="write when the row's features are meant to be known, such as 2024-03-01, and in "
            "Parquet as a date or a timestamp",
        )
    split = table.column(_SPLIT).to_pylist() if _SPLIT in table.column_names else None
    labels = _label_values(table.column(label), source)
    labelled = ~np.isnan(labels)
    if split is not None:
        labelled &= np.array([value != _CURRENT for value in split])
    others = [name for name in table.column_names if name not in (user, cutoff, label, _SPLIT)]
    stamps = {n: _instants(table.column(n)) for n in others if _is_instant(table, n)}
    columns: dict[str, Values] = {}
    origins: dict[str, str] = {}
    for name in (n for n in others if n not in stamps):
        for shown, values in numbers_of(name, table.column(name)).items():
            columns[shown], origins[shown] = values, name
    return TrainingTable(
        users=np.asarray(table.column(user).cast(pa.string()).to_pylist(), dtype=np.str_),
        cutoffs=_instants(table.column(cutoff)),
        labels=np.nan_to_num(labels) > 0,
        labelled=labelled,
        columns=columns,
        origins=origins,
        stamps=stamps,
        tested=None if split is None else np.array([value == "test" for value in split]),
        unread=tuple(n for n in others if n not in stamps and n not in {*origins.values()}),
    )


def _named(table: pa.Table, names: tuple[str, ...], source: str) -> str:
    found = next((name for name in names if name in table.column_names), None)
    if found is None:
        raise EventLogError(
            f"{source} has no column '{names[0]}', only {', '.join(table.column_names[:20])}",
            hint=_FORM,
        )
    return found


def _check_rows(table: pa.Table, needed: tuple[str, ...], source: str) -> None:
    if not table.num_rows:
        raise EventLogError(f"{source} has no rows", hint="write one for each user and cutoff")
    for name in needed:
        if empty := table.column(name).null_count:
            raise EventLogError(
                f"{empty:,} of {table.num_rows:,} rows of {source} have no '{name}'",
                hint="give them one, or leave these rows out",
            )


def _label_values(column: pa.ChunkedArray, source: str) -> Values:
    hint = "an outcome is 1 or 0, and empty when it is not known yet"
    try:
        values = _floats(column)
    except pa.ArrowException as error:
        raise EventLogError(f"'{_LABEL}' of {source} is no number: {error}", hint=hint) from error
    odd = sorted({*np.unique(values[~np.isnan(values)]).tolist()} - {0.0, 1.0})
    if odd:
        raise EventLogError(f"'{_LABEL}' of {source} holds {odd[0]:g}", hint=hint)
    return values


def _is_instant(table: pa.Table, name: str) -> bool:
    kind = table.schema.field(name).type
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _instants(column: pa.ChunkedArray) -> Instants:
    kind = pa.timestamp("us", tz="UTC")
    if pa.types.is_date(column.type) or column.type.tz is None:
        column = column.cast(pa.timestamp("us"))
    numbers = column.cast(kind).cast(pa.int64())
    return np.asarray(numbers.fill_null(NEVER).to_numpy(), dtype=np.int64)


def numbers_of(name: str, column: pa.ChunkedArray) -> dict[str, Values]:
    """A numeric column as it is; of one of texts whether it has each of its frequent values.

    Nothing of one that is empty, or of lists, bytes and other things that no model reads as such.
    """
    if not _is_readable(column.type):
        return {}
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return {name: _floats(column)}
    with contextlib.suppress(pa.ArrowInvalid):  # numbers that were written as text
        return {name: _floats(column.cast(pa.float64()))}
    texts = np.asarray(column.fill_null("").to_pylist(), dtype=np.str_)
    values, counts = np.unique(texts, return_counts=True)
    common = values[np.argsort(-counts, kind="stable")][:_MOST_TEXTS]
    return {
        f"{name} = {value or 'missing'}": (texts == value).astype(np.float64) for value in common
    }


def _is_readable(kind: pa.DataType) -> bool:
    readable = (
        pa.types.is_boolean,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_string,
        pa.types.is_large_string,
    )
    return any(test(kind) for test in readable)


def _floats(column: pa.ChunkedArray) -> Values:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    return np.clip(values, -_LARGEST, _LARGEST)


def day_of(instant: int) -> date:
    """Of microseconds since 1970 UTC."""
    return date.fromordinal(date(1970, 1, 1).toordinal() + instant // DAY_US)


def with_column(table: TrainingTable, name: str, column: pa.ChunkedArray) -> TrainingTable:
    """One more column, as if it had been in the file."""
    found = numbers_of(name, column)
    return replace(
        table,
        columns={**table.columns, **found},
        origins={**table.origins, **dict.fromkeys(found, name)},
    )
