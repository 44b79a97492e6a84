"""Compiles the kernels with the pinned ziglang: `build_kernels.py native wasm all NAME…`.

`native` is for this machine, in place; `wasm` the modules that are committed, `record` writes what
they were compiled from, `check` compiles them anew and compares. The package's own
build compiles for the platform of a wheel by the same lists.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import fused_wasm

KERNELS = Path(__file__).resolve().parents[1] / "src" / "synnergy" / "tensor" / "kernels"
SOURCE = KERNELS / "c" / "kernels.c"
#: What was compiled to what, committed beside the modules.
RECORD = KERNELS / "kernels.sha256"
COMMON = (
    *("-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-sanitize=all", "-fwrapv"),
    *("-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-s"),
    f"-ffile-prefix-map={KERNELS}=.",
)
WASM_LINK = (
    *("-nostdlib", "-Wl,--no-entry", "-Wl,--export=synnergy_run", "-Wl,--export=synnergy_call"),
    *("-Wl,--export=synnergy_lanes", "-Wl,--export=synnergy_sources"),
    "-Wl,--export=__heap_base",
)
WASM_TARGET = ("-target", "wasm32-freestanding")
WASM_FEATURES = "generic+simd128+bulk_memory+nontrapping_fptoint+sign_ext+mutable_globals"
#: The committed modules, by name.
WASM = {
    "wasm-relaxed": (
        *(f"-mcpu={WASM_FEATURES}", "-DSYNNERGY_RELAXED"),
        *(str(KERNELS / "c" / "fused.c"), "-Wl,--export=synnergy_fused"),
    ),
    "wasm-plain": (f"-mcpu={WASM_FEATURES}", "-DSYNNERGY_PLAIN"),
}
#: Builds for one instruction set, the fastest first.
X86_64 = {
    "native-avx512": ("-mcpu=x86_64_v4+avx512vnni",),
    "native-avx2": ("-mcpu=x86_64_v3",),
    "native-plain": ("-mcpu=x86_64", "-DSYNNERGY_PLAIN"),
}
AARCH64 = {"native-neon": ("-mcpu=generic",)}


@dataclass(frozen=True, slots=True)
class Platform:
    """A kind of machine. tag: what a wheel for it is marked with; levels: builds by name."""

    target: str
    suffix: str
    tag: str
    levels: dict[str, tuple[str, ...]]


_MANYLINUX = "manylinux_2_17_{0}.manylinux2014_{0}"
PLATFORMS = {
    "linux-x86_64": Platform("x86_64-linux-gnu.2.17", ".so", _MANYLINUX.format("x86_64"), X86_64),
    "linux-aarch64": Platform(
        "aarch64-linux-gnu.2.17", ".so", _MANYLINUX.format("aarch64"), AARCH64
    ),
    "macos-arm64": Platform("aarch64-macos.11.0", ".dylib", "macosx_11_0_arm64", AARCH64),
    "macos-x86_64": Platform("x86_64-macos.11.0", ".dylib", "macosx_11_0_x86_64", X86_64),
    "windows-x86_64": Platform("x86_64-windows-gnu", ".dll", "win_amd64", X86_64),
}
#: Linux with another C library than glibc: for this machine alone, not for a wheel elsewhere.
MUSL = {
    "linux-x86_64": Platform("x86_64-linux-musl", ".so", "linux_x86_64", X86_64),
    "linux-aarch64": Platform("aarch64-linux-musl", ".so", "linux_aarch64", AARCH64),
}


def this_platform() -> Platform | None:
    """What this machine is; None where there are no native kernels for it."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(
        platform.machine().lower(), platform.machine().lower()
    )
    if sys.platform == "darwin":
        return PLATFORMS.get({"aarch64": "macos-arm64"}.get(machine, f"macos-{machine}"))
    if sys.platform == "win32":
        return PLATFORMS.get(f"windows-{machine}")
    if not sys.platform.startswith("linux") or sys.maxsize < 1 << 32:
        return None
    known = PLATFORMS if platform.libc_ver()[0] == "glibc" else MUSL
    return known.get(f"linux-{machine}")


def source_lines() -> list[str]:
    """The sources by their SHA-256, a line each as sha256sum reads them."""
    files = sorted((KERNELS / "c").iterdir(), key=lambda path: path.name)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return [f"{digest}  c/{path.name}\n" for digest, path in zip(digests, files, strict=True)]


