"""Benchmarks: each row beside a peer that ran in the same process, as a ratio."""
