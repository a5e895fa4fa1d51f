"""Fields, spots, water-equivalent depth and the dose influence."""
