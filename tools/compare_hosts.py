"""Runs the same programs on other hosts: `compare_hosts.py node aarch64 [--every]`.

node: both WASM modules on V8, by the runner of web/packages/verify. aarch64: kernels compiled for
NEON in a static program of their own, under qemu, by one thread and by three. Each compares every
result with the reference's. --every: the cases of ONNX's node tests too, else this package's own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import build_kernels

from synnergy.tensor.environment import quiet
from synnergy.tensor.kernels.vectors import Vector, encode
from synnergy.tensor.recording import record
from synnergy.tensor.selftest import check
from synnergy.tensor.selftest.case import Case
from synnergy.tensor.selftest.models import models
from synnergy.tensor.selftest.operators import operators
from synnergy.tensor.types import BadInput, Unsupported

ROOT = Path(__file__).resolve().parents[1]
RUNNER = ROOT / "web" / "packages" / "verify" / "bin" / "run-cases.mjs"
HARNESS = Path(__file__).with_name("harness.c")
EMULATOR = "qemu-aarch64-static"
#: Files of vectors are about this long, in bytes: hosts read one whole.
FILE_BYTES = 16 << 20


@quiet
def vectors_of(cases: Iterator[Case]) -> Iterator[Vector]:
    """A vector for each run that kernels do whole."""
    for case in cases:
        try:
            plan = check.plan_of(case)
        except Unsupported:
            continue
        for place, feed in enumerate(case.feeds):
            try:
                vector = record(f"{case.name}#{place}", plan, feed)
            except BadInput:
                continue
            if vector is not None:
                yield vector


def write_files(folder: Path, vectors: Iterator[Vector]) -> list[Path]:
    """Files of vectors, none much longer than FILE_BYTES."""
    files: list[Path] = []
    batch: list[Vector] = []
    size = 0
    for vector in chain(vectors, [None]):
        if batch and (vector is None or size > FILE_BYTES):
            files.append(folder / f"{len(files)}.bin")
            files[-1].write_bytes(encode(batch))
            batch, size = [], 0
        if vector is not None:
            batch.append(vector)
            size += len(encode([vector]))
    return files


def node(files: list[Path], folder: Path) -> bool:
    """Whether V8 agrees on every vector."""
    del folder
    command = ["node", str(RUNNER), "--wasm", str(build_kernels.KERNELS)]
    return _every([[*command, str(path)] for path in files])


def aarch64(files: list[Path], folder: Path) -> bool:
    """Whether NEON agrees on every vector."""
    target = ("-target", "aarch64-linux-musl", *build_kernels.AARCH64["native-neon"], "-static")
    program = build_kernels.compile_to(folder / "harness", target, HARNESS)
    return _every(
        [[EMULATOR, str(program), str(path), threads] for threads in ("1", "3") for path in files]
    )


def _every(commands: list[list[str]]) -> bool:
    """Whether all of them succeed; each is run."""
    failed = [command for command in commands if subprocess.run(command).returncode]
    return not failed


HOSTS = {"node": ("node", node), "aarch64": (EMULATOR, aarch64)}


def missing(host: str) -> str:
    """What a comparison with this host lacks here; empty where it can be made."""
    needed = HOSTS[host][0]
    if shutil.which(needed) is None:
        return f"{needed} isn't installed"
    if host == "node" and not (RUNNER.parents[1] / "dist").exists():
        return f"{RUNNER.parents[1].relative_to(ROOT)} isn't built"
    if host == "aarch64" and not build_kernels.have_compiler():
        return "ziglang isn't installed"
    return ""


def compare(host: str, every: bool) -> bool:
    """Whether a host gives the reference's bits; its own output tells of the cases."""
    cases = check.cases() if every else chain(operators(), models())
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), vectors_of(cases))
        return bool(files) and HOSTS[host][1](files, Path(folder))


def main() -> int:
    hosts = [word for word in sys.argv[1:] if word != "--every"] or list(HOSTS)
    failed: list[str] = []
    for host in hosts:
        lacking = missing(host)
        if lacking:
            print(f"NOT COMPARED with {host}: {lacking}")
        if lacking or not compare(host, "--every" in sys.argv[1:]):
            failed.append(host)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
