"""What is timed, against whom: one command for each question, each writes a table and JSON."""
