"""What the scanner lets through, at the edge of each limit and on both sides of it."""

from __future__ import annotations

import json

import cedarpy
import pytest

from synnergy.policy.nesting import expression_depth
from synnergy.policy.scanner import PolicyHead, scan
from synnergy.policy.texts import DEFAULT_SET
from synnergy.policy.tokens import tokenize
from synnergy.rejected import Rejected

from .support import compiled, policy

SCOPE = "(principal, action, resource)"


def heads(text: str | bytes) -> tuple[PolicyHead, ...]:
    result = scan(text)
    assert not isinstance(result, Rejected), result
    return result


def refusal(text: str | bytes) -> tuple[str, str]:
    result = scan(text)
    assert isinstance(result, Rejected), result
    return result.rule, result.code


def test_heads_of_a_set() -> None:
    text = """
    // @id("not-this") permit; /* nor this */
    @id("one") @advice("ask; nicely (please) \u2192 // no comment")
    permit (principal == Wallet::"w", action in [Action::"buy", Action::"a"], resource is Model)
    when { "};" == principal.jurisdiction } unless { principal.frozen };
    @advice("") @id("2.a_b-c")forbid(principal,action==Action::"transfer",resource);// e\r@id("x")
    forbid(principal,action,resource)\t;"""
    one, two, three = heads(text)
    assert (one.id, one.effect, one.actions) == ("one", "permit", ("a", "buy"))
    assert one.advice == "ask; nicely (please) \u2192 // no comment"
    assert one.source.startswith("@id") and one.source.endswith("principal.frozen };")
    assert (two.id, two.effect, two.actions, two.advice) == (
        "2.a_b-c",
        "forbid",
        ("transfer",),
        "",
    )
    # A carriage return ends a comment, in Cedar too: what follows it is a policy.
    assert (three.id, three.effect, three.actions) == ("x", "forbid", None)
    assert len(cedarpy.PolicySet.from_str(text)) == 3
    assert one.covers("buy") and not one.covers("transfer") and three.covers("anything")


def test_an_empty_text_is_an_empty_set() -> None:
    assert heads("") == heads(b" \n// nothing") == ()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DEFAULT_SET, id="default"),
        pytest.param("".join(policy("true", name=f"p{n}") for n in range(25)), id="numbered"),
        pytest.param(
            '@id("n")forbid(principal,action in [Action::"b"],resource == Model::"é");',
            id="unicode",
        ),
        pytest.param('@id("none") permit (principal, action in [], resource);', id="no-action"),
        pytest.param('@id("in") permit (principal, action in Action::"buy", resource);', id="in"),
    ],
)
def test_scanner_and_cedar_read_the_same(text: str) -> None:  # POL-9
    assert [(head.id, head.effect, head.advice) for head in heads(text)] == cedar_heads(text)


def cedar_heads(text: str) -> list[tuple[str, str, str]]:
    read = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    return [
        (
            read[f"policy{position}"]["annotations"]["id"],
            read[f"policy{position}"]["effect"],
            read[f"policy{position}"]["annotations"].get("advice", ""),
        )
        for position in range(len(read))
    ]


# POL-4


def test_length_is_counted_in_bytes() -> None:
    good = "// " + "é" * 32_766 + " "
    assert len(good.encode()) == 65_536
    assert heads(good) == heads(good.encode()) == ()
    assert refusal(good + " ") == refusal(good.encode() + b" ") == ("POL-4", "policy_too_long")


@pytest.mark.parametrize("text", [b"//\xff", b"\xc0\x80", b"//\xed\xa0\x80", "// \ud800"])
def test_text_is_utf8(text: str | bytes) -> None:
    assert refusal(text) == ("POL-4", "policy_not_utf8")


@pytest.mark.parametrize(
    "character", "\x00\x0b\x0c\x1b\x7f\x85\u200b\u200e\u2028\u202e\u2066\ufeff"
)
def test_no_invisible_characters(character: str) -> None:
    for text in (f"// {character}", character, policy(f'principal.jurisdiction == "{character}"')):
        assert refusal(text) == ("POL-4", "policy_invisible_character")


# POL-5


