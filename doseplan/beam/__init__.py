"""One ion beam in water, from first principles."""
