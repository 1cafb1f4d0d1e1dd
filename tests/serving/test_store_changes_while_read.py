"""A reader notices at once when the meaning of the stored vectors changes."""

import numpy as np
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.online import OnlineReader, OnlineWriter


@pytest.fixture
def writer(tmp_path):
    writer = OnlineWriter(tmp_path / "online.db")
    writer.write("view", ["a", "b"], [("u", 1, np.float32([1, 2]).tobytes())])
    return writer


@pytest.fixture
def reader(tmp_path, writer):
    return OnlineReader(tmp_path / "online.db", "view", ["b"])


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
    """Never a wrong vector."""
    writer.write("view", ["a"], [("u", 2, np.float32([7]).tobytes())])
    with pytest.raises(OnlineStoreError, match="'b'"):
        reader.read(["u"])
