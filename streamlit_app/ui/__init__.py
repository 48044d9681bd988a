"""State and widgets that pages share."""
