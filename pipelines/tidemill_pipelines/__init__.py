"""Training: from features to a gated, registered ONNX model."""
