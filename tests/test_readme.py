"""The sessions of the README and of docs/ run as they stand."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def block(page: str, name: str) -> str:
    """The shell block of a page that is marked by this name."""
    text = (ROOT / page).read_text("utf-8")
    found = re.search(rf"<!-- {name} -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found is not None, (page, name)
    return found[1]


def play(session: str) -> str:
    """Run a session in a clean environment; what it printed. Nothing of it is left behind."""
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + session
    clean = {name: value for name, value in os.environ.items() if "SYNNERGY" not in name}
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=ROOT,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = shell.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, out + err
    return out


def test_the_session_of_the_readme_runs() -> None:
    assert "the receipt holds" in play(block("README.md", "session"))


def test_the_session_of_the_contracts_page_runs() -> None:
    """Where the README's has put the model on sale."""
    on_sale = block("README.md", "session").split("licence=")[0]
    page = "docs/contracts.md"
    # Another port than the README's, so that both may run at a time.
    script = (on_sale + block(page, "helpers") + block(page, "session")).replace(
        "synnergy start", "export SYNNERGY_NODE=http://127.0.0.1:7071\nsynnergy start"
    )
    out = play(script.replace("127.0.0.1:7070", "127.0.0.1:7071"))
    assert re.search(r"output\s+01\b", out), out
