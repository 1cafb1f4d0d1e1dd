"""What training, serving and monitoring of segments share."""
