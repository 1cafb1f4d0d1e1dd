"""What a feature is: how it is computed from events, and how Feast sees it."""
