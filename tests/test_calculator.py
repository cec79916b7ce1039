"""The calculator: exact values, nothing but arithmetic, and expressions that lead to an answer only where there is one way."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from fieldguide.approaches.prompting.tools.calculator import CannotCalculate, calculate, expression_for, written


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1234 * 5,678", "7006652"), ("1/3", "0.3333333333"), ("-2/3", "-0.6666666667"), ("2**10", "1024"), ("(3+4)*2 - 1.5", "12.5"), ("0.1 + 0.2", "0.3"),
        ("7 % 4", "3"), ("-7 // 2", "-4"), ("10 ÷ 4", "2.5"), ("3 × 4 − 2", "10"), ("2^-2", "0.25"), ("1e3", "1000"), ("1,000,000 + 1", "1000001"),
        (" 12 ", "12"), ("-0", "0"), ("10**300 * 10**50", "1" + "0" * 350),
    ],
)  # fmt: skip
def test_values_are_exact(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "", " ", "x + 1", "__import__('os').system('true')", "1; 2", "[1, 2]", "1 < 2", "True + 1", "1/0", "5 % 0", "9**9**9", "2**0.5", "0**-1", "10**399 * 10",
        "1 +", "(" * 300 + "1", "1" * 201, "1j + 2", "1e999", "'a' * 3", "f(2)", "lambda: 1", "1 if 1 else 2", "~5", "1_0 @ 2",
    ],
)  # fmt: skip
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(CannotCalculate):
        calculate(expression)


def test_random_expressions_equal_fractions() -> None:
    rng = random.Random(0)
    for _ in range(500):
        a, b, c = (rng.randrange(1, 10**6) for _ in range(3))
        first, second = rng.choices("+-*", k=2)
        assert calculate(f"({a} {first} {b}) {second} {c}") == str(eval(f"({a} {first} {b}) {second} {c}"))
    assert written(Fraction(1, 8)) == "0.125"
    assert written(Fraction(-1, 10**11)) == "0"


@pytest.mark.parametrize(
    ("question", "answer", "expression"),
    [
        ("What is 1234 times 5678?", 1234 * 5678.0, "1234 * 5678"),
        ("There are 3 boxes of 12 apples, and 5 are eaten.", 31.0, "(3 * 12) - 5"),
        ("Half of 1,000 and 7?", 1007.0, "1000 + 7"),
        ("8 is to be divided among 16.", 0.5, "8 / 16"),
        ("2 and 4, or 2 and 2?", 8.0, "2 * 4"),
        ("2.5 of 4", 10.0, "2.5 * 4"),
    ],
)
def test_the_way_to_an_answer(question: str, answer: float, expression: str) -> None:
    assert expression_for(question, answer) == expression


@pytest.mark.parametrize(
    ("question", "answer"),
    [("2 and 2 make what?", 4.0), ("nothing to add", 3.0), ("5 and 7", 99.0), ("What is left of 12 plus 35 by 9?", 2.0), ("4 and 2", 2.0), ("5 and 7", float("inf"))],
)
def test_no_way_or_several_is_none(question: str, answer: float) -> None:
    assert expression_for(question, answer) is None


def test_every_way_is_looked_at_once() -> None:
    """No two candidates of three different numbers are the same sum or product in another order."""
    from fieldguide.approaches.prompting.tools.calculator import _triples

    sums = [text for text in _triples(["3", "5", "7"]) if set(text) & set("+*-/%") == {"+"}]
    assert sums == ["(3 + 5) + 7"]
