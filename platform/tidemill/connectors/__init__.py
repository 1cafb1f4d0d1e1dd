"""From the events of other vendors, live or exported, to events of the log. Pure functions."""
