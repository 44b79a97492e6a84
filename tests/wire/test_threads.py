"""WIRE-1 from many threads at once: the first to decode a struct must not end the process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: Fresh structs each time, so that each time their decoders are made anew, by whoever is first.
PROGRAM = '''
import sys, threading, types
from synnergy.wire import codec

sys.setswitchinterval(1e-6)
SOURCE = """
from __future__ import annotations
from typing import Annotated
from msgspec import Meta
from synnergy.wire.codec import Struct
Short = Annotated[bytes, Meta(min_length=1, max_length=64)]
class A(Struct, frozen=True):
    a: Short
    b: Annotated[str, Meta(pattern=r"^[a-z]+$")]
    c: tuple[Short, ...]
class B(Struct, frozen=True):
    x: A
    y: tuple[A, ...]
    z: A | None
class C(Struct, frozen=True):
    p: B
    q: tuple[B, ...]
"""
for number in range(600):
    module = types.ModuleType(f"fresh{number}")
    sys.modules[module.__name__] = module
    exec(compile(SOURCE, module.__name__, "exec"), module.__dict__)
    a = module.A(b"1", "a", (b"2",))
    b = module.B(a, (a,), None)
    whole = module.C(b, (b,))
    content = codec.encode(whole)
    barrier = threading.Barrier(4)

    def decode() -> None:
        barrier.wait()
        assert codec.decode(content, module.C, 1_000) == whole
        assert codec.read_msgpack(content, module.C) == whole

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
'''


def test_the_first_to_decode_may_be_many() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, (done.returncode, done.stderr)


def test_nobody_makes_decoders_beside_the_codec() -> None:
    """msgspec's own functions make them without a lock."""
    direct = re.compile(r"msgspec\.(?:json|msgpack)\.decode\(|msgspec\.convert\(")
    alone = {
        "src/synnergy/wire/codec.py",
        "src/synnergy/client/arguments.py",
    }  # one has no threads
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if direct.search(path.read_text("utf-8"))
    }
    assert found <= alone
