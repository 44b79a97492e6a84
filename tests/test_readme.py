"""The README's session runs as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_session_of_the_readme_runs() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"<!-- session -->\n```bash\n(.*?)```", text, re.DOTALL)
    assert found is not None
    script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + found[1]
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the receipt holds" in done.stdout
