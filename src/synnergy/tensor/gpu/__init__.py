"""Matrix products on a GPU, equal in every bit to `products.matmul`. An extra: nothing needs it.

pip install "synnergy[gpu]"        CuPy, whose runtime compiler builds `product.cu`
"""

from __future__ import annotations

from synnergy.tensor.gpu.product import NoGpu, device_matmul, matmul

__all__ = ["NoGpu", "device_matmul", "matmul"]
