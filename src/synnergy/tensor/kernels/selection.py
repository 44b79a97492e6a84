"""Which kernels this process runs: the fastest whose vectors hold, or the one asked for.

A build counts for nothing until it gave the recorded answers in this process (TENSOR-61). What
this machine lacks is left out; what it has and answers wrongly is warned of, once, and never used.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import wasmtime

from synnergy.tensor.environment import check_environment
from synnergy.tensor.kernels.native import NativeRuntime
from synnergy.tensor.kernels.runtime import Runtime
from synnergy.tensor.kernels.vectors import Vector, decode, failure
from synnergy.tensor.kernels.wasm import WasmRuntime

#: How a plan may be run; "auto" takes the fastest that is here and equals the reference.
KERNELS = ("auto", "native", "wasm", "reference")

#: The vectors that builds are tried on.
VECTORS = Path(__file__).with_name("vectors.bin")

#: What the kernels were compiled from; installed with every recorded set of vectors.
RECORD = Path(__file__).with_name("kernels.sha256")

_FOLDER = Path(__file__).parent
_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
#: Native builds, the fastest first, and what of the processor each needs: `c/processor.c`.
_NATIVE = {"native-avx512": 2, "native-avx2": 1, "native-neon": 0, "native-plain": 0}
#: The first refuses to run where relaxed_madd isn't fused. TENSOR-62
_WASM = ("wasm-relaxed", "wasm-plain")
#: Those that run on any processor of their kind, and so tell what it can do.
_BASELINES = ("native-plain", "native-neon")

BUILDS = (*_NATIVE, *_WASM)


class Fault(str):
    """Why a build isn't used, where that is a fault of the installation and no machine's limit."""


class NoKernels(RuntimeError):
    """A kernel path was asked for that this installation or machine hasn't got."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a build may be used here, and why not.

    wrong: it runs, but can't be trusted. vectors: how many it was tried on and held.
    passed_over: where this build was chosen, those before it.
    """

    name: str
    runtime: Runtime | None
    reason: str = ""
    wrong: bool = False
    vectors: int = 0
    passed_over: tuple[Verdict, ...] = ()

    def described(self) -> str:
        """For people: what runs, that it was tried, and what should have run but is wrong."""
        wrong = "".join(
            f"; {each.name} is not used, it {each.reason}"
            for each in self.passed_over
            if each.wrong
        )
        if self.runtime is None:
            return f"the numpy reference, there being no compiled kernels{wrong}"
        return f"the kernels {self.name}, whose self-test held ({self.vectors} vectors){wrong}"


def runtime_of(kernel: str) -> Runtime | None:
    """The build of kernels for `kernel`: one of KERNELS, or a build by its own name.

    None is the numpy reference. Raises ValueError for an unknown name, NoKernels where what was
    asked for isn't here.
    """
    return chosen(kernel).runtime


@functools.cache
def chosen(kernel: str = "auto") -> Verdict:
    """The first build for `kernel` that may be used, tried now; raises as `runtime_of` does."""
    choices = {"auto": BUILDS, "native": tuple(_NATIVE), "wasm": _WASM, "reference": ()}
    names = choices.get(kernel, (kernel,))
    if not set(names) <= set(BUILDS):
        raise ValueError(
            f"kernel {kernel!r} is none of {', '.join(KERNELS)}, nor a build: {', '.join(BUILDS)}"
        )
    refused: list[Verdict] = []
    for name in names:
        verdict = verdict_of(name)
        if verdict.runtime is not None:
            return replace(verdict, passed_over=tuple(refused))
        refused.append(verdict)
    if kernel in ("auto", "reference"):
        return Verdict("reference", None, passed_over=tuple(refused))
    reasons = "; ".join(f"{each.name} {each.reason}" for each in refused)
    raise NoKernels(f"no {kernel} kernels run here: {reasons}")


@functools.cache
def verdict_of(name: str) -> Verdict:
    """Load a build and try it on every vector. Raises WrongEnvironment."""
    check_environment()
    runtime = build_named(name)
    reason = runtime if isinstance(runtime, str) else _why_not(runtime)
    if isinstance(reason, Fault):
        warnings.warn(f"kernels are not used: {name} {reason}", RuntimeWarning, stacklevel=2)
    if reason or isinstance(runtime, str):
        return Verdict(name, None, reason, wrong=isinstance(reason, Fault))
    return Verdict(name, runtime, vectors=len(known_vectors()))


def _why_not(runtime: Runtime) -> str:
    """Why a build that was loaded isn't to be used, tried on every vector; nothing where it is."""
    try:
        replayer = runtime.replayer()
        if sources() not in (0, replayer.sources()):
            return Fault("is of other sources than these: `make kernels` builds it anew")
        if replayer.memory((0, 0), 1).run(np.zeros(0, np.int64)):
            return "doesn't fuse multiply-adds on this processor"
        wrong = ((vector.name, failure(replayer, vector)) for vector in known_vectors())
        return next((Fault(f"is wrong: {key}: {what}") for key, what in wrong if what), "")
    except (OSError, ValueError, MemoryError, wasmtime.WasmtimeError) as error:
        return Fault(f"can't be tried: {error}")


