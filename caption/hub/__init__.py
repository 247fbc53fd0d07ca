"""Which models there are, where they lie, and getting them whole. No torch."""
