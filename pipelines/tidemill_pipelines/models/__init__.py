"""Torch models that end up as one ONNX graph each."""
