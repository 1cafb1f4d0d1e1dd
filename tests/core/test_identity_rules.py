"""The rules of identity, one story each, on a real event log."""

from datetime import timedelta

import pyarrow as pa
import pytest

from tidemill.events.delta import Table
from tidemill.events.schema import EVENTS, MARKS

PLAN = """
apiVersion: tidemill.dev/v1alpha1
kind: TrackingPlan
spec: {identity: {usersPerDevice: 2, devicesPerUser: 2}, debounce: "off", bots: "off"}
"""


@pytest.fixture
def tell(log, cutoff):
    """`tell((id, day, user, anonymous, previous), ...)`: the days on which events are received."""

    def add(*rows):
        events = [
            {
                "event_id": event,
                "name": "$alias" if previous else "visit",
                "user_id": user,
                "anonymous_id": anonymous,
                "timestamp": cutoff + timedelta(days=day),
                "received_at": cutoff + timedelta(days=day),
                "properties": f'{{"previous_id":"{previous[0]}"}}' if previous else "{}",
            }
            for event, day, user, anonymous, *previous in rows
        ]
        log.append(pa.Table.from_pylist(events, schema=EVENTS))

    return add


@pytest.fixture
def owner(log, cutoff):
    """`owner("e1", day)`: whom an event belonged to, as known then; None for nobody."""

    def find(event, day):
        found = log.connect().execute(
            "SELECT user_id FROM user_events WHERE event_id = $event AND timestamp < $at "
            "AND received_at < $at AND coalesce(superseded_at >= $at, TRUE)",
            {"event": event, "at": cutoff + timedelta(days=day)},
        )
        users = [user for (user,) in found.fetchall()]
        assert len(users) < 2
        return users[0] if users else None

    return find


@pytest.fixture
def small_caps(log):
    """Two users a device, two devices a user."""
    log.root.mkdir(parents=True)
    (log.root / "plan.yaml").write_text(PLAN)


def test_a_login_joins_what_came_before_it_from_then_on(tell, owner):
    """Not a moment earlier: at the login itself nothing is known yet."""
    tell(("look", 1, None, "phone"), ("login", 3, "ann", "phone"), ("again", 5, None, "phone"))
    assert [owner("look", day) for day in (2, 3, 3.1, 9)] == [None, None, "ann", "ann"]
    assert owner("again", 6) == "ann"


def test_the_link_is_known_when_it_is_received_not_when_it_happened(tell, owner, log, cutoff):
    """A login that a phone kept to itself for four days."""
    tell(("look", 1, None, "phone"))
    late = {"event_id": "login", "name": "visit", "user_id": "ann", "anonymous_id": "phone"}
    late |= {"timestamp": cutoff, "received_at": cutoff + timedelta(days=4), "properties": "{}"}
    log.append(pa.Table.from_pylist([late], schema=EVENTS))
    assert [owner("look", day) for day in (3, 4, 4.1)] == [None, None, "ann"]


def test_the_first_user_keeps_the_device(tell, owner):
    """And what another does there under their own name is theirs."""
    tell(("a", 1, "ann", "tablet"), ("b", 2, "bob", "tablet"), ("c", 3, None, "tablet"))
    assert [owner(event, 9) for event in "abc"] == ["ann", "bob", "ann"]


def test_a_shared_device_joins_nobody_any_more(small_caps, tell, owner):
    """From the third user on; what was joined before stays."""
    tell(("early", 1, None, "kiosk"), ("a", 2, "ann", "kiosk"), ("b", 3, "bob", "kiosk"))
    tell(("c", 4, "cid", "kiosk"), ("late", 5, None, "kiosk"))
    assert [owner("early", day) for day in (3, 9)] == ["ann", "ann"]
    assert owner("late", 9) is None


def test_a_user_takes_so_many_devices_and_no_more(small_caps, tell, owner):
    """The third stays with nobody, until somebody else logs in there."""
    for number in range(3):
        tell((f"look{number}", number, None, f"d{number}"), (f"in{number}", 3, "ann", f"d{number}"))
    tell(("other", 6, "bob", "d2"))
    assert [owner(f"look{number}", 5) for number in range(3)] == ["ann", "ann", None]
    assert owner("look2", 7) == "bob"


