"""A training table from elsewhere is read for what it is, or refused with what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.errors import EventLogError
from tidemill_pipelines.assessing.leakage.table import NEVER, as_training_table, read_training_table

AT = datetime(2024, 5, 1, tzinfo=UTC)


def _table(**columns: object) -> pa.Table:
    given = {"user_id": ["a", "b"], "cutoff": [AT, AT], "label": [1, 0]}
    return pa.table({**given, **columns})


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    """Types are found in CSV; a missing value is NaN in both."""
    pq.write_table(_table(spent=[1.5, None]), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text(
        "user_id,cutoff,label,spent\na,2024-05-01,1,1.5\nb,2024-05-01,0,\n"
    )
    for name in ("t.parquet", "t.csv"):
        read = read_training_table(tmp_path / name)
        assert read.labels.tolist() == [True, False]
        assert np.array_equal(read.columns["spent"], [1.5, np.nan], equal_nan=True)
        assert read.cutoffs[0] == AT.timestamp() * 1e6


def test_a_null_label_is_a_row_of_now() -> None:
    """So is a row of the split `current`."""
    assert as_training_table(_table(label=[1, None]), "t").labelled.tolist() == [True, False]
    read = as_training_table(_table(split=["test", "current"]), "t")
    assert read.labelled.tolist() == [True, False]
    assert read.is_test.tolist() == [True, False]


def test_without_a_split_the_newest_known_outcomes_are_judged_on() -> None:
    """Rows of now are newer and not judged."""
    stamps = [AT.replace(month=month) for month in (3, 4, 5)]
    rows = pa.table({"user": ["a"] * 3, "event_timestamp": stamps, "label": [1, 0, None]})
    assert as_training_table(rows, "t").is_test.tolist() == [False, True, False]


def test_texts_become_one_column_for_each_value() -> None:
    """They remember the column of the file, which is what can be left out."""
    read = as_training_table(_table(plan=["gold", None]), "t")
    assert read.columns["plan = gold"].tolist() == [1, 0]
    assert read.columns["plan = missing"].tolist() == [0, 1]
    assert read.without({"plan"}).columns == {}


def test_instants_are_kept_apart() -> None:
    """They say when something was known; null is never."""
    read = as_training_table(_table(updated_at=[AT, None]), "t")
    assert read.columns == {}
    assert read.stamps["updated_at"].tolist() == [read.cutoffs[0], NEVER]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"cutoff": [1, 2]}, "not a date"),
        ({"cutoff": [AT, None]}, "1 of 2 rows of t have no 'cutoff'"),
        ({"user_id": [None, "b"]}, "1 of 2 rows of t have no 'user_id'"),
        ({"label": [1, 7]}, "holds 7"),
        ({"label": ["yes", "no"]}, "is no number"),
    ],
)
def test_what_is_no_training_table_is_refused(columns: dict[str, Any], said: str) -> None:
    """The message shows what was there instead."""
    with pytest.raises(EventLogError, match=said):
        as_training_table(_table(**columns), "t")


def test_a_table_without_rows_is_refused() -> None:
    """It would pass every check."""
    with pytest.raises(EventLogError, match="t has no rows"):
        as_training_table(_table().slice(0, 0), "t")


def test_columns_that_no_model_reads_are_named() -> None:
    """Lists, bytes, times of the day, and what is empty; the rest is looked at."""
    read = as_training_table(_table(a=[[1], [2]], b=[b"x", b"y"], c=pa.nulls(2), d=[1, 2]), "t")
    assert (read.unread, list(read.columns)) == (("a", "b", "c"), ["d"])


def test_numbers_of_any_size_are_read() -> None:
    """Whole numbers beyond the exact ones of a float, and infinity."""
    read = as_training_table(_table(a=[2**62, 1], b=[float("inf"), -1e308]), "t")
    assert read.columns["a"][0] == 2.0**62
    assert np.isfinite(np.column_stack(list(read.columns.values())) ** 2).all()


@pytest.mark.parametrize("name", ["missing.csv", "broken.parquet"])
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    """Without the query that failed."""
    (tmp_path / "broken.parquet").write_text("no parquet")
    with pytest.raises(EventLogError, match=name) as caught:
        read_training_table(tmp_path / name)
    assert "\n" not in caught.value.message


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """With the columns that there are."""
    (tmp_path / "t.csv").write_text("who,label\na,1\n")
    with pytest.raises(EventLogError, match="no column 'user_id', only who, label"):
        read_training_table(tmp_path / "t.csv")


def test_other_files_are_refused(tmp_path: Path) -> None:
    """By their name; nothing is guessed."""
    with pytest.raises(EventLogError, match=r"'t\.xlsx'"):
        read_training_table(tmp_path / "t.xlsx")
