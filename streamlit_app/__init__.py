"""The app that names the bird on a photo; it needs onnxruntime and no torch."""

import plumage  # noqa: F401, turns telemetry off before any library is imported