def sources() -> int:
    """A number for the sources as they are, which every build answers when asked for its own."""
    return int(hashlib.sha256("".join(source_lines()).encode()).hexdigest()[:15], 16)


def have_compiler() -> bool:
    return importlib.util.find_spec("ziglang") is not None


def compile_to(path: Path, flags: tuple[str, ...], source: Path = SOURCE) -> Path:
    """Compile one build. Raises CalledProcessError; the compiler says why on stderr."""
    path.parent.mkdir(parents=True, exist_ok=True)
    of = f"-DSYNNERGY_SOURCES={sources()}LL"
    command = [sys.executable, "-m", "ziglang", "cc", *flags, *COMMON, of]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name  # beside a library a linker may leave other files
        environment = dict(os.environ)
        if not ({"HOME", "LOCALAPPDATA", "ZIG_GLOBAL_CACHE_DIR"} & environment.keys()):
            environment["ZIG_GLOBAL_CACHE_DIR"] = folder
        subprocess.run([*command, "-o", str(made), str(source)], check=True, env=environment)
        partial = path.with_name(path.name + ".new")
        partial.write_bytes(made.read_bytes())
        partial.chmod(0o644 if path.suffix == ".wasm" else 0o755)
        if path.suffix != ".wasm":  # those are in RECORD
            beside = path.with_name(path.name + ".sha256")
            beside.write_text(hashlib.sha256(made.read_bytes()).hexdigest() + "\n", "utf-8")
        partial.replace(path)  # whoever has the old one open keeps it
    return path


def build_native(kind: Platform, folder: Path) -> list[Path]:
    """Every level of a platform."""
    return [build_level(kind, name, folder) for name in kind.levels]


def build_level(kind: Platform, name: str, folder: Path) -> Path:
    position = () if kind.suffix == ".dll" else ("-fPIC",)
    flags = ("-target", kind.target, *kind.levels[name], "-shared", *position)
    return compile_to(folder / f"{name}{kind.suffix}", flags)


def build_wasm(name: str, folder: Path) -> Path:
    made = compile_to(folder / f"{name}.wasm", (*WASM_TARGET, *WASM[name], *WASM_LINK))
    if name == "wasm-relaxed":
        made.write_bytes(fused_wasm.fuse(made.read_bytes()))
    return made


def build(name: str) -> None:
    """A build by its name, in place."""
    if name in WASM:
        build_wasm(name, KERNELS)
        return
    here = this_platform()
    every = [kind for kind in (here, *PLATFORMS.values()) if kind is not None]
    kind = next((kind for kind in every if name in kind.levels), None)
    if kind is None:
        sys.exit(f"no build is called {name}")
    build_level(kind, name, KERNELS / "build")


def recorded() -> str:
    """The sources and the committed modules by their SHA-256, as sha256sum reads them."""
    modules = [KERNELS / f"{name}.wasm" for name in sorted(WASM)]
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in modules]
    return "".join((*source_lines(), *lines))


def check_committed() -> None:
    """Exit unless the modules here are what their sources compile to, and recorded as such."""
    with tempfile.TemporaryDirectory() as folder:
        for name in WASM:
            committed = (KERNELS / f"{name}.wasm").read_bytes()
            if build_wasm(name, Path(folder)).read_bytes() != committed:
                sys.exit(f"{name}.wasm is not what its sources compile to; run `make kernels`")
    if RECORD.read_text("utf-8") != recorded():
        sys.exit(f"{RECORD.name} is stale; run `make kernels`")


def check_portable() -> None:
    """That the source compiles for the platforms that this machine isn't."""
    with tempfile.TemporaryDirectory() as folder:
        for name, level in (
            *(("macos-x86_64", "native-plain"), ("macos-arm64", "native-neon")),
            ("windows-x86_64", "native-plain"),
        ):
            build_level(PLATFORMS[name], level, Path(folder))


def main() -> None:
    if not have_compiler():
        print("ziglang isn't installed: nothing is compiled, and WASM runs everything")
        return
    here = this_platform()
    native = list(here.levels) if here is not None else []
    every = [*dict.fromkeys((*native, *X86_64, *AARCH64))]
    groups = {"native": native, "wasm": list(WASM), "all": [*every, *WASM]}
    for word in sys.argv[1:] or ["all"]:
        if word == "check":
            check_committed()
            continue
        if word == "record":
            RECORD.write_text(recorded(), "utf-8")
            continue
        for name in groups.get(word, [word]):
            build(name)
        if word == "all":
            check_portable()


if __name__ == "__main__":
    main()
