"""Tables and charts of the results."""