@pytest.mark.parametrize(
    "condition",
    [
        "1 = 1",
        "true & true",
        "1 / 1 == 1",
        "1 % 1 == 1",
        "'a' == 'a'",
        "tr\u00fce",
        "\u00a0true",
        '"a\nb" == "a"',
        '"a\\\n" == "a"',
        '"a\\\r" == "a"',
        '"a',
        "#",
        "`a`",
        "true}",
        "(true",
        "(true]",
    ],
)
def test_unreadable(condition: str) -> None:
    assert refusal(policy(condition)) == ("POL-5", "policy_unreadable")


@pytest.mark.parametrize(
    "text",
    [
        ";",
        "permit",
        "@id",
        '@id("a")',
        '@id("a");',
        '@id("a") permit;',
        '@id("a") allow (principal, action, resource);',
        '@id("a") permit (principal, action, resource)',
        '@id("a") permit (principal, action);',
        '@id("a") permit (principal, resource, action);',
        '@id("a") permit ();',
        '@id("a") permit (principal, action, resource, context);',
        ")" * 9,
        "[;]",
    ],
)
def test_no_policy(text: str) -> None:
    assert refusal(text)[0] in ("POL-5", "POL-6")


def test_templates_are_refused() -> None:
    text = '@id("a") permit (principal == ?principal, action, resource);'
    assert len(cedarpy.PolicySet.from_str(text).templates()) == 1
    assert refusal(text) == ("POL-5", "policy_template")


# POL-6


@pytest.mark.parametrize(
    "identifier", ["", "A", "é", "-a", ".a", "a b", "a\n", "error", "a" * 65, "a/b", "a\\n"]
)
def test_bad_ids(identifier: str) -> None:
    assert refusal(f'@id("{identifier}") permit {SCOPE};')[0] in ("POL-5", "POL-6")


@pytest.mark.parametrize("identifier", ["a", "0", "a" * 64, "a.b-c_d", "errors"])
def test_good_ids(identifier: str) -> None:
    assert heads(f'@id("{identifier}") permit {SCOPE};')[0].id == identifier


def test_ids_are_there_and_unique() -> None:
    assert refusal(f"permit {SCOPE};") == ("POL-6", "policy_id")
    assert refusal(f'@advice("x") permit {SCOPE};') == ("POL-6", "policy_id")
    assert refusal(policy("true") * 2) == ("POL-6", "policy_id_repeated")


@pytest.mark.parametrize(
    "annotation",
    [
        '@note("x")',
        "@id",
        "@advice",
        '@advice"x"',
        '@advice("a\\"b")',
        '@advice("x") @advice("y")',
    ],
)
def test_bad_annotations(annotation: str) -> None:
    assert refusal(f'{annotation} @id("a") permit {SCOPE};') == ("POL-6", "policy_annotation")


def test_advice_has_512_bytes() -> None:
    text = '@id("a") @advice("{}") permit (principal, action, resource);'
    assert len(heads(text.format("é" * 256))[0].advice) == 256
    assert refusal(text.format("é" * 256 + "x")) == ("POL-6", "policy_annotation")


def test_256_policies() -> None:
    text = "".join(f'@id("p{n}")permit{SCOPE};' for n in range(256))
    assert len(heads(text)) == 256
    assert refusal(text + f'@id("q")permit{SCOPE};') == ("POL-6", "policy_too_many")


def test_action_names_are_not_disguised() -> None:
    text = '@id("a") permit (principal, action == Action::"b\\u{75}y", resource);'
    assert len(cedarpy.PolicySet.from_str(text)) == 1
    assert refusal(text) == ("POL-6", "policy_scope")


# POL-7


@pytest.mark.parametrize(("opening", "closing"), ["()", "[]", ("{a:", "}")])
def test_brackets(opening: str, closing: str) -> None:
    nested = "{}true{} == true"
    assert heads(policy(nested.format(opening * 15, closing * 15)))
    for depth in (16, 700):
        text = policy(nested.format(opening * depth, closing * depth))
        assert refusal(text) == ("POL-7", "policy_brackets")


