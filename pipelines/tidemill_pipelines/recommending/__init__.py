"""Recommenders: how their items are ranked, chosen among, exported and judged."""
