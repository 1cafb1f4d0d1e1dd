"""What training, serving and monitoring share about the value of customers."""
