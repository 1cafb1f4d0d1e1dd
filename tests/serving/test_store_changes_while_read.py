"""A reader notices at once when the meaning of the stored vectors changes."""

import numpy as np
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.online import reader_at, writer_at


@pytest.fixture(params=["sqlite", "redis"])
def address(request, tmp_path):
    if request.param == "redis":
        return request.getfixturevalue("redis_server").url
    return str(tmp_path / "online.db")


@pytest.fixture
def writer(address):
    writer = writer_at(address)
    writer.write("view", ["a", "b"], [("u", 1, np.float32([1, 2]).tobytes())])
    return writer


@pytest.fixture
def reader(address, writer):
    return reader_at(address, "view", ["b"])


def test_a_new_column_order_is_followed(writer, reader):
    """The bundle's features are found by name, whatever their new place."""
    assert reader.read(["u"]).vectors.tolist() == [[2.0]]
    writer.write("view", ["b", "x", "a"], [("u", 2, np.float32([7, 8, 9]).tobytes())])
    assert reader.read(["u"]).vectors.tolist() == [[7.0]]


def test_a_view_made_anew_is_not_taken_for_the_old_one(writer, reader):
    """Deleting a view does not restart the count by which readers notice changes."""
    assert reader.read(["u"]).vectors.tolist() == [[2.0]]
    writer.delete("view")
    writer.write("view", ["b", "a"], [("u", 2, np.float32([7, 8]).tobytes())])
    assert reader.read(["u"]).vectors.tolist() == [[7.0]]


def test_a_feature_that_is_gone_is_an_error(writer, reader):
    """Never a wrong vector, however often it is asked for."""
    assert reader.read(["u"]).vectors.tolist() == [[2.0]]
    writer.write("view", ["a", "x"], [("u", 2, np.float32([7, 8]).tobytes())])
    for _ in range(2):
        with pytest.raises(OnlineStoreError, match="'b'"):
            reader.read(["u"])


def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(tmp_path):
    """SQLite has ended the transaction by itself then."""
    address = str(tmp_path / "online.db")
    writer = writer_at(address)
    row = np.float32([1.0]).tobytes()
    writer.write("view", ["a"], [("u", 1, row)])
    writer._connection.execute("PRAGMA max_page_count = 8")
    with pytest.raises(OnlineStoreError, match="full"):
        writer.write("view", ["a"], ((f"u{n}", 1, row * 1000) for n in range(1000)))
    assert reader_at(address, "view", ["a"]).entities() == ["u"]
