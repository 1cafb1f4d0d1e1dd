"""A text can be read in parts, and every line is in exactly one of them."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.events.unchecked import UnreadableFileError
from tidemill.importing import lines as lines_module
from tidemill.importing.files import EventFile, find_files
from tidemill.importing.lines import LONGEST_LINE, open_lines
from tidemill.importing.parts import Part

TEXTS = st.text(alphabet="ab\n\r", max_size=60).map(str.encode)


@pytest.fixture
def keep(tmp_path: Path) -> Callable[..., EventFile]:
    """Writes a file of lines."""

    def write(content: bytes, name: str = "a.jsonl") -> EventFile:
        (tmp_path / name).write_bytes(content)
        return find_files([tmp_path / name])[0]

    return write


def read(part: Part) -> list[bytes]:
    with open_lines(part) as lines:
        return [line.data for line in lines]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=TEXTS, size=st.integers(1, 20), block=st.integers(1, 9))
def test_parts_hold_every_line_once(
    keep: Callable[..., EventFile],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    size: int,
    block: int,
) -> None:
    """However the text is cut, and however little is read at once."""
    monkeypatch.setattr(lines_module, "_BLOCK", block)
    file = keep(content)
    starts = range(0, len(content) + 1, size)
    parts = [Part(file, start, start + size) for start in starts[:-1]] + [Part(file, starts[-1])]
    expected = [line.removesuffix(b"\n") for line in io.BytesIO(content)]
    assert [line for part in parts for line in read(part)] == expected


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=TEXTS, block=st.integers(1, 9), zipped=st.booleans())
def test_reading_goes_on_where_a_line_ended(
    keep: Callable[..., EventFile],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    block: int,
    zipped: bool,
) -> None:
    """Plain or gzipped: the end of each line is where a part may start."""
    monkeypatch.setattr(lines_module, "_BLOCK", block)
    file = keep(gzip.compress(content), "a.jsonl.gz") if zipped else keep(content)
    with open_lines(Part(file)) as lines:
        found = list(lines)
    for at, line in enumerate(found):
        assert read(Part(file, line.end)) == [after.data for after in found[at + 1 :]]


def test_a_line_over_the_limit_is_cut_and_the_next_one_is_found(
    keep: Callable[..., EventFile],
) -> None:
    """Its number and its end are right, so a part may start behind it."""
    file = keep(b"a\n" + b"x" * (5 * LONGEST_LINE) + b"\nb\n")
    with open_lines(Part(file)) as lines:
        first, long, last = lines
    assert (len(long.data), long.is_whole, long.number) == (LONGEST_LINE, False, 2)
    assert (first.data, last.data, last.number) == (b"a", b"b", 3)
    assert read(Part(file, long.end)) == [b"b"]


def test_gzipped_pieces_in_a_row_are_one_text(keep: Callable[..., EventFile]) -> None:
    """Logs that rotate are glued together like this; zeros may pad the end."""
    pieces = gzip.compress(b"a\nb") + gzip.compress(b"c\n") + b"\0" * 100
    assert read(Part(keep(pieces, "a.gz"))) == [b"a", b"bc"]


@pytest.mark.parametrize("content", [b"", gzip.compress(b"a\n" * 99)[:-9]])
def test_a_gzipped_text_that_breaks_off_is_told(
    keep: Callable[..., EventFile], content: bytes
) -> None:
    """An empty file is no gzipped text either."""
    with open_lines(Part(keep(content, "a.gz"))) as lines:
        list(lines)
        with pytest.raises(UnreadableFileError, match="breaks off: the gzipped text"):
            lines.require_end()
