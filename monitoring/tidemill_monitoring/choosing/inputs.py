"""What the checks of a choosing model read, each at most once."""

from __future__ import annotations

from functools import cached_property

from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.shown import read_shown
from tidemill_monitoring.choosing.answers import ShownAnswers, read_answers
from tidemill_monitoring.freshness.asked import AskedRows
from tidemill_monitoring.inputs import LogInputs


class ChoiceInputs(LogInputs):
    """The live model's metadata, and what was shown."""

    @cached_property
    def metadata(self) -> RecommenderMetadata:
        return self.models.recommender(self.version)

    @property
    def answers(self) -> ShownAnswers:
        return self._log[0]

    @property
    def asked(self) -> AskedRows:
        """What the answers read from the online store."""
        return self._log[1]

    @cached_property
    def _log(self) -> tuple[ShownAnswers, AskedRows]:
        """The log of shown items is read once."""
        asked = AskedRows(self.at, self.window)
        answers = read_answers(
            asked.watch(read_shown(self.home.predictions(self.objective.name), asked.lose)),
            at=self.at,
            window=self.window,
            known_at=self.outcomes_known_until - self.objective.target.within,
        )
        return answers, asked
