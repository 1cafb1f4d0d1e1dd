"""From purchase histories to expected purchases and value: models, their choice, their file."""
