"""Compiles the kernels: `build_kernels.py native wasm all NAME…`, with the pinned ziglang."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

KERNELS = Path(__file__).parents[1] / "src" / "synnergy" / "tensor" / "kernels"
COMMON = (
    *("-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-sanitize=all", "-fwrapv"),
    *("-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-s"),
)
SHARED = ["-shared", "-fPIC"]
WASM = (
    *("-nostdlib", "-Wl,--no-entry", "-Wl,--export=synnergy_run", "-Wl,--export=synnergy_lanes"),
    "-Wl,--export=__heap_base",
)
FEATURES = "generic+simd128+bulk_memory+nontrapping_fptoint+sign_ext+mutable_globals"


@dataclass(frozen=True, slots=True)
class Build:
    path: str
    flags: tuple[str, ...]


def native(name: str, target: str, processor: str, *more: str) -> tuple[str, Build]:
    return name, Build(
        f"build/{name}.so", ("-target", target, f"-mcpu={processor}", *more, *SHARED)
    )


def wasm(name: str, processor: str, *more: str) -> tuple[str, Build]:
    flags = ("-target", "wasm32-freestanding", f"-mcpu={processor}", *more, *WASM)
    return name, Build(f"{name}.wasm", flags)


BUILDS = dict(
    (
        native("native-avx512", "x86_64-linux-gnu.2.17", "x86_64_v4+avx512vnni"),
        native("native-avx2", "x86_64-linux-gnu.2.17", "x86_64_v3"),
        native("native-plain", "x86_64-linux-gnu.2.17", "x86_64", "-DSYNNERGY_PLAIN"),
        native("native-neon", "aarch64-linux-gnu.2.17", "generic"),
        wasm("wasm-relaxed", FEATURES + "+relaxed_simd"),
        wasm("wasm-plain", FEATURES, "-DSYNNERGY_PLAIN"),
    )
)


def build(name: str) -> None:
    chosen = BUILDS[name]
    path = KERNELS / chosen.path
    path.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "ziglang", "cc", *chosen.flags, *COMMON]
    subprocess.run([*command, "-o", str(path), str(KERNELS / "c" / "kernels.c")], check=True)


def main() -> None:
    wanted: list[str] = []
    for name in sys.argv[1:] or ["all"]:
        if name == "all":
            wanted += BUILDS
        elif name == "wasm":
            wanted += ["wasm-relaxed", "wasm-plain"]
        elif name == "native":
            machine = "native-neon" if platform.machine() in ("aarch64", "arm64") else None
            wanted += [machine] if machine else ["native-avx512", "native-avx2", "native-plain"]
        else:
            wanted.append(name)
    for name in wanted:
        build(name)


if __name__ == "__main__":
    main()
