"""Which mixture of purchase processes and learned parts predicts best on later windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.lifetime_value.measures import measure, user_deviance
from tidemill_pipelines.valuing.correction import Head, Outcomes, Signals, fit_head
from tidemill_pipelines.valuing.customers import HistoryColumns
from tidemill_pipelines.valuing.dataset import Customers, with_gone
from tidemill_pipelines.valuing.foundation import Foundation, fit_foundation
from tidemill_pipelines.valuing.value_model import SignalReader, ValueModel, mixed, usable_columns
from tidemill_pipelines.valuing.windows import REHEARSALS

_MOST_ROWS = 100_000
_DOUBT = 1.645
"""Standard errors: 5% of a normal distribution lie above."""
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Part:
    """One head: the processes alone, corrected by what was learnt, or learnt without them."""

    is_offset: bool
    penalty: float | None
    """None for the processes as they are."""


PROCESS = Part(True, None)
RECIPES: dict[str, tuple[Part, ...]] = {
    "purchase processes": (PROCESS,),
    "processes, corrected and learned": (PROCESS, Part(True, 0.1), Part(False, 0.03)),
}
DEFAULT = "processes, corrected and learned"
"""Between what needs no outcomes and what learns from them alone: taken where too little can be
compared, and where the processes alone are not clearly better."""


@dataclass(frozen=True)
class Task:
    """What all fits share."""

    columns: HistoryColumns
    signal: str
    """Name of the purchases' signal."""
    days: float
    """Length of the label windows."""
    seed: int


@dataclass(frozen=True)
class Candidate:
    """How a recipe did on the windows it was chosen by."""

    name: str
    quality: dict[str, float]


def choose(task: Task, train: Customers, gone: Customers) -> tuple[str, list[Candidate]]:
    """The recipe with the smallest deviance on the newest training windows, each predicted from
    those that had closed before and by processes that know no more; the default unless it is better
    beyond doubt. Without two such windows too: how much windows differ, the users of one cannot
    tell."""
    cutoffs = _rehearsed_cutoffs(task, train)
    if len(cutoffs) < REHEARSALS:
        return DEFAULT, []
    held, predicted = _predictions(task, train, gone, cutoffs)
    deviances = {name: user_deviance(held, values) for name, values in predicted.items()}
    best = min(deviances, key=lambda name: deviances[name].mean())
    gain = deviances[DEFAULT] - deviances[best]
    if gain.mean() <= _DOUBT * gain.std() / np.sqrt(len(gain)):
        best = DEFAULT
    found = [Candidate(name, measure(held, each).to_json()) for name, each in predicted.items()]
    return best, found


def fit_recipe(task: Task, name: str, labelled: Customers, everybody: Customers) -> ValueModel:
    """Processes from the histories of `everybody`, heads from the outcomes of `labelled`."""
    foundation = fit_foundation(everybody.vectors, task.columns, task.seed)
    return fit_heads(task, RECIPES[name], labelled, foundation)


def fit_heads(
    task: Task, parts: Iterable[Part], labelled: Customers, foundation: Foundation
) -> ValueModel:
    rows = _sampled(labelled, task.seed)
    reader = _reader(task, rows, foundation)
    with torch.no_grad():
        signals = reader(torch.from_numpy(rows.vectors))
    outcomes = Outcomes(
        torch.from_numpy(rows.purchases),
        torch.from_numpy(rows.values),
        torch.from_numpy(_weights(task, rows)),
    )
    return ValueModel(reader, [_head(part, signals, outcomes) for part in parts])


def _reader(task: Task, rows: Customers, foundation: Foundation) -> SignalReader:
    oldest = rows.vectors[rows.cutoffs == rows.cutoffs.min()]
    history = float(np.nanmax(oldest[:, task.columns.since_first]))
    columns = usable_columns(rows.features, task.signal, history)
    return SignalReader(foundation, rows.vectors, columns, task.days)


def _head(part: Part, signals: Signals, outcomes: Outcomes) -> Head:
    if part.penalty is None:
        return Head(signals.inputs.shape[1], is_offset=True)
    return fit_head(signals, outcomes, is_offset=part.is_offset, penalty=part.penalty)


def _closed_before(task: Task, train: Customers, cutoff: int) -> NDArray[np.bool_]:
    """Rows whose outcomes were known at `cutoff`."""
    return np.asarray(train.cutoffs + task.days * _DAY_US <= cutoff)


def _rehearsed_cutoffs(task: Task, train: Customers) -> list[int]:
    """Of the newest windows, if there is something to learn before and to be judged on."""
    return [
        cutoff
        for cutoff in np.unique(train.cutoffs)[::-1][:REHEARSALS].tolist()
        if train.values[_closed_before(task, train, cutoff)].sum() > 0
        and train.values[train.cutoffs == cutoff].sum() > 0
    ]


def _predictions(
    task: Task, train: Customers, gone: Customers, cutoffs: Sequence[int]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Observed values of the windows at `cutoffs`, and those that each recipe predicted."""
    held: list[NDArray[np.float64]] = []
    predicted: dict[str, list[NDArray[np.float64]]] = {name: [] for name in RECIPES}
    for cutoff in cutoffs:
        now = train.take(train.cutoffs == cutoff)
        before = train.take(_closed_before(task, train, cutoff))
        everybody, now = with_gone(now, gone), _sampled(now, task.seed)
        foundation = fit_foundation(everybody.vectors, task.columns, task.seed)
        held.append(now.values)
        for name, values in _rehearsed(task, before, now, foundation).items():
            predicted[name].append(values)
    return np.concatenate(held), {name: np.concatenate(each) for name, each in predicted.items()}


@torch.no_grad()
def _rehearsed(
    task: Task, labelled: Customers, now: Customers, foundation: Foundation
) -> dict[str, NDArray[np.float64]]:
    """What each recipe predicts for `now`; parts that several of them share are fitted once."""
    parts = list(dict.fromkeys(part for recipe in RECIPES.values() for part in recipe))
    with torch.enable_grad():
        whole = fit_heads(task, parts, labelled, foundation)
    heads = dict(zip(parts, whole.heads, strict=True))
    signals = whole.signals(torch.from_numpy(now.vectors))
    return {
        name: mixed([heads[part] for part in recipe], signals)[0].numpy()
        for name, recipe in RECIPES.items()
    }


def _weights(task: Task, rows: Customers) -> NDArray[np.float64]:
    """Half as much for each label window further back: levels move, and the newest is nearest."""
    windows = (rows.cutoffs.max() - rows.cutoffs) / (task.days * _DAY_US)
    return np.asarray(0.5**windows, np.float64)


def _sampled(rows: Customers, seed: int) -> Customers:
    if len(rows) <= _MOST_ROWS:
        return rows
    chosen = np.random.default_rng(seed).choice(len(rows), _MOST_ROWS, replace=False)
    return rows.take(np.sort(chosen))
