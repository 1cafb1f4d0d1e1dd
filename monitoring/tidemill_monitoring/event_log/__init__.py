"""Data quality of the event log itself: one verdict per concern, before any model is asked."""
