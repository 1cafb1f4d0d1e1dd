"""The report: one HTML page about one objective, made of facts that are already on disk."""
