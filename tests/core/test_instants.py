"""How an instant is written on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from tidemill.cli.options import parse_instant
from tidemill.errors import TidemillError


@pytest.mark.parametrize(
    "text", ["2017-11-05", "2017-11-05T00:00:00+00:00", "2017-11-05T01:00:00+01:00"]
)
def test_an_instant_is_utc_unless_it_says_otherwise(text: str) -> None:
    """One instant, however it is written."""
    assert parse_instant(text) == datetime(2017, 11, 5, tzinfo=UTC)


def test_now_is_the_clocks() -> None:
    """For a monitor that runs by the clock: a log that nobody fills any more has an end."""
    assert abs(datetime.now(UTC) - parse_instant("now")) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["yesterday", "05.11.2017", "NOW", "2017-13-01"])
def test_anything_else_is_refused_with_the_right_spelling(text: str) -> None:
    """The message shows what was given."""
    with pytest.raises(TidemillError, match=f"'{text}' is not an ISO 8601 instant") as caught:
        parse_instant(text)
    assert "2017-11-05" in (caught.value.hint or "")
