"""What a bundle says of itself when only its serving is measured."""

from __future__ import annotations

from tidemill.bundle import BundleMetadata, PopulationRule


def bare_metadata(objective: str, features: tuple[str, ...]) -> BundleMetadata:
    """Everybody is of its population, whenever `features[0]`, in days, was."""
    return BundleMetadata(
        objective=objective,
        objective_hash="0" * 12,
        feature_view="user_activity",
        features=features,
        horizon_days=28,
        population=PopulationRule(feature=features[0], max_days=1e9),
        base_rate=0.05,
        grade_thresholds=(0.9, 0.8, 0.7),
        grade_lift={},
        metrics={},
        training_cutoffs=(),
        test_cutoffs=(),
        data_fingerprint="0" * 12,
        seed=0,
        packages={},
    )
