"""What fastnn.functional offers, by subject."""
