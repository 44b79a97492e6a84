"""Records what the self-test compares with: `record_selftest.py vectors digests`, or `--check`.

vectors: programs that a build of the kernels is tried on at start-up, a few for each operator.
digests: of every case's results by the reference. A changed digest is a change of the protocol.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.selection import VECTORS
from synnergy.tensor.kernels.vectors import Run, Vector, encode
from synnergy.tensor.recording import record as record_vector
from synnergy.tensor.selftest import check
from synnergy.tensor.selftest.models import models
from synnergy.tensor.selftest.operators import operators

#: Larger vectors than this aren't kept, in bytes: the file travels with every installation.
LARGEST = 16 << 10
#: Kept all the same, for what small ones don't reach: blocks of sums, edges of tiles, whole nets.
ALWAYS = ("MatMul/float32/9x257x70", "Gemm/11", "Conv/3x3", "Conv/depthwise", "model/quantised")


@quiet
def recorded_vectors() -> Iterator[Vector]:
    """One of each operator, model and kernel, the smallest: by hostile values where it has any."""
    made: list[tuple[int, Vector]] = []
    for case in (*operators(), *models()):
        vector = record_vector(case.name, check.plan_of(case), case.feeds[-1])
        if vector is not None:
            made.append((len(encode([vector])), vector))
    seen: set[object] = set()
    for size, vector in sorted(made, key=lambda each: (each[0], each[1].name)):
        shown = {*steps(vector), vector.name.rsplit("/", 1)[0]}
        if vector.name in ALWAYS or (size <= LARGEST and not shown <= seen):
            seen |= shown
            yield vector


def steps(vector: Vector) -> Iterator[int]:
    """The numbers of the kernels that a vector runs."""
    for operation in vector.operations:
        if isinstance(operation, Run):
            place = 0
            while place < len(operation.words):
                yield operation.words[place] & 0xFFFF
                place += operation.words[place] >> 16


def vectors() -> bytes:
    return encode(sorted(recorded_vectors(), key=lambda vector: vector.name))


def digests() -> bytes:
    return (json.dumps(check.record(check.cases()), indent=0) + "\n").encode()


RECORDS = {"vectors": (VECTORS, vectors), "digests": (check.DIGESTS, digests)}


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--check"] or list(RECORDS)
    stale: list[str] = []
    for word in words:
        path, make = RECORDS[word]
        content = make()
        if path.exists() and path.read_bytes() == content:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(path.name)
        else:
            path.write_bytes(content)
    for name in stale:
        print(f"{name} is not what this code gives; `make kernels` records it anew")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
