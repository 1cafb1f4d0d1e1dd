"""The catalog: which features exist, under which names, and that none is ever lost."""

import re

import pytest

from tidemill.home import Home
from tidemill_features.catalog import Catalog, Signal, load_catalog, save_catalog


def test_a_plain_name_is_its_own_slug():
    """So that people recognise it; what follows a narrowed one's words is a checksum."""
    assert Signal("order_completed").name == "order_completed"
    narrowed = Signal("purchased", {"item.department": "grocery"}).name
    assert re.fullmatch(r"purchased__item_department_grocery_[0-9a-f]{4}", narrowed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Signal("Order"), Signal("order")),
        (Signal("order placed"), Signal("order_placed")),
        (Signal("order-placed"), Signal("order placed")),
        (Signal("é"), Signal("ü")),
        (Signal("x" * 100 + "a"), Signal("x" * 100 + "b")),
        (Signal("order", {"property.a": "b c"}), Signal("order", {"property.a": "b_c"})),
        (Signal("order", {"property.a": "b"}), Signal("order", {"property.a_b": ""})),
        (Signal("any"), Signal(None)),
        (Signal("any", {"property.a": "b"}), Signal(None, {"property.a": "b"})),
        (Signal(""), Signal(None)),
        (Signal("order__item_a_b"), Signal("order", {"item.a": "b"})),
    ],
)
def test_different_signals_have_different_names(one, other):
    """A slug that lost something carries a checksum of what it stands for."""
    assert one.name != other.name


@pytest.mark.parametrize("text", ["", "'\"; --", "日本語", "a b", "0", "A" * 300])
def test_feature_names_are_safe_columns(text):
    """Lower-case letters, digits and underscores, whatever the event was called."""
    names = Catalog((Signal(text), Signal("order", {f"property.{text}": text}))).names
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert max(map(len, names)) < 300


def test_feature_names_are_unique(shop_catalog):
    """A vector's layout is its names."""
    assert len(set(shop_catalog.names)) == len(shop_catalog.names)


def test_a_catalog_only_grows():
    """New signals go to the end, known ones stay where they were: a served model reads them."""
    before = Catalog((Signal(None), Signal("visit")))
    after = before.grown_by([Signal("order"), Signal("visit"), Signal("order")])
    assert after.signals == (*before.signals, Signal("order"))
    assert after.names[: len(before.names)] == before.names


def test_the_hash_names_the_layout():
    """Other columns, other hash; the same columns, the same."""
    one = Catalog((Signal(None), Signal("visit")))
    assert one.hash == Catalog().grown_by([Signal("visit")]).hash
    assert one.hash != Catalog().hash


def test_a_saved_catalog_comes_back_the_same(tmp_path, shop_catalog):
    """Quotes, umlauts and all."""
    home = Home(tmp_path)
    save_catalog(home, shop_catalog)
    assert load_catalog(home) == shop_catalog
    assert [path.name for path in home.features.iterdir()] == ["catalog.json"]


def test_a_new_home_counts_any_event(tmp_path):
    """Before anything was discovered."""
    assert load_catalog(Home(tmp_path)).signals == (Signal(None),)


def test_every_feature_says_what_it_is(shop_catalog):
    """In words, with the signal in it."""
    for feature in shop_catalog.features:
        assert feature.description.startswith(feature.signal.label)


@pytest.fixture
def shop_catalog():
    hostile = Signal('Größe "XL"', {"property.o'clock": "50%"})
    return Catalog((Signal(None), Signal("order"), Signal("order", {"item.a": "b"}), hostile))
