"""A calculator for language models: an expression in, its exact value out, and expressions that lead from a question's numbers to its answer."""

from __future__ import annotations

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache

NAME = "calculator"
LONGEST, DIGITS, MOST_NUMBERS = 200, 400, 6
"""Characters of an expression, digits of any number on the way, and numbers of a question among which expressions are looked for."""
SIGNS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**"}
OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.FloorDiv: lambda a, b: Fraction(a // b),
}  # fmt: skip
NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?![\w])")


class CannotCalculate(ValueError):
    """An expression that is none; the message says why in a few words."""


def calculate(expression: str) -> str:
    """The exact value of an expression of numbers, + - * / // % ** and brackets, in digits; a fraction that does not end to ten digits.

    Raises `CannotCalculate` for anything else, and for what would grow beyond `DIGITS` digits. Nothing of it is run as Python.
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", expression.strip())
    for sign, own in SIGNS.items():
        text = text.replace(sign, own)
    if not text or len(text) > LONGEST:
        raise CannotCalculate("is empty or too long")
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise CannotCalculate("is no expression") from None
    return written(_value(tree.body))


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return _small(Fraction(str(node.value)) if abs(node.value) != float("inf") else None)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return -_value(node.operand) if isinstance(node.op, ast.USub) else _value(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow):
            if right.denominator != 1 or abs(right) > DIGITS or (left == 0 and right < 0):
                raise CannotCalculate("raises to a power that cannot be had exactly")
            if max(abs(left.numerator), left.denominator).bit_length() * math.log10(2) * abs(int(right)) > DIGITS:
                raise CannotCalculate("grows too large")
            return _small(Fraction(left ** int(right)))
        if type(node.op) in OPERATORS:
            if right == 0 and isinstance(node.op, (ast.Div, ast.Mod, ast.FloorDiv)):
                raise CannotCalculate("divides by zero")
            return _small(OPERATORS[type(node.op)](left, right))
    raise CannotCalculate("holds more than numbers and signs")


def _small(value: Fraction | None) -> Fraction:
    if value is None or max(abs(value.numerator), value.denominator) >= 10**DIGITS:
        raise CannotCalculate("grows too large")
    return value


def written(value: Fraction) -> str:
    """A number in digits: whole, with as many decimals as it has, or rounded to ten of them where they do not end."""
    if value.denominator == 1:
        return str(value.numerator)
    whole = round(value * 10**10)
    digits = f"{abs(whole) // 10**10}.{abs(whole) % 10**10:010d}".rstrip("0").rstrip(".")
    return f"-{digits}" if whole < 0 else digits


@lru_cache(maxsize=4096)
def expression_for(question: str, answer: float) -> str | None:
    """The one shortest expression of two, else of three, of the question's numbers whose value is the answer; None where there is none or several.

    Where several ways lead to the number (2 + 2 and 2 × 2), nobody knows which was meant, so none is given.
    """
    numbers = list(dict.fromkeys(number.replace(",", "") for number in NUMBER.findall(question)))[:MOST_NUMBERS]
    try:
        wanted = Fraction(str(answer))
    except ValueError:
        return None
    for candidates in (_pairs(numbers), _triples(numbers)):
        found = [text for text in candidates if _equals(text, wanted)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _pairs(numbers: list[str]) -> Iterator[str]:
    for a, b in itertools.combinations(numbers, 2):
        yield from (f"{a} + {b}", f"{a} * {b}", f"{a} - {b}", f"{b} - {a}", f"{a} / {b}", f"{b} / {a}", f"{a} % {b}", f"{b} % {a}")


def _triples(numbers: list[str]) -> Iterator[str]:
    """Three numbers, the first two joined first; of sums and products each order once."""
    for a, b, c in itertools.permutations(numbers, 3):
        for first, then in itertools.product("+-*/", "+-*/%"):
            swapped = numbers.index(a) > numbers.index(b) and first in "+*"
            chained = first == then and first in "+*" and numbers.index(b) > numbers.index(c)
            if not swapped and not chained:
                yield f"({a} {first} {b}) {then} {c}"


def _equals(expression: str, wanted: Fraction) -> bool:
    try:
        return Fraction(calculate(expression)) == wanted
    except CannotCalculate:
        return False
