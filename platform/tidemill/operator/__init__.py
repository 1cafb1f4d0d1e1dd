"""The operator: keeps what runs on a cluster equal to the Objectives declared there."""
