"""A trained network as ONNX files."""
