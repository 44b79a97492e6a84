"""The browser's package, built once, and what a real ledger gave for it to check."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.acceptance import market
from tests.acceptance.conftest import Ledger, new_ledger
from tests.acceptance.networks import convolution

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "web" / "packages" / "verify"
KERNELS = ROOT / "src" / "synnergy" / "tensor" / "kernels"

Run = Callable[..., subprocess.CompletedProcess[str]]


def missing(what: str) -> None:
    """Skip, or fail where the package must be tested."""
    if os.environ.get("SYNNERGY_REQUIRE_NODE"):
        pytest.fail(f"{what}, and SYNNERGY_REQUIRE_NODE is set")
    pytest.skip(f"NOT TESTED in a browser and in Node: {what}")


def node_version() -> int:
    """The major version of node, 0 where there is none, or no npm beside it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return 0
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.strip().removeprefix("v").split(".")[0])


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs a command in the built package; extra keywords are variables of the environment."""
    if node_version() < 20:
        missing("there is no node of version 20 or newer with npm")
    if not (KERNELS / "wasm-plain.wasm").exists():
        missing("the kernels are not built")

    def command(*words: str | Path, **variables: str | Path) -> subprocess.CompletedProcess[str]:
        given: Mapping[str, str] = {name: str(value) for name, value in variables.items()}
        return subprocess.run(
            [str(word) for word in words],
            cwd=PACKAGE,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )

    with (PACKAGE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = [("npm", "ci", "--ignore-scripts", "--no-audit")] * (not installed())
        wanted += [("npm", "run", "build")] * (not built())
        for words in wanted:
            done = command(*words)
            assert done.returncode == 0, done.stdout + done.stderr
    return command


def installed() -> bool:
    """Whether what the lock names is there already."""
    made, wanted = PACKAGE / "node_modules" / ".package-lock.json", PACKAGE / "package-lock.json"
    return made.exists() and made.stat().st_mtime >= wanted.stat().st_mtime


def built() -> bool:
    """Whether the build is newer than all it is made of: other tests may be using it."""
    made = PACKAGE / "dist" / "kernels" / "wasm-plain.wasm"
    sources = [*(PACKAGE / "src").rglob("*.ts"), *PACKAGE.glob("*.json"), *KERNELS.glob("*.wasm")]
    return made.exists() and made.stat().st_mtime >= max(one.stat().st_mtime for one in sources)


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the receipt of a call on a real ledger, and what it takes to verify it."""
    folder = tmp_path_factory.mktemp("evidence")
    ledger: Ledger = new_ledger(folder / "home")
    try:
        sale = market.sell(ledger.type, folder, "judged", convolution())
        words = (*market.invocation(market.buy(ledger.type, sale)), "--reference", "case 17")
        called = ledger.type.ask(*words)
        receipt = folder / "call.receipt"
        ledger.type.ask("receipt", "export", called["receipt"], "--out", receipt)
        shutil.copy(sale.file, folder / "model.onnx")
        shutil.copy(sale.input, folder / f"input{sale.input.suffix}")
        shutil.copy(folder / "home" / "genesis.json", folder / "genesis.json")
        assert ledger.node.stop() == 0
        yield folder
    finally:
        ledger.node.process.kill()
