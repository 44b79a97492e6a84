"""Matrix products on a GPU beside cuBLAS in float32 (TF32 off): `python -m bench.gpu`.

Needs the extra `gpu` and a GPU; prints one line for each shape and the median ratio.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from synnergy.tensor import gpu, products

SHAPES = (
    *((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096)),
    *((8192, 8192, 8192), (128, 384, 1536), (4096, 384, 1536), (4096, 1536, 384)),
    (2048, 3072, 768),
)
ROUNDS = 15


def milliseconds(work: Callable[[Any, Any], object], a: Any, b: Any) -> float:
    """Time on the GPU of one call, the best of a few in a row."""
    taken: list[float] = []
    for _ in range(3):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        work(a, b)
        end.record()
        end.synchronize()
        taken.append(cupy.cuda.get_elapsed_time(begin, end))
    return min(taken)


def main() -> int:
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"{name}; cuBLAS {cupy.cuda.cublas.getVersion(cupy.cuda.Device().cublas_handle)}")
    generator = np.random.default_rng(0)
    ratios: list[float] = []
    for m, k, n in SHAPES:
        a = cupy.asarray(generator.standard_normal((m, k), dtype=np.float32))
        b = cupy.asarray(generator.standard_normal((k, n), dtype=np.float32))
        mine = gpu.device_matmul(a, b)
        rows = slice(0, 4)
        small = products.matmul(cupy.asnumpy(a[rows]), cupy.asnumpy(b[:, :512]))
        same = cupy.asnumpy(mine[rows, :512]).tobytes() == small.tobytes()
        cupy.matmul(a, b)
        pairs = [
            (milliseconds(gpu.device_matmul, a, b), milliseconds(cupy.matmul, a, b))
            for _ in range(ROUNDS)
        ]
        ours, peer = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(theirs / mine for mine, theirs in pairs)
        ratios.append(ratio)
        work = 2e-9 * m * k * n
        print(
            f"{m}x{k}x{n}: ours {work / ours:.1f} TFLOP/s, cuBLAS {work / peer:.1f} TFLOP/s,"
            f" ratio {ratio:.2f}, bits of the reference: {'yes' if same else 'NO'}"
        )
        if not same:
            return 1
    print(f"median ratio {statistics.median(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
