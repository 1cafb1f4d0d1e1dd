"""Bins: frequent values alone, quantiles of the rest, missing apart."""

from __future__ import annotations

import numpy as np

from tidemill_monitoring.binning import bin_reference

ZEROS_AND_TAIL = np.concatenate([np.zeros(700), np.arange(1, 301)]).astype(np.float32)


def test_a_frequent_value_has_a_bin_of_its_own() -> None:
    """Zeros do not swallow the small positive values, and the tail is cut into tenths."""
    bins = bin_reference(ZEROS_AND_TAIL)
    counts = np.bincount(bins.codes(ZEROS_AND_TAIL), minlength=bins.count)
    assert counts.max() == 700
    assert np.sort(counts)[-11:-1].tolist() == [30] * 10


def test_missing_values_have_the_last_bin() -> None:
    """NaN is a value of its own, not dropped."""
    bins = bin_reference(ZEROS_AND_TAIL)
    assert bins.codes(np.asarray([np.nan], np.float32)).tolist() == [bins.missing]


def test_values_never_seen_fall_into_outer_bins() -> None:
    """Below and above a constant reference are told from it."""
    bins = bin_reference(np.full(100, 5, np.float32))
    below, same, above = bins.codes(np.asarray([4, 5, 6], np.float32))
    assert len({below, same, above}) == 3


def test_every_code_has_a_label_and_labels_sort_in_order() -> None:
    """Plots sort by text."""
    labels = bin_reference(ZEROS_AND_TAIL).labels()
    assert len(labels) == bin_reference(ZEROS_AND_TAIL).count
    assert labels == sorted(labels)
    assert any(label.endswith(": 0") for label in labels)


def test_an_all_missing_reference_still_has_bins() -> None:
    """Whatever comes later differs from missing."""
    bins = bin_reference(np.full(50, np.nan, np.float32))
    assert bins.codes(np.asarray([1, np.nan], np.float32)).tolist() == [0, 1]
    assert len(bins.labels()) == bins.count
