"""Files, processes, clocks and the command line."""
