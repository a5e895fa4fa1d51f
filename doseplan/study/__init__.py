"""The pipeline of one case, and studies over many."""
