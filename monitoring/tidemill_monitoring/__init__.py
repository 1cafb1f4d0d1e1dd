"""Monitoring: quality, skew, drift and performance verdicts, and the decision to retrain."""