def test_ifs() -> None:
    for nested in (
        "if true then {} else false",
        "if true then true else {}",
        "if {} then true else false",
    ):
        condition = "true"
        for _ in range(64):
            condition = nested.format(condition)
        assert heads(policy(condition))
        assert refusal(policy(nested.format(condition))) == ("POL-7", "policy_ifs")


@pytest.mark.parametrize(
    "condition",
    [
        "true && if true then true else true",
        "principal.if",
        "principal.then",
        "principal.else",
        "principal has else",
        "{else: 1} has a",
        "{if: 1} has a",
        "{then: 1} has a",
        "principal is else",
        "principal == else::a",
        "if::a",
        "true || then::a",
        "(if true then else true)",
    ],
)
def test_ifs_are_conditionals(condition: str) -> None:
    """As names they would end an operand early, and so hide how deep the text goes."""
    assert refusal(policy(condition)) == ("POL-7", "policy_if_misplaced")


def test_runs_of_unary_operators() -> None:
    assert heads(policy("!!!!true"))
    assert refusal(policy("!!!!!true")) == ("POL-7", "policy_unary")
    assert heads(policy("1 == ----1"))
    assert refusal(policy("1 == - - - - -1")) == ("POL-7", "policy_unary")


@pytest.mark.parametrize("link", [".a", '["a"]', ".contains(1)"])
def test_paths(link: str) -> None:
    assert heads(policy("principal" + link * 16))
    assert refusal(policy("principal" + link * 17)) == ("POL-7", "policy_path")
    assert heads(policy(f"principal{link * 16} && principal{link * 16}"))


def test_has_paths() -> None:
    assert heads(policy("principal has a" + ".a" * 16))
    assert refusal(policy("principal has a" + ".a" * 17)) == ("POL-7", "policy_path")


@pytest.mark.parametrize(
    ("condition", "levels"),
    [
        ("true", 2),  # the clause and its brackets
        ("true && false", 3),
        ("true && false || true", 4),
        ("1 + 2 == 3", 4),
        ("1 != 2", 4),
        ("1 > 2 && 3 > 4", 5),
        ("(((true)))", 5),
        ("[1, 2 + 3, (4)].contains(5)", 5),
        ("if 1 == 2 then true else false", 4),
        ("if true then 1 + 2 + 3 == 4 else if true then true else false", 7),
        ("principal.a.b == 1 || principal.c == 2", 6),
        ("principal is Wallet in principal", 4),
    ],
)
def test_depth(condition: str, levels: int) -> None:
    assert expression_depth(tokens_of(policy(condition))) == levels


def test_depth_counts_clauses() -> None:
    text = '@id("a") permit (principal, action, resource)'
    assert expression_depth(tokens_of(text + " when { true } unless { true }" + ";")) == 4


def tokens_of(text: str):
    tokens = tokenize(text)
    assert not isinstance(tokens, Rejected)
    return tokens


@pytest.mark.parametrize("operator", ["+", "-", "*", "&&", "||"])
def test_deepest(operator: str) -> None:
    def chain(links: int) -> str:
        return policy(f" {operator} ".join(["1"] * (links + 1)))

    assert heads(chain(126))
    assert refusal(chain(127)) == ("POL-7", "policy_depth")


# POL-8


def test_integers() -> None:
    assert heads(policy(f"principal.denials < {2**53 - 1}"))
    assert heads(policy(f"principal.denials < {'0' * 10}1"))
    for digits in (str(2**53), str(2**63), "9" * 16, "1" * 5000):
        assert refusal(policy(f"principal.denials < {digits}")) == ("POL-8", "policy_integer")


def test_strings() -> None:
    assert heads(policy(f'principal.jurisdiction == "{"é" * 512}"'))
    long = policy(f'principal.jurisdiction == "{"é" * 512}x"')
    assert refusal(long) == ("POL-8", "policy_string")
    assert heads(policy(f'principal.jurisdiction like "{"*" * 128}"'))
    pattern = policy(f'principal.jurisdiction like "{"*" * 129}"')
    assert refusal(pattern) == ("POL-8", "policy_string")


def test_escapes_stay_inside_their_string() -> None:
    text = policy(r'principal.jurisdiction == "a\"}; permit(\\"')
    assert [head.id for head in heads(text)] == ["a"]
    assert compiled(text).text == text
