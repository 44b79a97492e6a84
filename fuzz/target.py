"""What a fuzz target is, and which there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
BUILD = ROOT / "build" / "fuzz"

NAMES = (
    "decoder",
    "program",
    "assembly",
    "policy",
    "model",
    "tensors",
    "receipt",
    "proof",
    "genesis",
    "chain",
)

#: Changes bytes as the fuzzing engine does, to at most so many.
MutateBytes = Callable[[bytes, int], bytes]
Mutator = Callable[[bytes, Random, MutateBytes], bytes]


@dataclass(frozen=True)
class Target:
    """`check` raises where a promise is broken; else it says in words what became of the input.

    A new word counts as new coverage, so that the engine sees into libraries written in other
    languages. `seeds` makes whole inputs by name, `mutate` changes one so that it stays well
    formed; `dictionary` are tokens to insert. `longest` in bytes, `seconds` and `mebibytes`
    bound one input.
    """

    check: Callable[[bytes], Iterable[str]]
    seeds: Callable[[], dict[str, bytes]]
    longest: int
    mutate: Mutator | None = None
    dictionary: tuple[bytes, ...] = ()
    seconds: int = 10
    mebibytes: int = 1024


_SPECIFIC = re.compile(
    r"(?:(?<=unknown field)|(?<=of chain)|(?<=codec))[\s\S]*"
    r"|'[^']*'|`[^`]*`|\[[^]]*\]|syn1\w+|[-.\d]+"
)


def plain(message: str) -> str:
    """A message without what is this input's alone: one word for all refusals of a kind."""
    return _SPECIFIC.sub("#", message)[:100]


def load(name: str) -> Target:
    """The target of this name; imports only what it needs."""
    found = import_module(f"fuzz.targets.{name}").TARGET
    assert isinstance(found, Target)
    return found


def corpus(name: str) -> dict[str, bytes]:
    """The inputs kept in the repository, by file name."""
    folder = CORPUS / name
    if not folder.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
