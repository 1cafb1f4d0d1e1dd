"""What is learned beside purchase processes, and how far it may lead away from them."""

import numpy as np
import pytest
import torch

from tidemill_pipelines.valuing.correction import Outcomes, Signals, fit_head
from tidemill_pipelines.valuing.value_model import mixed, usable_columns

RNG = np.random.default_rng(0)
ROWS = 3000
INPUT = torch.from_numpy(RNG.standard_normal((ROWS, 1)))
BASE = torch.from_numpy(RNG.normal(0.0, 0.5, ROWS))
SIGNALS = Signals(INPUT, BASE, torch.full((ROWS,), float(np.log(20.0)), dtype=torch.float64))


def outcomes(effect, level=1.0):
    """Purchases at `level` times what the processes expect, more for high inputs; worth 20."""
    mean = level * np.exp(BASE.numpy() + effect * INPUT.numpy()[:, 0])
    bought = RNG.poisson(mean)
    counts = torch.from_numpy(bought.astype(float))
    return Outcomes(counts, 20.0 * counts, torch.ones_like(counts))


@pytest.mark.parametrize("is_offset", [True, False])
def test_totals_agree_with_the_training_windows(is_offset):
    """Processes that expect half as much as happens are brought up to it."""
    found = outcomes(0.3, level=2.0)
    head = fit_head(SIGNALS, found, is_offset=is_offset, penalty=0.1)
    values, purchases = mixed([head], SIGNALS)
    assert float(purchases.sum()) == pytest.approx(float(found.purchases.sum()), rel=1e-3)
    assert float(values.sum()) == pytest.approx(float(found.values.sum()), rel=1e-3)


def test_what_the_processes_do_not_know_is_learned():
    """The effect of the input is found, but for the penalty."""
    head = fit_head(SIGNALS, outcomes(0.5), is_offset=True, penalty=1e-4)
    assert float(head.purchases_weight) == pytest.approx(0.5, abs=0.05)
    assert float(head.worth_weight) == pytest.approx(0, abs=0.02)


def test_a_strong_penalty_leaves_the_processes_as_they_are():
    """But for the total."""
    head = fit_head(SIGNALS, outcomes(0.5), is_offset=True, penalty=1e6)
    assert float(head.purchases_weight) == pytest.approx(0, abs=1e-3)


def test_a_correction_is_bounded():
    """An input far outside cannot multiply what is expected by a thousand."""
    head = fit_head(SIGNALS, outcomes(0.9), is_offset=True, penalty=1e-4)
    far = Signals(
        torch.full((1, 1), 50.0).double(), torch.zeros(1).double(), torch.zeros(1).double()
    )
    assert float(head(far)[0]) <= 3.0


def test_nothing_that_only_grows_is_read():
    """Nor windows longer than the history, values of properties, or the purchases once more."""
    names = ("any__count_28d", "any__count_112d", "any__count_ever", "any__overdue")
    others = ("order__property_x__count_28d", "order__trend_28d", "order__of_value__trend_28d")
    chosen = usable_columns((*names, *others), "order__of_value", history_days=60.0)
    assert [(*names, *others)[column] for column in chosen] == [
        "any__count_28d",
        "any__overdue",
        "order__of_value__trend_28d",
    ]
