"""Which kernels this process runs: the fastest whose vectors hold, or the one asked for."""

from __future__ import annotations

import functools
from pathlib import Path

import wasmtime

from synnergy.tensor.kernels.native import NativeRuntime
from synnergy.tensor.kernels.runtime import Runtime
from synnergy.tensor.kernels.wasm import WasmRuntime

#: How a plan may be run; "auto" takes the fastest that is here and equals the reference.
KERNELS = ("auto", "native", "wasm", "reference")

_FOLDER = Path(__file__).parent
_NATIVE = ("native-avx512", "native-avx2", "native-plain", "native-neon")
_WASM = ("wasm-relaxed", "wasm-plain")


class NoKernels(RuntimeError):
    """A kernel path was asked for that this installation or machine hasn't got."""


@functools.cache
def runtime_of(kernel: str) -> Runtime | None:
    """The build of kernels for `kernel`, None for the numpy reference.

    Raises ValueError for an unknown name, NoKernels where what was asked for isn't here.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel {kernel!r} is none of {', '.join(KERNELS)}")
    if kernel == "reference":
        return None
    if kernel != "wasm":
        for name in _NATIVE:
            path = _FOLDER / "build" / f"{name}.so"
            if path.exists():
                return NativeRuntime(name, path)
        if kernel == "native":
            raise NoKernels("no native kernels are installed for this machine")
    for name in _WASM:
        path = _FOLDER / f"{name}.wasm"
        if path.exists():
            try:
                return WasmRuntime(name, path)
            except wasmtime.WasmtimeError:
                continue
    if kernel == "wasm":
        raise NoKernels("no WASM kernels run on this machine")
    return None
