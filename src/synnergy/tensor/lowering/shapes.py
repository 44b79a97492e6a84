"""Operators that only give the same elements another shape: no step at all."""

from __future__ import annotations

from synnergy.tensor.kernels.program import Operand
from synnergy.tensor.lowering.registry import Site, lowers


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", labelling=True)
def reshape(site: Site) -> list[Operand] | None:
    x = site.inputs[0]
    site.labels.update(site.texts)
    return None if x is None else [x.reshaped(site.outputs[0].shape)]
