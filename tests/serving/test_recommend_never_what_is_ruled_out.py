"""A million random answers hold nothing that is excluded, filtered out or unavailable."""

import numpy as np
import recommender_kit as kit
from recommender_kit import recommend

from tidemill_serving.predictor import ThreadLogs

BATCH, BATCHES, K = 1_000, 1_000, 5
KINDS = ("even", "odd")
ENDED = ("i0", "i4", "i11", "i38")
"""No longer available; i39 is not in the catalogue at all."""
LEFT_OUT = np.array([int(item[1:]) for item in (*ENDED, "i39")])
NUMBER = {**{item: at for at, item in enumerate(kit.ITEMS)}, "": -1}


def held_back():
    """[users + 1, items]: what the stored exclusions rule out; the last row is a stranger's."""
    ruled_out = np.zeros((kit.USERS + 1, kit.COUNT), dtype=bool)
    for number in range(kit.USERS):
        ruled_out[number, (number + 1) % kit.COUNT] = True
    return ruled_out


def random_filter(rng):
    """(filters, mask of the items that meet them)."""
    numbers = np.arange(kit.COUNT)
    kind = int(rng.integers(3))
    filters, meets = {}, np.ones(kit.COUNT, dtype=bool)
    if kind < 2:
        filters["item.kind"] = (KINDS[kind],)
        meets &= numbers % 2 == kind
    if rng.random() < 0.5:
        brands = rng.choice(4, 2, replace=False)
        filters["item.brand"] = tuple(f"b{brand}" for brand in brands)
        meets &= np.isin(numbers % 4, brands) & ~np.isin(numbers, kit.BRANDLESS)
    meets[LEFT_OUT] = False
    return (filters, meets) if meets.any() else random_filter(rng)


class NoLog(ThreadLogs):
    """Keeps nothing: a million records would fill the disk of whoever runs this."""

    def append(self, frame):
        pass


def test_a_million_answers_keep_every_rule(tmp_path):
    """Users, filters and exclusions at random, places changed at random, no repeats."""
    home = kit.prepare_home(tmp_path / "home", randomise=0.3, repeats=False)
    kit.fill_catalogue(home, items=kit.ITEMS[:39], ends=dict.fromkeys(ENDED, kit.PAST))
    recommender = kit.open_recommender(home, NoLog(tmp_path))
    rng, stored, given = np.random.default_rng(8), held_back(), 0
    own = np.zeros_like(stored)
    for number in range(kit.USERS):
        own[number, [NUMBER[item] for item in kit.history_of(number).items]] = True
    for _ in range(BATCHES):
        who = rng.integers(kit.USERS + 1, size=BATCH)
        filters, meets = random_filter(rng)
        excluded = rng.choice(kit.COUNT, rng.integers(4), replace=False)
        answer = recommend(
            recommender,
            *(f"u{number}" for number in who),
            k=K,
            filters=filters,
            exclude=[kit.ITEMS[at] for at in excluded],
        )
        shown = np.fromiter(map(NUMBER.__getitem__, answer.items.flat), np.int64).reshape(BATCH, K)
        allowed = meets & ~stored[who] & ~own[who]
        allowed[:, excluded] = False
        rows, places = np.nonzero(shown >= 0)
        assert allowed[rows, shown[rows, places]].all()
        assert (answer.lengths == np.minimum(allowed.sum(axis=1), K)).all()
        given += BATCH
    assert given == 1_000_000
