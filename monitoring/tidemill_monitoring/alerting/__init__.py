"""Alerts: one metric of one event, judged period by period."""
