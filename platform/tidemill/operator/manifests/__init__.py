"""What the operator creates for an Objective: pure functions that return manifests."""
