"""The packed online store: whole batches, newest rows, the model's own columns."""

import sqlite3
import threading

import numpy as np
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.online import reader_at, writer_at

VIEW, NAMES = "v", ("a", "b", "c")


def row(entity, cutoff, *values):
    return entity, cutoff, np.array(values, dtype="<f4").tobytes()


@pytest.fixture(params=["sqlite", "redis"])
def path(request, tmp_path):
    """A store of either kind with two users."""
    path = str(tmp_path / "online.db")
    if request.param == "redis":
        path = request.getfixturevalue("redis_server").url
    write(path, [row("u1", 10, 1, 2, 3), row("u2", 10, 4, np.nan, 6)])
    return path


def write(path, rows, names=NAMES):
    writer = writer_at(path)
    written = writer.write(VIEW, names, rows)
    writer.close()
    return written


def read(path, *entities, names=NAMES):
    return reader_at(path, VIEW, names).read(entities)


@pytest.fixture
def file(tmp_path):
    """A store with two users in a file."""
    path = str(tmp_path / "file.db")
    write(path, [row("u1", 10, 1, 2, 3), row("u2", 10, 4, np.nan, 6)])
    return path


def test_rows_come_in_the_order_asked_for(path):
    """The same user twice is two rows."""
    found = read(path, "u2", "u1", "u2")
    np.testing.assert_array_equal(found.vectors, [[4, np.nan, 6], [1, 2, 3], [4, np.nan, 6]])
    assert found.cutoffs.tolist() == [10, 10, 10]


def test_an_unknown_user_is_flagged(path):
    """Never an error: the answer comes from the prior."""
    found = read(path, "nobody", "u1")
    assert found.found.tolist() == [False, True]
    assert np.isnan(found.vectors[0]).all()
    assert found.cutoffs[0] == 0


def test_a_model_gets_its_own_columns(path):
    """A subset, in the model's order."""
    assert read(path, "u1", names=("c", "a")).vectors.tolist() == [[3, 1]]


def test_a_missing_feature_is_named(path):
    """Rather than another column served in its place."""
    with pytest.raises(OnlineStoreError, match="lacks 1 of the 2 features.*first 'z'"):
        read(path, "u1", names=("a", "z"))


def test_a_missing_store_says_how_to_fill_it(tmp_path):
    """And is not created by looking."""
    with pytest.raises(OnlineStoreError, match="no online store") as caught:
        reader_at(str(tmp_path / "none.db"), VIEW, NAMES)
    assert "tidemill features materialize" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_older_row_never_replaces_a_newer_one(path):
    """Whatever the order of arrival; the same instant again does."""
    write(path, [row("u1", 9, 0, 0, 0), row("u2", 10, 7, 7, 7)])
    assert read(path, "u1", "u2").vectors.tolist() == [[1, 2, 3], [7, 7, 7]]


def test_a_batch_is_written_whole_or_not_at_all(file):
    """A source that breaks half-way leaves the store as it was."""

    def breaking():
        yield row("u1", 99, 0, 0, 0)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(file, breaking())
    assert read(file, "u1").vectors.tolist() == [[1, 2, 3]]


def test_another_layout_drops_the_rows_of_the_old_one(path):
    """Their numbers would be read as other features."""
    write(path, [row("u3", 11, 1, 2)], names=("b", "a"))
    found = read(path, "u1", "u3", names=("a", "b"))
    assert found.found.tolist() == [False, True]
    assert found.vectors[1].tolist() == [2, 1]


def test_an_open_reader_follows_the_layout(path):
    """A store may grow while it is served."""
    reader = reader_at(path, VIEW, ("b",))
    write(path, [row("u1", 11, 0, 5)], names=("a", "b"))
    assert reader.read(["u1"]).vectors.tolist() == [[5]]


def test_more_users_than_fit_one_query(path):
    """1,203 of them, in order."""
    users = [f"n{number}" for number in range(1203)]
    assert write(path, [row(user, 1, n, 0, 0) for n, user in enumerate(users)]) == 1203
    assert read(path, *users).vectors[:, 0].tolist() == list(range(1203))


def test_generation_grows_with_every_batch(path):
    """What follows the store needs only this number."""
    reader = reader_at(path, VIEW, NAMES)
    before = reader.generation()
    write(path, [])
    assert reader.generation() == before + 1


def test_a_sample_of_a_file_is_spread_over_all_rows(file):
    """Of 100 users, every tenth."""
    write(file, [row(f"n{n:03}", 10, n, 0, 0) for n in range(98)])
    sample = reader_at(file, VIEW, NAMES).sample(10)
    assert len(sample.vectors) == 10
    assert np.diff(sample.vectors[:-1, 0]).tolist() == [10] * 8


def test_a_deleted_view_is_gone(path):
    """And other views stay."""
    writer = writer_at(path)
    writer.write("other", NAMES, [row("u1", 1, 1, 1, 1)])
    writer.delete(VIEW)
    assert reader_at(path, "other", NAMES).read(["u1"]).found.all()
    with pytest.raises(OnlineStoreError):
        read(path, "u1")


def test_readers_of_a_file_never_see_half_a_batch(file):
    """While a writer replaces all rows again and again, every read is of one batch."""
    users = [f"n{number}" for number in range(600)]
    write(file, [row(user, 0, 0, 0, 0) for user in users])
    done = threading.Event()

    def keep_writing():
        for batch in range(1, 15):
            write(file, [row(user, batch, batch, 0, 0) for user in users])
        done.set()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    reader, mixed = reader_at(file, VIEW, NAMES), 0
    while not done.is_set():
        mixed += len(set(reader.read(users).vectors[:, 0])) > 1
    writer.join()
    assert mixed == 0


def test_every_user_is_listed_once(path):
    """In the order of their ids' bytes, whatever other views hold."""
    writer_at(path).write("other", NAMES, [row("u0", 1, 1, 1, 1)])
    write(path, [row("ü*?[1]\\", 10, 0, 0, 0), row("u10", 10, 0, 0, 0)])
    assert reader_at(path, VIEW, NAMES).entities() == ["u1", "u10", "u2", "ü*?[1]\\"]


def test_a_view_may_have_any_name(path):
    """A pattern of the server is a name like any other."""
    writer_at(path).write("[v]*", NAMES, [row("u9", 1, 1, 1, 1)])
    assert reader_at(path, "[v]*", NAMES).entities() == ["u9"]


def test_ids_are_bound_not_pasted(file):
    """An id can hold anything."""
    assert not read(file, "u1' OR '1'='1", "").found.any()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT COUNT(*) FROM rows").fetchone() == (2,)
