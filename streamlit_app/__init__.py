"""The app that names the bird on a photo; it needs onnxruntime and no torch."""
