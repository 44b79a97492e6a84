"""What holds for the repository as a whole: nothing unfinished, nothing of somebody's machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Made by tools, from data or by hand as data.
GENERATED = (
    re.compile(r"^requirements/.*\.lock$"),
    re.compile(r"^docs/reference/"),
    re.compile(r"\.json$"),
    re.compile(r"\.onnx$"),
    re.compile(r"_pb2\.pyi?$"),
    re.compile(r"^fuzz/corpus/"),
)
LONGEST = 500
#: Longer than that, and why it hides no second idea.
LONG: dict[str, str] = {
    "tools/estimator_cases.py": "a list of estimators, one entry after the other",
}
#: Written so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b|raise NotImplemented" r"Error")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" r"rk|ho" r"me/|ro" r"ot/|tm" r"p/)")
#: Where packages come from is the machine's affair, not the project's.
REGISTRIES = re.compile(
    r"py" r"pi\.org|pythonhos" r"ted|npm" r"js|crates" r"\.io|artifac" r"tory|index" r"-url",
    re.IGNORECASE,
)
CRLF = b"\r\n"


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


FILES = tracked()


def is_generated(name: str) -> bool:
    return any(pattern.search(name) for pattern in GENERATED)


def texts() -> list[tuple[str, str]]:
    """Every tracked file that is text and that somebody wrote."""
    found: list[tuple[str, str]] = []
    for name in FILES:
        if is_generated(name) or name == "tests/test_repository.py":
            continue
        try:
            found.append((name, (ROOT / name).read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def lines_with(pattern: re.Pattern[str], *, among: str = "") -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        if re.search(among, name)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    assert lines_with(UNFINISHED) == []


def test_no_machines_paths() -> None:
    """Except where a test or tool makes folders of its own, by asking the system for one."""
    assert lines_with(MACHINE_PATHS) == []


def test_no_package_registries() -> None:
    found = lines_with(REGISTRIES)
    # The lock files are written without addresses, which takes the name of the option.
    assert [line for line in found if "--no-emit-index-url" not in line] == []
    for name in FILES:
        if name.endswith(".lock"):
            assert not REGISTRIES.search((ROOT / name).read_text("utf-8")), name


@pytest.mark.parametrize("name", ["runtime", "demo", "dev"])
def test_locks_pin_every_package_by_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.lock").read_text("utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", text.strip(), flags=re.IGNORECASE)
    assert len(entries) > 5
    for entry in entries:
        if not entry.startswith("#"):
            assert "==" in entry and "--hash=sha256:" in entry, entry.splitlines()[0]


def test_files_stay_small() -> None:
    long = {
        name: count
        for name, text in texts()
        if (count := len(text.splitlines())) > LONGEST and name not in LONG
    }
    assert long == {}
    assert all((ROOT / name).is_file() for name in LONG)


def test_files_end_in_one_newline() -> None:
    for name, text in texts():
        assert "\r\n" not in text, name
        assert not text or (text.endswith("\n") and not text.endswith("\n\n")), name


def test_no_empty_folders_of_code() -> None:
    for folder in sorted({path.parent for path in (ROOT / "src").rglob("*.py")}):
        assert (folder / "__init__.py").is_file() or folder == ROOT / "src", folder


def test_no_secrets_are_tracked() -> None:
    for name in FILES:
        assert not re.search(r"node_key\.json$|/keystore/|\.pem$|\.key$|data\.mdb$", name), name


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_consensus_code_is_deterministic() -> None:
    """DET-1"""
    done = run("tools/determinism_lint.py")
    assert done.returncode == 0, done.stdout


BANNED = {
    "import time": "imports time",
    "import random": "imports random",
    "from os import environ": "imports os",
    "import socket": "imports socket",
    "x = hash('a')": "calls hash()",
    "x = id([])": "calls id()",
    "x = 1.5": "has the float",
    "x = 3 / 2": "divides with /",
    "x = float('1')": "makes a float",
    "for x in {1, 2}: pass": "iterates over a set",
    "x = list({1, 2})": "iterates over a set",
    "x = [y for y in set('ab')]": "iterates over a set",
    "s = set('ab')\nfor x in s: pass": "iterates over a set",
}


@pytest.mark.parametrize("code", BANNED)
def test_the_determinism_lint_sees_what_it_bans(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DET-1: a lint that finds nothing proves nothing."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import determinism_lint
    finally:
        sys.path.pop(0)
    monkeypatch.setattr(determinism_lint, "ROOT", tmp_path)
    path = tmp_path / "chain" / "sample.py"
    path.parent.mkdir()
    path.write_text(code + "\n", "utf-8")
    problems = list(determinism_lint.problems_in(path))
    assert any(BANNED[code] in problem for problem in problems), problems
    path.write_text("x = 3 // 2\nfor y in sorted({1, 2}): pass\n", "utf-8")
    assert list(determinism_lint.problems_in(path)) == []


def test_layers_import_only_those_below() -> None:
    script = "from importlinter.cli import lint_imports_command as run; run()"
    done = run("-c", script)
    assert done.returncode == 0 and " 0 broken" in done.stdout, done.stdout
