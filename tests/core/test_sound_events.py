"""The quick look at a connector's events and the full rules never disagree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.events.ids import NOBODY_IDS, is_junk_id
from tidemill.events.mapped import MappedEvent
from tidemill.events.mapped_batches import mapped_batch
from tidemill.events.sound import is_sound
from tidemill.events.validate import CLOCK_SKEW, FARTHEST_FUTURE, judge, validate

NOW = datetime(2020, 1, 1, tzinfo=UTC)
US = 1_000_000
AT = int(NOW.timestamp()) * US
GOOD = MappedEvent("e1", "order", "u1", None, None, AT, AT, None, "{}")
IDS = st.none() | st.sampled_from(
    ["", " ", "u1", " u1", "0", "00-0", "0a", "NULL", "anonymous", "ü" * 300, "u" * 512, "u" * 513]
)
TIMES = st.sampled_from([0, 31_536_000 * US, AT, AT + 3600 * US, AT + 3601 * US, AT * 2])
EVENTS = st.builds(
    MappedEvent,
    event_id=IDS,
    name=IDS,
    user_id=IDS,
    anonymous_id=IDS,
    item_id=IDS,
    timestamp=st.none() | TIMES,
    received_at=TIMES,
    value=st.none() | st.floats(),
    properties=st.sampled_from(["{}", '{"a":1}', '{"a":"' + "x" * 32_768 + '"}']),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=8))
def test_the_answer_is_that_of_the_full_rules(events: list[MappedEvent]) -> None:
    """The same events in the same order, and the same dead letters."""
    batch = mapped_batch([GOOD, *events, GOOD], lines=range(len(events) + 2)).unchecked
    quick, full = validate(batch, "a", NOW, canonical=True), judge(batch, "a", NOW)
    assert quick.valid.equals(full.valid)
    assert quick.dead.equals(full.dead)


@pytest.mark.parametrize("text", [*sorted(NOBODY_IDS), "NULL", "0", "0-0", "-", "0000", "--"])
def test_an_id_that_names_nobody_names_nobody_everywhere(text: str) -> None:
    """Python's rule, the quick look's and the query's are one."""
    batch = mapped_batch([GOOD._replace(user_id=text)]).unchecked
    assert is_junk_id(text)
    assert not is_sound(batch, NOW + CLOCK_SKEW, NOW + FARTHEST_FUTURE)[0].as_py()
    assert judge(batch, "a", NOW).dead.column("reason").to_pylist() == [
        "no user_id or anonymous_id"
    ]


@pytest.mark.parametrize("text", ["0a", "a0", "nullable", "user-0", "00000000-0000-1", "é"])
def test_an_id_that_only_looks_like_one_is_kept(text: str) -> None:
    """Somebody is called that."""
    batch = mapped_batch([GOOD._replace(user_id=text)]).unchecked
    assert is_sound(batch, NOW + timedelta(hours=1), NOW + timedelta(days=366))[0].as_py()
    assert judge(batch, "a", NOW).valid.column("user_id").to_pylist() == [text]


def test_ordinary_events_never_reach_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the quick look would be for nothing."""
    monkeypatch.setattr("tidemill.events.validate.duckdb", None)
    batch = mapped_batch([GOOD, GOOD._replace(value=1.5, anonymous_id="a1", item_id="i")])
    assert validate(batch.unchecked, "a", NOW, canonical=True).valid.num_rows == 2


def test_the_order_of_equal_ids_survives_doubt() -> None:
    """The first of them wins, though it is the one that has to be looked at twice."""
    doubtful = GOOD._replace(name=" first ")
    batch = mapped_batch([doubtful, GOOD, GOOD]).unchecked
    names: pa.ChunkedArray = validate(batch, "a", NOW, canonical=True).valid.column("name")
    assert names.to_pylist() == ["first", "order", "order"]
