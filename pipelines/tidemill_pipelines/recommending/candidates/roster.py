"""Everything that competes, popularity first."""

from __future__ import annotations

from tidemill_pipelines.recommending.candidates.als import ImplicitAls
from tidemill_pipelines.recommending.candidates.attention import SelfAttention
from tidemill_pipelines.recommending.candidates.attributes import Attributes
from tidemill_pipelines.recommending.candidates.candidate import Candidate
from tidemill_pipelines.recommending.candidates.dae import MultDae
from tidemill_pipelines.recommending.candidates.ease import LowRankEase, Spectrum
from tidemill_pipelines.recommending.candidates.item_knn import ItemKnn
from tidemill_pipelines.recommending.candidates.markov import Markov
from tidemill_pipelines.recommending.candidates.own_frequency import OwnFrequency
from tidemill_pipelines.recommending.candidates.popularity import Popularity

NETWORKS: tuple[Candidate, ...] = (MultDae(), SelfAttention())
"""What is trained step by step, at many times the cost of the rest."""
_SPECTRUM = Spectrum()
ROSTER: tuple[Candidate, ...] = (
    Popularity(),
    OwnFrequency(),
    ImplicitAls(0.5),
    ImplicitAls(1.0),
    LowRankEase(500, _SPECTRUM),
    LowRankEase(2_000, _SPECTRUM),
    LowRankEase(8_000, _SPECTRUM),
    Attributes(),
    *NETWORKS,
    Markov(),
    ItemKnn(),
)
"""Factorisations with several penalties: what the blend makes of them is a filter of the spectrum
that no single penalty gives. The grid was chosen on the two windows before those that the
benchmark is judged on, of the sample's products and their types, and on made-up tastes; among the
penalties the competition chooses on the data it is given."""
