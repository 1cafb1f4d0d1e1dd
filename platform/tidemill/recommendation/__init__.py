"""What training, serving and monitoring of recommendations share: histories, catalogue, bundle."""
