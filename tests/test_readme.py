"""The README's session runs as it stands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_session_of_the_readme_runs() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"<!-- session -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found is not None
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + found[1]
    clean = {name: value for name, value in os.environ.items() if "SYNNERGY" not in name}
    session = subprocess.Popen(
        ["bash", "-c", script],
        cwd=ROOT,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = session.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session.pid, signal.SIGKILL)
    assert session.returncode == 0, said + complained
    assert "the receipt holds" in said