@functools.cache
def sources() -> int:
    """The number of the sources that were recorded, which a build must have; 0 where none are."""
    if not RECORD.exists():
        return 0
    lines = RECORD.read_text("utf-8").splitlines(keepends=True)
    of = "".join(line for line in lines if "  c/" in line)
    return int(hashlib.sha256(of.encode()).hexdigest()[:15], 16)


@functools.cache
def known_vectors() -> tuple[Vector, ...]:
    """The recorded vectors. Raises OSError, ValueError where they aren't there or unreadable."""
    return tuple(decode(VECTORS.read_bytes()))


def verdicts() -> tuple[Verdict, ...]:
    """What became of every build, the fastest first; tries those not tried yet."""
    return tuple(verdict_of(name) for name in BUILDS)


@functools.cache
def build_named(name: str) -> Runtime | str:
    """A build by its own name, untried, or why there is none that runs here."""
    native = name in _NATIVE
    path = _path(name)
    if not path.exists():
        return "isn't installed"
    if _digest(path) != hashlib.sha256(path.read_bytes()).hexdigest():
        damaged = "is damaged, or nobody recorded what it was made as"
        return Fault(f"{damaged}: `make kernels` builds it anew")
    needs = _NATIVE.get(name, 0)
    if needs:
        level = _processor()
        if level is None:
            return Fault(
                "can't be chosen: the build that tells what the processor has isn't usable"
            )
        if not needs & level:
            return "needs a newer processor"
    try:
        return NativeRuntime(name, path) if native else WasmRuntime(name, path)
    except OSError:
        return "isn't for this machine"
    except wasmtime.WasmtimeError as error:
        return Fault(f"can't be compiled: {error}")


def _digest(path: Path) -> str:
    """The SHA-256 that a build was made with: loading damaged code could end the process."""
    beside = path.with_name(f"{path.name}.sha256")
    try:
        if path.suffix != ".wasm":
            return beside.read_text("utf-8").strip()
        lines = (line.split() for line in RECORD.read_text("utf-8").splitlines())
        return next((digest for digest, name in lines if name == path.name), "")
    except (OSError, ValueError):
        return ""


def _path(name: str) -> Path:
    if name in _NATIVE:
        return _FOLDER / "build" / f"{name}{_SUFFIX}"
    return _FOLDER / f"{name}.wasm"


@functools.cache
def _processor() -> int | None:
    """What the processor has, as the builds for any processor tell; None where there is none."""
    for name in _BASELINES:
        runtime = build_named(name)
        if isinstance(runtime, NativeRuntime):
            return runtime.processor()
    return None


def builds() -> tuple[str, ...]:
    """Every build that can be tried here, the fastest first."""
    return tuple(name for name in BUILDS if not isinstance(build_named(name), str))
