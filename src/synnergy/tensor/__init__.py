"""The bit-exact tensor engine: ONNX bytes to a checked plan, its cost, its results.

`plan.py` is the file to read first. This package imports nothing above it.
"""

from __future__ import annotations

from synnergy.tensor.encoding import decode_tensors, encode_tensors
from synnergy.tensor.limits import LEDGER_LIMITS, Limits
from synnergy.tensor.plan import Plan, load
from synnergy.tensor.types import BadInput, Unsupported
from synnergy.tensor.wire_scan import Census, scan

__all__ = [
    "LEDGER_LIMITS",
    "BadInput",
    "Census",
    "Limits",
    "Plan",
    "Unsupported",
    "decode_tensors",
    "encode_tensors",
    "load",
    "scan",
]
