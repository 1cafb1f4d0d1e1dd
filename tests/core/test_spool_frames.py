"""A frame gives back what was put into it, or says that it cannot."""

from __future__ import annotations

import math

import pytest
from deliveries import DELIVERIES, delivery, event
from hypothesis import given
from hypothesis import strategies as st

from tidemill.collector.delivery import Delivery
from tidemill.collector.frames import Contents, decode, encode
from tidemill.events.mapped import MappedEvent, Refusal

FRAMES = [encode(delivery(name)) for name in "abc"]


def ids(contents: Contents) -> list[str | None]:
    return [found.events[0].event_id for found in contents.deliveries]


@given(st.lists(DELIVERIES, max_size=3))
def test_deliveries_come_back_as_they_were(deliveries: list[Delivery]) -> None:
    """Any text, any time, missing fields, infinite values, nothing at all."""
    assert decode(b"".join(map(encode, deliveries))) == Contents(deliveries, 0, 0)


def test_what_comes_back_has_the_types_that_were_put() -> None:
    """Events and refusals are read by name."""
    sent = delivery("a", refused=[Refusal("why", "what")])
    (found,) = decode(encode(sent)).deliveries
    assert (type(found.events[0]), type(found.refused[0])) == (MappedEvent, Refusal)
    assert (found.events[0].properties, found.refused[0].reason) == ('{"a":1}', "why")


def test_a_value_that_is_no_number_is_kept_for_the_rules_to_refuse() -> None:
    """JSON would make it a missing value, and the event a valid one."""
    (found,) = decode(encode(delivery(events=[event(value=math.nan)]))).deliveries
    assert found.events[0].value is not None
    assert math.isnan(found.events[0].value)


@pytest.mark.parametrize("cut", [1, 11, 12, 40, len(FRAMES[2]) - 1])
def test_a_torn_tail_loses_only_itself(cut: int) -> None:
    """The write was never finished, so the delivery was never acknowledged."""
    data = b"".join(FRAMES)[:-cut]
    contents = decode(data)
    assert ids(contents) == ["a", "b"]
    assert (contents.torn, contents.corrupt) == (len(FRAMES[2]) - cut, 0)


@pytest.mark.parametrize("where", [0, 3, 4, 6, 7, 8, 12, 50])
def test_a_changed_byte_loses_only_its_frame(where: int) -> None:
    """Wherever it is, also in the length; the frames behind it are found again."""
    damaged = bytearray(FRAMES[1])
    damaged[where] ^= 0x81
    contents = decode(FRAMES[0] + bytes(damaged) + FRAMES[2])
    assert ids(contents) == ["a", "c"]
    assert (contents.torn, contents.corrupt) == (0, len(FRAMES[1]))


@pytest.mark.parametrize("noise", [bytes(4096), b"x", b"TMS1" + bytes(60)], ids=len)
def test_noise_at_the_end_is_corrupt(noise: bytes) -> None:
    """It is no beginning of a frame: something changed the file."""
    assert decode(FRAMES[0] + noise) == Contents([delivery("a")], 0, len(noise))


def test_a_changed_last_frame_is_corrupt_and_not_torn() -> None:
    """It was written to its end, so it may have been acknowledged."""
    damaged = FRAMES[1][:-1] + b"?"
    assert decode(FRAMES[0] + damaged) == Contents([delivery("a")], 0, len(damaged))


def test_a_client_cannot_plant_a_frame() -> None:
    """A whole frame in a text is not found when the frame around it is damaged."""
    planted = delivery(events=[event("a", properties=FRAMES[1].decode("latin-1"))])
    damaged = bytearray(encode(planted))
    damaged[20] ^= 1
    assert decode(bytes(damaged) + FRAMES[2]).deliveries == [delivery("c")]
