"""Arithmetic that a model wrote, done again by the exact calculator: the first equation in a text that does not hold.

Nothing is called wrong that may be right. An equation counts only where its left side is numbers, signs and brackets alone and the right side is
one number: not with units on the left ("2 hours + 30 minutes"), unknowns ("x + 2"), percentages, remainders,
words that calculate ("half of 10 + 2") or a number that goes on ("= 7 + 2").
"""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

from fieldguide.approaches.prompting.tools.calculator import CannotCalculate, calculate
from fieldguide.tasks.kinds.written_numbers import NUMBER, SCALE, value_of

LOOKED_BACK = 120
"""Characters of a left side; a longer one is not judged."""
SIGNS = "+*/×÷·−–^-"
ALLOWED = frozenset("0123456789 \t.,()$x" + SIGNS)
JOINED = re.compile(rf"\d[ )]*[{SIGNS}][ (]*\d")
RIGHT, BLANK = re.compile(NUMBER), re.compile(r"[ \t]*")
GOES_ON = re.compile(rf"[ \t]*(?:[%‰°{SIGNS}]|x[ \t]*\d|per\s?cent\b|r(?:\b|em))|{SCALE}", re.I)
"""What makes a right side more than the number that it begins with."""

GOVERNS = re.compile(r"\b(?:of|twice|thrice|half|double|triple|times|plus|minus|over|by|root|sqrt|log)$", re.I)
"""Words that make more of the number after them than it says ("half of 10 + 2 = 7")."""


def slip(text: str) -> str | None:
    """The first equation that does not hold, put right ("16 - 7 = 9, not 8"); None where there is none, or none that can be judged.

    A right side with decimals holds if it is the value rounded or cut to so many of them; a whole one must be the value.
    """
    for sign in re.finditer("=", text):
        blank = BLANK.match(text, sign.end())
        said = RIGHT.match(text, blank.end() if blank else sign.end())
        left = _left(text[max(sign.start() - LOOKED_BACK, 0) : sign.start()])
        if said is None or left is None or GOES_ON.match(text, said.end()) or (stated := value_of(text, said)) is None:
            continue
        try:
            value = calculate(left)
        except CannotCalculate:
            continue
        if not _holds(Fraction(value), Fraction(str(stated)), len(said[0].partition(".")[2])):
            return f"{left} = {value}, not {said[0]}"
    return None


def _holds(value: Fraction, stated: Fraction, decimals: int) -> bool:
    """Whether a number with so many decimals is the value, or that rounded or cut to them."""
    if not decimals:
        return value == stated
    unit = Fraction(1, 10**decimals)
    return abs(value - stated) <= unit / 2 or (abs(stated) <= abs(value) < abs(stated) + unit and value * stated >= 0)


def _left(text: str) -> str | None:
    """What an equation's left side calculates, as the calculator reads it; None where it is no calculation by itself."""
    own = "".join(itertools.takewhile(ALLOWED.__contains__, reversed(text)))[::-1]
    before = text[: len(text) - len(own)]
    if len(own) == LOOKED_BACK or (before[-1:].isalnum() and not own[:1].isspace()) or GOVERNS.search(before):
        return None
    last = re.split(r"[.,][ \t]+", own)[-1].replace("$", "").strip()
    last = re.sub(r"(?<=[\d)])[ \t]*x[ \t]*(?=[\d(])", " * ", last)
    return last if (last[:1].isdigit() or last[:1] == "(") and JOINED.search(last) else None
