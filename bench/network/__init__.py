"""Benchmarks of a network: four validators on one machine, beside CometBFT's own kvstore."""
