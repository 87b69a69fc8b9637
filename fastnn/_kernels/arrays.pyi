"""Memory and matrix products for the other loops; nothing here is visible from Python."""
