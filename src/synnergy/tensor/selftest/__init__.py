"""Proof of sameness: many cases, the recorded digests of their results, and what recomputes them.

`check.py` is the file to read first. TENSOR-64
"""
