"""TENSOR-3: the canary, with the processor's own control register set wrong."""

from __future__ import annotations

import ctypes
import mmap
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from synnergy.tensor import load
from synnergy.tensor.environment import WrongEnvironment, check_environment
from tests.tensor.core.building import single

needs_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="sets MXCSR, a register of x86"
)


@contextmanager
def control_register(bits: int) -> Iterator[None]:
    """Run with these bits of MXCSR set, by nine bytes of machine code."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\x0f\xae\x1f\xc3\x0f\xae\x17\xc3")  # stmxcsr [rdi]; ret; ldmxcsr [rdi]; ret
    start = ctypes.addressof(ctypes.c_char.from_buffer(code))
    signature = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint32))
    store, load_register = signature(start), signature(start + 4)
    before = ctypes.c_uint32()
    store(ctypes.byref(before))
    load_register(ctypes.byref(ctypes.c_uint32(before.value | bits)))
    try:
        yield
    finally:
        load_register(ctypes.byref(before))


def test_this_process_is_fit() -> None:
    check_environment()


@needs_x86
@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        (1 << 15, "subnormal"),
        (1 << 6, "subnormal"),
        (1 << 13, "nearest"),
        (2 << 13, "nearest"),
        (3 << 13, "nearest"),
    ],
)
def test_flushing_and_other_roundings_are_noticed(bits: int, reason: str) -> None:
    caught = None
    with control_register(bits):
        try:
            check_environment()
        except WrongEnvironment as error:
            caught = error
    assert caught is not None
    assert reason in str(caught)
    check_environment()


@needs_x86
def test_a_plan_refuses_to_run_in_a_wrong_environment() -> None:
    proto, fed = single("Neg", [np.ones(2, np.float32)])
    plan = load(proto.SerializeToString())
    caught = None
    with control_register(1 << 15):
        try:
            plan.execute(fed)
        except WrongEnvironment as error:
            caught = error
    assert caught is not None
    plan.execute(fed)
