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
_NATIVE = ("native-avx512", "native-avx2", "native-neon", "native-plain")
_WASM = ("wasm-relaxed", "wasm-plain")


class NoKernels(RuntimeError):
    """A kernel path was asked for that this installation or machine hasn't got."""


@functools.cache
def runtime_of(kernel: str) -> Runtime | None:
    """The build of kernels for `kernel`: one of KERNELS, or a build by its own name.

    None is the numpy reference. Raises ValueError for an unknown name, NoKernels where what was
    asked for isn't here.
    """
    if kernel == "reference":
        return None
    choices = {"auto": (*_NATIVE, *_WASM), "native": _NATIVE, "wasm": _WASM}
    names = choices.get(kernel, (kernel,))
    if not set(names) <= {*_NATIVE, *_WASM}:
        raise ValueError(f"kernel {kernel!r} is none of {', '.join(KERNELS)}")
    for name in names:
        runtime = build_named(name)
        if runtime is not None:
            return runtime
    if kernel == "auto":
        return None
    raise NoKernels(f"no {kernel} kernels are installed that run on this machine")


@functools.cache
def build_named(name: str) -> Runtime | None:
    """A build by its own name, None where it isn't installed or doesn't run here."""
    native = name in _NATIVE
    path = _FOLDER / "build" / f"{name}.so" if native else _FOLDER / f"{name}.wasm"
    if not path.exists():
        return None
    try:
        return NativeRuntime(name, path) if native else WasmRuntime(name, path)
    except (OSError, wasmtime.WasmtimeError):
        return None


def builds() -> tuple[str, ...]:
    """Every build that runs here, the fastest first."""
    return tuple(name for name in (*_NATIVE, *_WASM) if build_named(name) is not None)
