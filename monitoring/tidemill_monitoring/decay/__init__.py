"""Where a model loses what it had: feature by feature, slice by slice, and before it is known."""
