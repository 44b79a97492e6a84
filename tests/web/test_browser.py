"""The page verifies a real receipt in headless Chromium, and refuses a forged one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.web.conftest import Run, missing


def test_a_page_verifies(run: Run, evidence: Path, tmp_path: Path) -> None:
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None:
        missing("there is no chromium")
    assert browser is not None
    done = run("node", "test/browser.mjs", evidence, tmp_path / "page.png", CHROMIUM=browser)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verified a receipt in chromium" in done.stdout
    assert (tmp_path / "page.png").stat().st_size > 10_000
