"""Benchmarks: one table of comparisons that the tests check and `doseplan bench` times."""
