"""The rules of `spec/` and those who cite them: no rule without a home, no citation of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PREFIXES = (
    "ABCI|API|CHAIN|CLIENT|CONTRACT|DET|ENG|ERASE|GAS|ID|INF|LEDGER|MKT|ML|NET|OVR|POL|RCPT|REG"
    "|SHAPE|STATE|TENSOR|TX|VM|WIRE"
)
#: "VM-3", and ranges as prose writes them: "VM-10 … VM-20", "STATE-10..12", "ML-37 to ML-41".
CITATION = re.compile(rf"\b({PREFIXES})-(\d+)(?:(?: ?(?:…|\.\.|to) ?)(?:(?:\1)-)?(\d+))?\b")
DEFINITION = re.compile(rf"\*\*({PREFIXES})-(\d+)\b")
#: Rules that no line of code can be the home of, and why.
UNCITED: dict[str, str] = {}


def rules() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for page in sorted((ROOT / "spec").glob("*.md")):
        for prefix, number in DEFINITION.findall(page.read_text("utf-8")):
            rule = f"{prefix}-{number}"
            assert rule not in found, f"{rule} is in {found[rule].name} and in {page.name}"
            found[rule] = page
    return found


def sources() -> list[Path]:
    kinds = (".py", ".toml", ".md", ".cedar", ".cedarschema", ".mjs")
    folders = ("src", "tests", "tools", "docs", "bench")
    files = [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in kinds and "__pycache__" not in path.parts
    ]
    return [path for path in files if path != Path(__file__)]


def cited_in(text: str) -> set[str]:
    found: set[str] = set()
    for prefix, first, last in CITATION.findall(text):
        numbers = range(int(first), int(last) + 1) if last else (int(first),)
        found |= {f"{prefix}-{number}" for number in numbers}
    return found


RULES = rules()


def test_there_are_rules() -> None:
    assert len(RULES) > 150
    assert {rule.split("-")[0] for rule in RULES} == set(PREFIXES.split("|"))


def test_the_overview_names_every_page() -> None:
    overview = (ROOT / "spec" / "README.md").read_text("utf-8")
    for page in set(RULES.values()):
        assert f"({page.name})" in overview, page.name
    for prefix in {rule.split("-")[0] for rule in RULES}:
        assert re.search(rf"\b{prefix}\b", overview), prefix


def test_every_cited_rule_exists() -> None:
    for path in [*sources(), *sorted((ROOT / "spec").glob("*.md"))]:
        text = path.read_text("utf-8")
        for prefix, first, last in CITATION.findall(text):
            for number in {first, last} - {""}:
                rule = f"{prefix}-{number}"
                assert rule in RULES, f"{path.relative_to(ROOT)} cites {rule}"


def test_every_rule_is_cited_by_code() -> None:
    cited: set[str] = set()
    for path in sources():
        if path.relative_to(ROOT).parts[0] in ("src", "tests"):
            cited |= cited_in(path.read_text("utf-8"))
    uncited = sorted(RULES.keys() - cited - UNCITED.keys())
    assert uncited == []


def test_exceptions_are_still_needed() -> None:
    assert UNCITED.keys() <= RULES.keys()
    assert all(UNCITED.values())


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("# VM-3", {"VM-3"}),
        ("(TX-1 … TX-3)", {"TX-1", "TX-2", "TX-3"}),
        ("STATE-10..12", {"STATE-10", "STATE-11", "STATE-12"}),
        ("ML-37 to ML-39.", {"ML-37", "ML-38", "ML-39"}),
        ("MKT-6, MKT-7", {"MKT-6", "MKT-7"}),
        ("UTF-8, SHA-256", set()),
    ],
)
def test_citations_are_understood(text: str, rules: set[str]) -> None:
    assert cited_in(text) == rules
