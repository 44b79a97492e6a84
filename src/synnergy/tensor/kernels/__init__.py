"""Compiled kernels: one C source, native and WASM builds of it, and what walks them. TENSOR-60

`program.py` is the file to read first: what a kernel is told. `c/kernels.h` is its other half.
"""
