"""What finds each fault of a photo set, and the photos as it sees them."""
