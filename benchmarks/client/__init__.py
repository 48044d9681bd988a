"""A visitor and a browser of the running app, for benchmarks, tests and pictures."""
