"""Fill README.md and RESULTS.md from what was measured."""
