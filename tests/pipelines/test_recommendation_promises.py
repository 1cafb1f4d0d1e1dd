"""Probabilities are judged by everybody who is shown a list, not by those who did something."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tidemill.recommendation.histories import Histories, ItemTable, Outcomes, Window
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.recommending.graph import export_recommender
from tidemill_pipelines.recommending.judged import judged_part, random_part
from tidemill_pipelines.recommending.promises import promise_of
from tidemill_pipelines.recommending.running import Ranker

ITEMS, USERS = tuple("abcde"), 2_000
CHANCE = 0.1


class Even(torch.nn.Module):
    """Says the same of everything."""

    def __init__(self, chance):
        super().__init__()
        self.odds = float(np.log(chance / (1 - chance)))

    def forward(self, history, facts, activity, context):
        nothing = 0 * (facts.sum((1, 2)) + activity[:, 0] + context + history.sum(1))
        return self.odds + nothing[:, None] * torch.ones(len(ITEMS))


@pytest.fixture(scope="module")
def window():
    """Each user does something with each item by the same chance, independently."""
    happened = np.random.default_rng(0).random((USERS, len(ITEMS))) < CHANCE
    users, items = np.nonzero(happened)
    offsets = np.concatenate([[0], np.cumsum(happened.sum(axis=1))])
    histories = Histories(
        cutoff=datetime(2024, 6, 1, tzinfo=UTC),
        users=np.array([f"u{n:04}" for n in range(USERS)]),
        offsets=np.zeros(USERS + 1, np.int64),
        items=np.empty(0, np.int32),
        facts=np.empty((0, 7), np.float32),
        activity=np.ones((USERS, 5), np.float32),
        contexts=np.full(USERS, -1, np.int32),
    )
    return Window(histories, Outcomes(offsets, items.astype(np.int32), np.ones(len(users), "f4")))


@pytest.fixture
def judge(tmp_path):
    """`judge(chance, window, values)`: the promise of a model that says this chance of each."""
    table = ItemTable(ITEMS, {}, np.array([1, 2, 4, 8, 0], np.float32), ())

    def promise(chance, window, values=None):
        path = tmp_path / f"{chance}.onnx"
        export_recommender(
            Even(chance), items=5, values=values, repeats=True, is_factored=False, path=path
        )
        choice = SimpleNamespace(at_most={}, count=3, within=timedelta(days=7))
        task = SimpleNamespace(window=window, table=table, choice=choice, values=values)
        return promise_of(Ranker(open_session(path), table, ITEMS, ()), task, 0)

    return promise


def test_what_comes_true_is_one(judge, window):
    """Two thousand users, three places each."""
    promise, error = judge(CHANCE, random_part(window, 0))
    assert promise.kept == pytest.approx(1, abs=0.1)
    assert promise.lower < promise.kept < promise.upper
    assert not promise.is_broken
    assert error < 0.02


@pytest.mark.parametrize("factor", [0.25, 4])
def test_what_is_off_by_a_factor_is_broken(judge, window, factor):
    """In either direction."""
    promise, _ = judge(CHANCE * factor, random_part(window, 0))
    assert promise.kept == pytest.approx(1 / factor, rel=0.1)
    assert promise.is_broken


def test_users_who_did_something_tell_too_well_of_it(judge, window):
    """Why they are not asked: an honest model would seem to promise too little."""
    promise, _ = judge(CHANCE, judged_part(window, 0))
    assert promise.kept > 2


def test_worth_is_taken_out_of_scores(judge, window):
    """Probability times value is shown; of an item that is worth nothing no probability is."""
    values = np.array([1, 2, 4, 8, 0], np.float32)
    promise, _ = judge(CHANCE, random_part(window, 0), values)
    assert promise.kept == pytest.approx(1, abs=0.1)


def test_a_handful_proves_nothing(judge, window):
    """Five users of whom none did anything, where one item and a half was predicted."""
    nobody = Outcomes(np.zeros(USERS + 1, np.int64), np.empty(0, np.int32), np.empty(0, "f4"))
    promise, _ = judge(CHANCE, random_part(Window(window.histories, nobody), 0, most=5))
    assert promise.kept == 0
    assert not promise.is_broken


def test_a_random_part_is_of_everybody(window):
    """As many as asked for, with and without outcomes, in the order of the window."""
    part = random_part(window, 0, most=500)
    assert len(part.histories) == 500
    assert list(part.histories.users) == sorted(part.histories.users)
    assert 0 < (np.diff(part.outcomes.offsets) == 0).sum() < 500