def test_a_merged_user_keeps_the_past_and_loses_the_future(tell, owner):
    """The old id's events are the old user's until the merge is known, and then the new one's."""
    tell(("old", 1, "guest-7", None), ("merge", 3, "ann", None, "guest-7"))
    tell(("later", 5, "guest-7", None))
    assert [owner("old", day) for day in (2, 3, 3.1)] == ["guest-7", "guest-7", "ann"]
    assert owner("later", 6) == "ann"


def test_an_alias_may_name_an_anonymous_id(tell, owner):
    """SDKs with a single id cannot tell which it is."""
    tell(("look", 1, None, "phone"), ("merge", 3, "ann", None, "phone"))
    assert [owner("look", day) for day in (2, 4)] == [None, "ann"]


def test_chains_are_followed_as_far_as_they_are_known(tell, owner):
    """Phone to lead, lead to ann; a chain told backwards is whole when its last link is known."""
    tell(("look", 1, None, "phone"), ("merge", 2, "ann", None, "lead-7"))
    tell(("login", 4, "lead-7", "phone"), ("again", 6, "beth", None, "ann"))
    assert [owner("look", day) for day in (3, 5, 7)] == [None, "ann", "beth"]


def test_a_cycle_is_refused(tell, owner):
    """Ann is beth; that beth is ann, by way of cid, is then no news."""
    tell(("act", 0, "ann", None), ("ab", 1, "beth", None, "ann"), ("bc", 2, "cid", None, "beth"))
    tell(("ca", 3, "ann", None, "cid"), ("act2", 4, "cid", None))
    assert [owner("act", day) for day in (1, 1.5, 2.5, 9)] == ["ann", "beth", "cid", "cid"]
    assert owner("act2", 9) == "cid"


def test_a_chain_is_followed_for_eight_merges(tell, owner, log):
    """Each session merged into the next, again and again: no event is everybody's."""
    tell(("e", 0, "s0", None))
    tell(*((f"m{n}", n + 1, f"s{n + 1}", None, f"s{n}") for n in range(40)))
    assert [owner("e", day) for day in (4.5, 8.5, 9.5, 50)] == ["s4", "s8", "s8", "s8"]
    assert len(log.connect().execute("FROM user_events").fetchall()) < 41 * 9


@pytest.mark.parametrize("junk", ["null", "Undefined", " 0000-0000 ", "anonymous"])
def test_junk_links_nobody(tell, owner, junk):
    """Or all who were nobody would become one person."""
    tell(("look", 1, None, "phone"), ("a", 2, "ann", None, junk), ("b", 3, "bob", None, junk))
    tell(("c", 4, junk, "phone"), ("d", 5, "dan", "phone"))
    assert [owner("look", day) for day in (4.5, 6)] == [None, "dan"]


def test_marked_events_are_nobodys(tell, log):
    """Unless the plan says that such marks do not matter."""
    tell(("a", 1, "ann", "phone"), ("b", 2, "ann", "phone"), ("c", 1, None, "phone"))
    marks = [{"event_id": "b", "reason": "repeat"}, {"event_id": "c", "reason": "bot"}]
    table = pa.Table.from_pylist(marks, schema=MARKS)
    Table(log.root / "marks", MARKS).write(table.to_batches(), "append")
    counts = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM user_events)"
    assert log.connect().execute(counts).fetchall() == [(3, 1)]
    (log.root / "plan.yaml").write_text(PLAN)
    assert log.connect().execute(counts).fetchall() == [(3, 3)]


def test_user_events_have_the_columns_of_events(tell, log):
    """And one more, in the trivial view as in the whole one."""
    tell(("a", 1, "ann", None))
    plain = log.connect().execute("FROM user_events").to_arrow_table()
    tell(("b", 1, None, "phone"), ("c", 1, "ann", "phone"), ("d", 2, "bea", None, "ann"))
    whole = log.connect().execute("FROM user_events").to_arrow_table()
    assert plain.schema == whole.schema
    assert plain.column_names == [*EVENTS.names, "superseded_at"]


def test_the_example_of_the_page_is_true(tell, owner):
    """docs/identity.md, by the day of May on which each event is received."""
    tell(("e1", 1, None, "phone"), ("e2", 2, "guest-7", "phone"))
    tell(("e5", 5, "ann", None, "guest-7"), ("e7", 7, "bob", "phone"))
    days = (2, 3, 6, 8)
    assert [owner("e1", day) for day in days] == [None, "guest-7", "ann", "ann"]
    assert [owner("e2", day) for day in days] == [None, "guest-7", "ann", "ann"]
    assert [owner("e7", day) for day in days] == [None, None, None, "bob"]
