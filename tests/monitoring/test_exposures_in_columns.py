"""The prediction log in columns: each segment once, growing ones again, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from experiment_log_kit import answer, day

from tidemill.home import Home
from tidemill_monitoring.experiments.exposures import show_exposures, update_exposures


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def rows(home: Home) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        show_exposures(con, home, "shop")
        return con.sql("SELECT unit, arm, day, answers FROM exposures ORDER BY ALL").fetchall()


def test_one_row_for_a_users_answers_on_a_day(home: Home) -> None:
    """A user is answered many times; the first time and how often is what counts."""
    answer(home, ("u1", "control", 0.5), ("u1", "control", 0.2), ("u1", "control", 1.2))
    assert update_exposures(home, "shop") == 1
    first = int(day(0).timestamp()) // 86_400
    assert rows(home) == [("u1", "control", first, 2), ("u1", "control", first + 1, 1)]


def test_a_segment_is_converted_once(home: Home) -> None:
    """Reading a log of years again for every look would take hours."""
    answer(home, ("u1", "control", 0))
    assert [update_exposures(home, "shop") for _ in range(2)] == [1, 0]


def test_a_segment_that_has_grown_is_converted_again(home: Home) -> None:
    """The server still writes into the newest; its rows must not be there twice."""
    segment = answer(home, ("u1", "control", 0))
    update_exposures(home, "shop")
    more = answer(home, ("u2", "treated", 0))
    with segment.open("ab") as file:
        file.write(more.read_bytes())
    more.unlink()
    assert update_exposures(home, "shop") == 1
    assert [row[0] for row in rows(home)] == ["u1", "u2"]


def test_exposures_outlive_their_segment(home: Home) -> None:
    """Old segments may be deleted; an experiment's users may not."""
    segment = answer(home, ("u1", "control", 0))
    update_exposures(home, "shop")
    segment.unlink()
    update_exposures(home, "shop")
    assert [row[0] for row in rows(home)] == ["u1"]


def test_what_stands_before_a_damage_is_kept_and_the_damage_told(home: Home) -> None:
    """A flipped bit ends its segment, not the analysis."""
    segment = answer(home, ("u1", "control", 0), ("u2", "control", 0))
    data = bytearray(segment.read_bytes())
    data[-3] ^= 1
    segment.write_bytes(data)
    told: list[Path] = []
    update_exposures(home, "shop", told.append)
    assert ([row[0] for row in rows(home)], told) == (["u1"], [segment])


def test_no_log_is_no_exposure(home: Home) -> None:
    """A view without rows, not an error."""
    assert (update_exposures(home, "shop"), rows(home)) == (0, [])
