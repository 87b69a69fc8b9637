"""Only for other Cython modules."""
