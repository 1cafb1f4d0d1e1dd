"""Rows that change between two batches: only in the live layout, without counting as a batch."""

import threading

import numpy as np
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.online import reader_at, writer_at

VIEW, NAMES, OTHER = "v", ("a", "b"), ("b", "x", "a")


def row(entity, cutoff, *values):
    return entity, cutoff, np.array(values, dtype="<f4").tobytes()


@pytest.fixture(params=["sqlite", "redis"])
def address(request, tmp_path):
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    return str(tmp_path / "online.db")


@pytest.fixture
def writer(address):
    writer = writer_at(address)
    writer.write(VIEW, NAMES, [row("u1", 10, 1, 2), row("u2", 10, 3, 4)])
    return writer


@pytest.fixture
def reader(address, writer):
    return reader_at(address, VIEW, ("a",))


def test_an_update_replaces_and_adds_rows(writer, reader):
    """Of the users given, and of nobody else."""
    assert writer.update(VIEW, NAMES, [row("u1", 11, 5, 6), row("u3", 11, 7, 8)]) == 2
    assert reader.read(["u1", "u2", "u3"]).vectors.tolist() == [[5], [3], [7]]


def test_an_update_is_no_batch(writer, reader):
    """The population need not be looked at again, but may be: the reader can tell."""
    generation, updates = reader.generation(), reader.updates()
    writer.update(VIEW, NAMES, [row("u1", 11, 5, 6)])
    assert reader.generation() == generation
    assert reader.updates() != updates


def test_an_older_update_is_ignored_and_not_counted(writer, reader):
    """A batch may have been faster; the same instant again does replace."""
    assert writer.update(VIEW, NAMES, [row("u1", 9, 0, 0), row("u2", 10, 9, 9)]) == 1
    assert reader.read(["u1", "u2"]).vectors.tolist() == [[1], [9]]


def test_more_rows_than_fit_one_command(writer, reader):
    """703 of them, each its own."""
    users = [f"n{number}" for number in range(703)]
    assert writer.update(VIEW, NAMES, [row(u, 11, n, 0) for n, u in enumerate(users)]) == 703
    assert reader.read(users).vectors[:, 0].tolist() == list(range(703))


@pytest.mark.parametrize("names", [OTHER, ("b", "a"), ("a",), ()])
def test_another_layout_is_refused(writer, reader, names):
    """Its numbers would be read as other features; nothing is written."""
    with pytest.raises(OnlineStoreError, match="does not hold") as caught:
        writer.update(VIEW, names, [("u1", 99, bytes(4 * len(names)))])
    assert "tidemill features materialize" in caught.value.hint
    assert reader.read(["u1"]).cutoffs.tolist() == [10]


def test_an_empty_store_takes_no_update(address):
    """There is no layout before the first batch, nor after the view was deleted."""
    writer = writer_at(address)
    assert writer.layout(VIEW) == ()
    with pytest.raises(OnlineStoreError):
        writer.update(VIEW, NAMES, [row("u1", 1, 1, 2)])
    writer.write(VIEW, NAMES, [])
    writer.delete(VIEW)
    assert writer.layout(VIEW) == ()
    with pytest.raises(OnlineStoreError):
        writer.update(VIEW, NAMES, [row("u1", 1, 1, 2)])


def test_the_live_layout_is_told(writer):
    """In its order, as the last batch left it."""
    assert writer.layout(VIEW) == NAMES
    writer.write(VIEW, OTHER, [])
    assert writer.layout(VIEW) == OTHER


def test_removed_users_are_unknown(writer, reader):
    """Unless their row is newer than what is known to be gone."""
    writer.update(VIEW, NAMES, [row("u2", 20, 3, 4)])
    writer.remove(VIEW, [("u1", 10), ("u2", 19), ("nobody", 1)])
    assert reader.read(["u1", "u2"]).found.tolist() == [False, True]


def test_a_row_is_right_whatever_the_reader_saw_before(address, writer, reader):
    """Updated after the reader learnt the layout, and again after the layout changed."""
    assert reader.read(["u1"]).vectors.tolist() == [[1]]
    writer.update(VIEW, NAMES, [row("u1", 11, 5, 6)])
    assert reader.read(["u1"]).vectors.tolist() == [[5]]
    writer.write(VIEW, OTHER, [row("u1", 12, 7, 8, 9)])
    writer.update(VIEW, OTHER, [row("u1", 13, 10, 11, 12)])
    assert reader.read(["u1"]).vectors.tolist() == [[12]]


def test_updates_and_layouts_in_a_race_never_mix(address, writer, reader):
    """One process pushes while another changes the columns: every value read is right."""
    done = threading.Event()

    def keep_changing():
        own = writer_at(address)
        for batch in range(1, 15):
            own.write(VIEW, OTHER, [row("u1", 10 * batch, 2, 0, 1)])
            own.write(VIEW, NAMES, [row("u1", 10 * batch, 1, 2)])
        done.set()

    def keep_pushing():
        own, cutoff = writer_at(address), 0
        while not done.is_set():
            cutoff += 1
            for names, values in ((NAMES, (1, 2)), (OTHER, (2, 0, 1))):
                try:
                    own.update(VIEW, names, [row("u1", cutoff, *values)])
                except OnlineStoreError:
                    continue  # the other layout is live

    threads = [threading.Thread(target=each) for each in (keep_changing, keep_pushing)]
    for thread in threads:
        thread.start()
    seen = set()
    while not done.is_set():
        seen.add(float(reader.read(["u1"]).vectors[0, 0]))
    for thread in threads:
        thread.join()
    assert seen == {1.0}


def test_an_update_does_not_wait_for_a_batch_in_progress(redis_server):
    """A batch into Redis may take minutes; the two are of use to each other only if both go on."""
    writer = writer_at(redis_server.url)
    writer.write(VIEW, NAMES, [row("u1", 1, 1, 2)])

    def slow():
        yield row("u1", 2, 3, 4)
        writer_at(redis_server.url).update(VIEW, NAMES, [row("u1", 3, 5, 6)])

    writer.write(VIEW, NAMES, slow())
    assert reader_at(redis_server.url, VIEW, NAMES).read(["u1"]).vectors.tolist() == [[5, 6]]
