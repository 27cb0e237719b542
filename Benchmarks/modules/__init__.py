"""What the benchmark scripts share; each file one topic."""
