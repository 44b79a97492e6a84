"""`synnergy contract assemble` and `disassemble`: programs in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from synnergy.client.programs import BadAssembly, read_program
from synnergy.gas.schedule import load_schedule
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.vm.templates import template
from tests.cli.support import run

TEXT = """
memory 1
func main
    i64_const 0, i64_const 4, output_set
end
"""
CONST, OUTPUT = (instruction("CORE_I64_CONST", number) for number in (0, 4)), "CORE_OUTPUT_SET"
PROGRAM = encode_program(program(function(*CONST, instruction(OUTPUT)), memory_pages=1))
SCHEDULE = load_schedule(1)


def test_there_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, binary, again = (tmp_path / name for name in ("a.snasm", "a.bin", "b.snasm"))
    source.write_text(TEXT)
    done = run(capsys, "contract", "assemble", source, "--out", binary, "--json")
    assert done.code == 0 and done.json == {"file": str(binary), "bytes": len(PROGRAM)}
    assert binary.read_bytes() == PROGRAM
    shown = run(capsys, "contract", "disassemble", binary)
    again.write_text(shown.out)
    assert run(capsys, "contract", "assemble", again, "--out", binary).code == 0
    assert binary.read_bytes() == PROGRAM


def test_a_program_is_shown_from_bytes_and_hexadecimal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = template("MODEL_PUBLISH")
    path = tmp_path / "program"
    shown: list[str] = []
    for content in (code, code.hex().encode(), f"  0x{code.hex().upper()}\n".encode()):
        path.write_bytes(content)
        shown.append(run(capsys, "contract", "disassemble", path, "--json").json["assembly"])
    for given in (code.hex(), "0x" + code.hex()):
        shown.append(run(capsys, "contract", "disassemble", given, "--json").json["assembly"])
    assert len(set(shown)) == 1 and "\n    model_publish\n" in shown[0]


def test_all_mistakes_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, binary = tmp_path / "bad.snasm", tmp_path / "bad.bin"
    source.write_text("func main\n  i64_cost 1\n  drop 2\nend\n")
    done = run(capsys, "contract", "assemble", source, "--out", binary)
    first = f"{source}:2:3: there is no instruction i64_cost; did you mean i64_const?"
    assert done.code == 1 and not binary.exists()
    assert done.out.splitlines()[0] == first and len(done.out.splitlines()) == 2
    assert done.err == f"error: {first} (and 1 more) (bad_assembly)\n"
    error = run(capsys, "contract", "assemble", source, "--out", binary, "--json").json["error"]
    assert [(one["line"], one["column"]) for one in error["mistakes"]] == [(2, 3), (3, 8)]
    source.write_text("func main\n  drop\nend\n")
    error = run(capsys, "contract", "assemble", source, "--out", binary, "--json").json["error"]
    assert error["message"] == f"{source}:2:3: 1 operands needed (VM-6)"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x93", "malformed"),
        (b"\x93\x00\x90\x90", "malformed"),
        (b"93", "malformed"),
        (b"93zz", "bad_file"),
        (b"\xff\xfe", "bad_file"),
        (b"", "bad_file"),
        (b"hello", "bad_file"),
        (PROGRAM + b"\x00", "malformed"),
        (encode_program(program(function(b"\xff\xff\xff"))), "unknown_opcode"),
    ],
)
def test_what_is_no_program_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    done = run(capsys, "contract", "disassemble", path, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, code)


@pytest.mark.parametrize("name", ["nowhere", "93" * 5_000, "", "."])
def test_what_is_no_file_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    done = run(capsys, "contract", "disassemble", name, "--json")
    assert done.code == 1 and done.json["error"]["code"] in (
        "unreadable_file",
        "malformed",
        "bad_file",
    )


def test_any_form_is_read_and_verified(tmp_path: Path) -> None:
    path = tmp_path / "program"
    for content in (
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        PROGRAM,
        PROGRAM.hex().encode(),
    ):
        path.write_bytes(content)
        assert read_program(path, SCHEDULE) == PROGRAM
    unverified = encode_program(program(function(instruction("CORE_DROP"))))
    path.write_bytes(unverified)
    with pytest.raises(Exception, match="1 operands needed") as refused:
        read_program(path, SCHEDULE)
    assert refused.value.rule == "VM-6"
    path.write_text("func main\n  drop\nend")
    with pytest.raises(BadAssembly, match=":2:3: 1 operands needed"):
        read_program(path, SCHEDULE)
    path.write_bytes(b" " * (1 << 22) + b" ")
    with pytest.raises(Exception, match="at most 4194304 are assembled"):
        read_program(path, SCHEDULE)
