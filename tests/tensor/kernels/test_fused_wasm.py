"""The WASM modules have no instruction whose answer is an engine's own, but the fused one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
KERNELS = ROOT / "src" / "synnergy" / "tensor" / "kernels"
sys.path.append(str(ROOT / "tools"))

import fused_wasm  # noqa: E402

MADD = 0x105


@pytest.mark.parametrize(("name", "wanted"), [("wasm-relaxed", {MADD}), ("wasm-plain", set())])
def test_only_the_fused_multiply_add_is_relaxed(name: str, wanted: set[int]) -> None:
    """TENSOR-1: relaxed minima, conversions and the like answer NaN as each engine likes."""
    module = (KERNELS / f"{name}.wasm").read_bytes()
    assert fused_wasm.relaxed_instructions(module) == wanted


def test_what_cannot_be_fused_is_refused() -> None:
    plain = (KERNELS / "wasm-plain.wasm").read_bytes()
    for broken in (b"", plain[:-5], plain):  # the last exports nothing to replace
        with pytest.raises((ValueError, IndexError)):
            fused_wasm.fuse(broken)
