"""The text of programs: the language of docs/assembly.md, there and back again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy import opcodes
from synnergy.gas.schedule import load_schedule
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.vm.assembly import (
    MAX_MISTAKES,
    Assembled,
    Mistake,
    assemble,
    check,
    mnemonic,
)
from synnergy.vm.disassembly import disassemble
from synnergy.vm.program import (
    Function,
    Program,
    Segment,
    decode_program,
    encode_program,
    function,
    immediate_of,
    instruction,
    program,
)
from synnergy.vm.templates import template

from .generator import random_program
from .samples import SAMPLES
from .support import FakeHost, const, core, get, put, run

assert opcodes.__all__
PRICES = load_schedule(1).program_prices
PAGE = (Path(__file__).parents[2] / "docs" / "assembly.md").read_text("utf-8")


def assembled(source: str) -> Program:
    result = assemble(source)
    assert isinstance(result, Assembled), result
    return result.program


def code(*lines: str, header: str = "") -> bytes:
    """The bytes of these instructions in function `main`."""
    return assembled("\n".join([f"func main {header}", *lines])).functions[0].code


def mistakes(source: str) -> list[str]:
    result = assemble(source)
    if isinstance(result, Assembled):
        found = check(result, PRICES)
        assert found is not None, "the text is all right"
        return [str(found)]
    return [str(mistake) for mistake in result]


def example() -> str:
    (text,) = re.findall(r"```snasm\n(.*?)```", PAGE, re.DOTALL)
    return text


def test_the_documented_example_does_what_it_says() -> None:
    result = assemble(example())
    assert isinstance(result, Assembled) and check(result, PRICES) is None
    host = FakeHost({})
    for number, total in ((5, 5), (2**63, 2**63 + 5), (0, 2**63 + 5)):
        outcome = run(result.program, number.to_bytes(8, "little"), host=host)
        expected = total.to_bytes(8, "little")
        assert (outcome.status, outcome.output) == ("ok", expected)
        assert host.storage == {b"sum": expected}
        assert host.events[-1] == ("sum.grew", expected)
    assert run(result.program, b"\xff" * 8, host=host).status == "trap"
    short = run(result.program, b"seven..", host=host)
    assert (short.status, short.output) == ("reverted", b"give 8 bytes")
    assert len(host.events) == 3


def test_the_documented_mistake_is_told_like_that() -> None:
    wrong = example().replace("    i64_store64\n", "    i64_sotre64\n")
    (message,) = re.findall(r"^tally\.snasm:(.*)$", PAGE, re.MULTILINE)
    assert mistakes(wrong) == [message]


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_random_programs_there_and_back(seed: int) -> None:
    there_and_back(random_program(seed))


def there_and_back(original: Program) -> None:
    text = disassemble(original)
    assert isinstance(text, str)
    assert encode_program(assembled(text)) == encode_program(original)
    assert disassemble(assembled(text)) == text


def test_samples_and_templates_there_and_back() -> None:
    for sample, _ in SAMPLES.values():
        there_and_back(sample)
    verbs = catalogue.domain()
    assert len(verbs) > 10
    for verb in verbs:
        decoded = decode_program(template(verb.name))
        assert isinstance(decoded, Program)
        text = disassemble(decoded)
        assert isinstance(text, str) and verb.name.lower() in text
        there_and_back(decoded)


INSTRUCTIONS = st.sampled_from([*catalogue.core(), *catalogue.domain()]).flatmap(
    lambda opcode: (
        st.just(instruction(opcode.name))
        if immediate_of(opcode).width == 0
        else st.builds(
            lambda immediate: instruction(opcode.name, immediate),
            st.integers(0, {8: 2**64 - 1, 4: 2**32 - 1, 1: 1}[immediate_of(opcode).width])
            | st.integers(0, 1),
        )
    )
)
FUNCTIONS = st.builds(
    Function,
    st.integers(0, 256),
    st.integers(0, 1),
    st.integers(0, 256),
    st.lists(INSTRUCTIONS, max_size=25).map(b"".join),
)
SEGMENTS = st.builds(Segment, st.integers(0, 2**22 - 1), st.binary(min_size=1, max_size=100))


@given(
    st.builds(
        Program,
        st.integers(0, 64),
        st.lists(FUNCTIONS, min_size=1, max_size=4).map(tuple),
        st.lists(SEGMENTS, max_size=3).map(tuple),
    )
)
@settings(max_examples=300, deadline=None)
def test_even_what_no_verifier_takes_there_and_back(original: Program) -> None:
    """Whoever is shown a strange program sees all of it."""
    there_and_back(original)


def test_code_that_is_none_has_no_text() -> None:
    refused = disassemble(program(function(), Function(0, 0, 0, core("NOP") + b"\xff\xff\xff")))
    assert isinstance(refused, Rejected)
    assert refused.message.startswith("function 1, at 3:")


def test_every_opcode_has_its_own_mnemonic() -> None:
    every = [mnemonic(opcode) for opcode in (*catalogue.core(), *catalogue.domain())]
    assert len(every) == len(set(every))
    assert not {"memory", "const", "data", "func", "params", "results", "locals"} & set(every)


def test_numbers() -> None:
    for text, value in {
        "0": 0,
        "007": 7,
        "1_000": 1_000,
        "0xFF_ff": 0xFFFF,
        "-1": -1,
        "-0x8000000000000000": -(2**63),
        "18446744073709551615": 2**64 - 1,
    }.items():
        assert code(f"i64_const {text}") == const(value)


def test_names_of_all_kinds() -> None:
    source = """
        const A 7
        func main params x y locals z
          local_get x, local_set y
          local_tee z
          i64_const A
          i64_load8_u A, i64_load8_u
          call other, call 1, call main
        func other
    """
    expected = (
        *(get(0), put(1), core("LOCAL_TEE", 2), const(7)),
        *(core("I64_LOAD8_U", 7), core("I64_LOAD8_U", 0)),
        *(core("CALL", 1), core("CALL", 1), core("CALL", 0)),
    )
    first, second = assembled(source).functions
    assert first == Function(2, 0, 1, b"".join(expected))
    assert second == Function(0, 0, 0, b"")


def test_labels_count_from_the_innermost() -> None:
    lines = ("block a results 1", "loop b", "if", "br b, br_if a, br 2, br 7", "end", "br b")
    expected = (
        *(core("BLOCK", 1), core("LOOP", 0), core("IF", 0)),
        *(core("BR", 1), core("BR_IF", 2), core("BR", 2), core("BR", 7)),
        *(core("END"), core("BR", 0)),
    )
    assert code(*lines) == b"".join(expected)
    # A label is free again once its construct is closed.
    again = ("block a", "end", "block a", "br a", "end")
    assert code(*again) == b"".join(
        (core("BLOCK", 0), core("END"), core("BLOCK", 0), core("BR", 0), core("END"))
    )


def test_headers() -> None:
    for header, shape in {
        "": (0, 0, 0),
        "params 3": (3, 0, 0),
        "results 1": (0, 1, 0),
        "locals 2 params a b": (2, 0, 2),
        "results 0 locals i": (0, 0, 1),
        "params locals": (0, 0, 0),
    }.items():
        declared = assembled(f"func main {header}").functions[0]
        assert (declared.parameters, declared.results, declared.locals) == shape


def test_locals_follow_parameters_in_any_order() -> None:
    assert code("local_get a", "local_get i", header="locals i params a") == get(0) + get(1)


def test_data() -> None:
    source = r"""
        memory 1
        const AT 0x10
        data 0 "a;b,c\00\ff\"\\\n\r\té"   ; comment
        data NAME AT x"00 fF" "text"
            "more" x""
        func main
          i64_const NAME, i64_const NAME.size
    """
    result = assembled(source)
    assert result.data == (
        Segment(0, b'a;b,c\x00\xff"\\\n\r\t' + "é".encode()),
        Segment(16, b"\x00\xfftextmore"),
    )
    assert result.memory_pages == 1
    assert result.functions[0].code == const(16) + const(10)


def test_lines_of_other_systems_and_no_text_at_all() -> None:
    assert code("nop\r", "\tnop ; x\r") == core("NOP") * 2
    for empty in ("", "\n\n", "; nothing", "memory 1"):
        assert mistakes(empty) == ["1:1: there is no function: begin one with func NAME"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nop", "1:1: nop stands outside a function"),
        ("memroy 1", "1:1: memroy stands outside a function; did you mean memory?"),
        ("memory 65", "1:8: 65 is not in 0 … 64"),
        ("memory", "1:1: memory takes one number, of pages of 64 KiB"),
        ("memory 1\nmemory 1", "2:1: memory is given twice"),
        ("const A", "1:1: a constant is const NAME VALUE"),
        ("const 1a 1", "1:7: 1a can't name a constant"),
        ("const A 18446744073709551616", "1:9: 18446744073709551616 is not in"),
        ("const A " + "9" * 5_000, "1:9: 9999"),
        ("const A 1\nconst A 2", "2:7: A is defined twice"),
        ("const A B", "1:9: B is neither a number nor a constant"),
        ("const WIDTH 1\nmemory WIDHT", "2:8: WIDHT is neither a number nor a constant; did you"),
        ("const A 0x", "1:9: 0x is neither"),
        ("const A 1__2", "1:9: 1__2 is neither"),
        ("const A _1", "1:9: _1 is neither"),
        ('data "a"', "1:1: data is data ADDRESS"),
        ('data 0 1 2 "a"', "1:1: data is data ADDRESS"),
        ('data 0 "a" 1', "1:1: data is data ADDRESS"),
        ("data 0", "1:1: the data has no bytes"),
        ('data 0 ""', "1:1: the data has no bytes"),
        ('data 4194304 "a"', "1:6: 4194304 is not in 0 … 4194303"),
        ('data 0 "a', "1:8: the string isn't closed"),
        ('data 0 "a\\"', "1:8: the string isn't closed"),
        ('data 0 "ab\\q"', "1:11: there is no escape \\q, only"),
        ('data 0 "\\0"', '1:9: there is no escape \\0, only'),
        ('data 0 x"0"', '1:8: x"0" isn\'t pairs of hexadecimal digits'),
        ('data A 0 "a"\ndata A 1 "b"', "2:6: A is defined twice"),
        ('const A.size 1\ndata A 0 "a"', "2:6: A.size is defined twice"),
        ("\n".join(f'data {at} "x"' for at in range(65)), "65:1: there are more than 64 segments"),
        ('"a"', '1:1: "a" stands outside a function'),
        ("func", "1:1: a function needs a name: func NAME"),
        ("func 1", "1:6: 1 can't name a function"),
        ("func a\nend\nfunc a\nend", "3:6: there are two functions a"),
        ("func a parms x", "1:8: parms should be params, results or locals; did you mean params?"),
        ("func a params x params y", "1:17: params is given twice"),
        ("func a params x locals x", "1:24: there are two locals x"),
        ("func a params 1 x", "1:15: 1 can't name a local"),
        ("func a locals 257", "1:15: 257 is not in 0 … 256"),
        ("func a\nend\nfunc b params 200 locals 57", "3:1: more than 256 parameters and locals"),
        ("func a results 2", "1:16: 2 is not in 0 … 1"),
        ("func a results", "1:6: results takes one number, 0 or 1"),
        ("func a results 1 1", "1:18: results takes one number, 0 or 1"),
        ("func a\n  frob", "2:3: there is no instruction frob"),
        ("func a\n  CORE_DROP", "2:3: there is no instruction CORE_DROP; did you mean drop?"),
        ("func a\n  local.get 0", "2:3: there is no instruction local.get; did you mean"),
        ("func a\n  drop 1", "2:8: drop takes no operand: it finds them on the stack"),
        ('func a\n  drop\n "x"', '3:2: drop takes no operand'),
        ("func a\n  i64_const", "2:3: i64_const takes one number or constant"),
        ("func a\n  i64_const 1 2", "2:15: i64_const takes one number or constant"),
        ("func a\n  i64_const -9223372036854775809", "2:13: -9223372036854775809 is not in"),
        ("func a\n  i64_load64 4294967296", "2:14: 4294967296 is not in 0 … 4294967295"),
        ("func a\n  local_get", "2:3: local_get takes one local: its name or number"),
        ("func a params left\n  local_get letf", "2:13: there is no local letf here; did"),
        ("func a\n  local_get -1", "2:13: -1 is not in 0 … 4294967295"),
        ("func a\n  call b", "2:8: there is no function b here"),
        ("func a\n  br b", "2:6: there is no label b here"),
        ("func a\n  block b\n  end\n  br b", "4:6: there is no label b here"),
        ("func a\n  block b, block b", "2:18: an enclosing construct is already called b"),
        ("func a\n  block b c", "2:11: c should be results"),
        ("func a\n  block b results", "2:11: results takes one number, 0 or 1"),
        ("func a\n  block 1", "2:9: 1 can't name a label"),
        ("func a\n  br 1\nend", "2:3: there is no label 1 (VM-8)"),
        ("func a\n  nop\n  nop", "3:3: CORE_END is missing (VM-7)"),
        ("func a", "1:1: CORE_END is missing (VM-7)"),
        ("func a params 1\nend", "1:1: function 0 must take and return nothing (VM-5)"),
        ("func a\nend\nfunc b\n  drop\nend", "4:3: 1 operands needed (VM-6)"),
        ('memory 1\ndata 0 "a"\n data 65536 "a"\nfunc a\nend', "3:2: 1 bytes at address 65536"),
    ],
)  # fmt: skip
def test_mistakes_say_where_and_what(source: str, message: str) -> None:
    found = mistakes(source)
    assert any(mistake.startswith(message) for mistake in found), found


def test_one_mistake_leads_to_no_other() -> None:
    assert mistakes("func 1\n  nop, block b c\n  br b, end, drop 1\nend") == [
        "1:6: 1 can't name a function: a name has letters, digits, '_' and '.', and begins with"
        " no digit",
        "2:16: c should be results",
        "3:19: drop takes no operand: it finds them on the stack",
    ]


def test_there_is_an_end_to_mistakes() -> None:
    assert len(mistakes("func a\n" + "frob\n" * 10_000)) == MAX_MISTAKES
    assert len(mistakes('"\n' * 10_000)) == MAX_MISTAKES


def test_limits_of_the_whole() -> None:
    assert mistakes("func b\nend\nfunc a\n" + "nop\n" * 10_923) == [
        "3:1: the function has 32769 bytes of code, at most 32768"
    ]
    assert mistakes('data 0 "' + "x" * 65_536 + '"\nfunc a\nend')[0].startswith("1:1: Program has")
    many = "\n".join(f"func f{number}\nend" for number in range(257))
    assert mistakes(many) == ["513:1: there are more than 256 functions"]


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=300, deadline=None)
def test_any_text_assembles_or_is_refused(source: str) -> None:
    survive(source)


WORDS = st.sampled_from(
    [
        *("memory", "const", "data", "func", "params", "results", "locals", "a", "b", "0", "-1"),
        *("\n", "\n", ",", ";", '"x"', 'x"00"', '"', "0x", "block", "loop", "if", "else", "end"),
        *("br", "br_if", "i64_const", "local_get", "call", "i64_load64", "drop", "a.size", "1"),
    ]
)


@given(st.lists(WORDS, max_size=60).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_any_words_assemble_or_are_refused(source: str) -> None:
    survive("func a\n" + source)


def survive(source: str) -> None:
    result = assemble(source)
    if isinstance(result, Assembled):
        there_and_back(result.program)
        found = check(result, PRICES)
        result = () if found is None else (found,)
    lines = source.split("\n")
    for mistake in result:
        assert isinstance(mistake, Mistake) and mistake.message
        assert 1 <= mistake.line <= len(lines)
        assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1
