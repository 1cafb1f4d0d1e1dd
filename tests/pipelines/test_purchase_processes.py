"""Purchase processes, against the closed forms and numbers of their papers."""

import numpy as np
import pytest
import torch
from scipy.special import hyp2f1
from scipy.stats import gamma

from tidemill_pipelines.valuing.processes.beta_geometric import BgNbd, MbgNbd
from tidemill_pipelines.valuing.processes.gamma_gamma import GammaGamma, fit_gamma_gamma
from tidemill_pipelines.valuing.processes.histories import Histories
from tidemill_pipelines.valuing.processes.pareto import ParetoNbd
from tidemill_pipelines.valuing.processes.process import fit_process

PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
"""Of the CDNOW customers, time in weeks (Fader, Hardie & Lee 2005)."""
KINDS = (BgNbd, MbgNbd, ParetoNbd)


def histories(*rows):
    """(repeats, last, age) or (repeats, last, age, mean value)."""
    table = torch.tensor([(*row, 0.0)[:4] for row in rows], dtype=torch.float64)
    return Histories(*table.T)


def closed_form(x, t_x, age, t, r, alpha, a, b):
    """Equation 10 of the paper, with Gauss's hypergeometric function."""
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    bought = (
        (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * series)
    )
    gone = (x > 0) * a / (b + x - 1) * ((alpha + age) / (alpha + t_x)) ** (r + x)
    return bought / (1 + gone)


@pytest.mark.parametrize(
    ("x", "t_x", "age"), [(2, 30.43, 38.86), (0, 0, 38), (50, 30, 39), (3, 9, 9)]
)
def test_expected_purchases_are_those_of_the_closed_form(x, t_x, age):
    """One-time buyers and heavy ones alike."""
    found = BgNbd(**PUBLISHED).expected(histories((x, t_x, age)), 39.0)
    assert float(found) == pytest.approx(closed_form(x, t_x, age, 39, **PUBLISHED), rel=1e-4)


def test_the_first_customer_of_the_paper_is_expected_to_buy_again():
    """1.226 times in the next 39 weeks, the paper says."""
    found = BgNbd(**PUBLISHED).expected(histories((2, 30.43, 38.86)), 39.0)
    assert float(found) == pytest.approx(1.226, abs=5e-4)


def test_pareto_agrees_with_integrating_over_both_rates():
    """Likelihood and expectation, by brute force over everybody's rates."""
    r, alpha, s, beta, x, t_x, age, t = 0.8, 10.0, 0.9, 12.0, 3, 20.0, 30.0, 26.0

    log_rates = np.linspace(np.log(1e-7), np.log(6.0), 1200)
    lam, mu = np.meshgrid(np.exp(log_rates), np.exp(log_rates))
    prior = gamma.pdf(lam, r, scale=1 / alpha) * gamma.pdf(mu, s, scale=1 / beta) * lam * mu
    alive = lam**x * np.exp(-(lam + mu) * age)
    gone = lam**x * mu / (lam + mu) * np.exp(-(lam + mu) * t_x)
    likelihood = gone + alive * lam / (lam + mu)
    bought = alive * lam / mu * (1 - np.exp(-mu * t))
    cell = (log_rates[1] - log_rates[0]) ** 2
    whole, expected = (float((prior * each).sum()) * cell for each in (likelihood, bought))
    model, one = ParetoNbd(r=r, alpha=alpha, s=s, beta=beta), histories((x, t_x, age))
    assert float(model.log_likelihood(one)) == pytest.approx(np.log(whole), abs=2e-3)
    assert float(model.expected(one, t)) == pytest.approx(expected / whole, rel=2e-3)


def test_who_bought_once_may_have_left_but_not_in_bg_nbd():
    """BG/NBD lets nobody leave before the second purchase, which turns its odds upside down."""
    once = histories((0, 0, 200.0))
    others = {"r": 0.5, "alpha": 6.0}
    assert float(BgNbd(**PUBLISHED).alive(once)) == 1
    assert float(MbgNbd(**others, a=0.9, b=1.6).alive(once)) < 0.6
    assert float(ParetoNbd(**others, s=0.6, beta=11.0).alive(once)) < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_longer_silence_and_fewer_days_are_worth_less(kind):
    """Of two who bought as often, the one seen last; of two horizons, the longer one."""
    model = kind(**dict(zip(kind.PARAMETERS, (0.6, 8.0, 0.7, 6.0), strict=True)))
    seen, silent = model.expected(histories((5, 95.0, 100.0), (5, 30.0, 100.0)), 30.0)
    assert seen > 3 * silent
    assert model.expected(histories((5, 95.0, 100.0)), 60.0) > 1.5 * seen


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_histories_stay_finite(kind):
    """A thousand purchases at once, none for ten years, bought just now."""
    extremes = histories((1000, 0.0, 0.0), (0, 0.0, 3650.0), (0, 0.0, 0.0), (5000, 3650.0, 3650.0))
    model = kind(**dict(zip(kind.PARAMETERS, (0.05, 300.0, 0.02, 40.0), strict=True)))
    found = model.expected(extremes, 365.0)
    assert torch.isfinite(found).all()
    assert (found >= 0).all()


def bought(customers, seed=0):
    """Histories of customers who never leave, over 100 days; rates vary, 0.05 a day on average."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(2.0, 0.025, customers)
    rows = []
    for count in rng.poisson(rates * 100):
        times = np.sort(rng.uniform(0, 100, count))
        rows.append((count, times[-1] if count else 0.0, 100.0))
    return histories(*rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_finds_how_often_customers_buy(kind):
    """Nobody leaves here, so the next 50 days bring half of what 100 did."""
    seen = bought(1500)
    model = fit_process(kind, seen, seed=0)
    expected = float(model.expected(seen, 50.0).sum())
    assert expected == pytest.approx(float(seen.repeats.sum()) / 2, rel=0.06)


def test_worth_lies_between_the_own_mean_and_everybodys():
    """The more purchases, the nearer to the own."""
    model = GammaGamma(p=6.0, q=4.0, v=15.0)
    once, often = model(histories((0, 0, 9, 100.0), (50, 9, 9, 100.0)))
    assert 30 < once < often < 100


def test_worth_is_found_again():
    """Customers' means are drawn around 30."""
    rng = np.random.default_rng(1)
    own = 15.0 * 6.0 / rng.gamma(4.0, 1.0, 3000)
    rows = [(4, 9.0, 9.0, rng.gamma(6.0, mean / 6.0, 5).mean()) for mean in own]
    fitted = fit_gamma_gamma(histories(*rows), seed=0)
    found = fitted(histories(*rows)).mean()
    assert float(found) == pytest.approx(own.mean(), rel=0.05)


def test_purchases_of_one_price_are_worth_that_price():
    """As in a log of subscriptions: nobody's worth varies, and the likelihood has no maximum."""
    rows = [[0, 1, 4], [0, 9, 30], [50, 60, 70], [9.99, 9.99, 9.99]]
    histories = Histories(*torch.tensor(rows, dtype=torch.float64))
    found = fit_gamma_gamma(histories, seed=0)(histories)
    assert found.numpy() == pytest.approx([9.99] * 3, rel=0.01)


def test_purchases_without_values_are_worth_nothing():
    """Not an error: somebody may have no paid purchase yet."""
    fitted = fit_gamma_gamma(histories((0, 0, 9, 0.0)), seed=0)
    assert float(fitted(histories((3, 5, 9, 0.0)))) < 1e-6
