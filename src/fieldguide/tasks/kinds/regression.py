"""Regression: a number for a text (one or several columns), or for a pair of texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from fieldguide.errors import DataError
from fieldguide.records import Inputs, Prediction, Unparsed
from fieldguide.tasks.cells import blank
from fieldguide.tasks.infer import TARGET_NAMES
from fieldguide.tasks.kinds.classification import Classification
from fieldguide.tasks.kinds.kind import Kind
from fieldguide.tasks.kinds.pair_classification import PairClassification
from fieldguide.tasks.tables import Table
from fieldguide.tasks.targets import is_quantity
from fieldguide.tasks.task import TaskSpec
from fieldguide.tasks.template import Template

SCORES = re.compile(r"((gold|similarity|relatedness|sts)[\s_-]*)?(score|rating)|similarity|relatedness")
"""Names of a column that holds a number for a pair of texts."""
NUMBER = (
    r"(?<![\w.,'’])[-+−]?(?:\d{1,3}(?:[,\u00a0\u202f]\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?![\w%‰°'’]|[.,:/-]\d|\s*(?:[%‰]|per\s?cent))"
)
"""One number on its own: thousands by commas or narrow spaces, a decimal point. Not a part of a word, a date, a time, a list or a percentage."""
SCALES = re.compile(
    rf"(?:\b(?:on|from|using)\s+)?\b(?:a|the)\s+scale\s+(?:of|from)\s+{NUMBER}\s*(?:to|-|–)\s*{NUMBER}"
    rf"|\bout\s+of\s+{NUMBER}(?:\s+(?:points|stars))?(?=\s*(?:[.!,;:)\n]|because\b|since\b|$))"
    r"|(?<=\.\d)/\d+\b|(?<=\.\d\d)/\d+\b",
    re.IGNORECASE,
)
"""What tells the scale and not the answer. "4.5/5" is a mark on a scale; "4/5" may be a fraction, and is left alone."""
CUE = (
    r"\b(?:(?:score|rating|answer|value|result|estimate|prediction|similarity|relatedness{target})\b"
    r"[^.,;!?\n\d]{{0,60}}?(?:\bis|\bwould\s+be|\bof|:|=)"
    r"|(?:give|rate|say|estimate|predict|score|assign|put|gets?)"
    r"(?:\s+(?:it|this|that|them|these|the|two|both|pair|texts?|sentences?|at|as|with))*)"
    r"\s*(?:(?:about|around|approximately|roughly|exactly|just|an?|score|rating|of)\s+)*"
)
"""Words that go right before an answer, """
AFTER = r"(?=(?:\s+(?:points?|stars?))?\s*(?:[.,;:!\n]|because\b|since\b|as\b|$))"
"""and what must come right after it."""
DOUBT = re.compile(r"\b(?:not|no|never|neither|nor|cannot|if|whether|unless|either|or|than|between|except|wrong)\b|n['’]t\b", re.IGNORECASE)
TAKEN_BACK = re.compile(r"\b(?:wait|correction|scratch that|on second thoughts?|i mean)\b", re.IGNORECASE)
MARKUP = re.compile(r"[*_`\"“”$€£¥{}\[\]()\\]|<[^<>\n]{0,40}>|\bboxed\b")
UNIT = r"(?:\s*(?!(?:or|and|to|if|not|but|maybe|no|by|of|the|is|in|at|x|perhaps)\b)[^\W\d_]{1,20})?"
LONGEST = 4_000
"""Characters of an answer."""


class Regression(Kind):
    name = "regression"
    answer = "number"
    metrics = ("pearson", "spearman", "mae")
    trivial_words = "always giving the mean of the training rows"

    @classmethod
    def claim(cls, inputs: Mapping[str, Sequence[str]], targets: Sequence[Any]) -> float:
        return 0.92 if _quantities(targets) else 0.0

    def read(self, value: Any, where: str) -> float:
        if isinstance(value, str):
            found = re.fullmatch(NUMBER, value.strip())
            number = _float(found[0]) if found else math.nan
        elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            number = _float(str(value))
        else:
            raise DataError(f"{where} holds a {type(value).__name__} where a number is expected; give one number a row.")
        if not math.isfinite(number):
            came = repr(str(value)[:40])
            raise DataError(f"{where} holds {came} where a number is expected; write it with digits and a decimal point, without a unit.")
        return number

    def check(self, table: Table, target: str, values: Sequence[float]) -> list[str]:
        distinct = len(set(values))
        if distinct < 2:
            raise DataError(f"Every row of {table.name} has the number {self._said(values[0])} in column {target!r}; there is nothing to predict.")
        if distinct <= 3:
            return [f"The column {target!r} holds only {distinct} distinct numbers; if they are codes of classes, name --kind classification."]
        return []

    def labels(self, targets: Sequence[Any]) -> tuple[str, ...]:
        return ()

    def segments(self, spec: TaskSpec, inputs: Inputs) -> tuple[str, ...]:
        return Classification().segments(spec, inputs)

    def show(self, spec: TaskSpec, inputs: Inputs) -> str:
        return Classification().show(spec, inputs)

    def templates(self, spec: TaskSpec) -> tuple[Template, ...]:
        return self._templates(spec, "each text", "the text")

    def _templates(self, spec: TaskSpec, each: str, one: str) -> tuple[Template, ...]:
        what = re.sub(r"[_\s]+", " ", spec.target).strip() or "number"
        row = "{text}\n" + (what[0].upper() + what[1:]).replace("{", "{{").replace("}", "}}") + ":"
        return (
            Template("plain", f"Give the {what} of {each} as one number.", row),
            Template("question", f"What is the {what} of {one}? Answer with a number and nothing else.", row),
            Template("role", f"You rate texts. Estimate the {what} of {one}, as one number.", row),
            Template("bare", "", row),
        )

    def say(self, spec: TaskSpec, value: Any, inputs: Inputs | None = None) -> str:
        return self._said(value)

    @staticmethod
    def _said(value: float) -> str:
        """The shortest decimal digits that are read as this number again."""
        import numpy as np

        return np.format_float_positional(value, trim="-")

    def parse(self, spec: TaskSpec, text: str, inputs: Inputs | None = None) -> float | Unparsed:
        """The one number that the text gives as its answer.

        It is the whole text (a unit may follow) or the first line, or reasons follow it, or it comes right after words such as "the score
        is" or "I would give it". Two different numbers, a percentage, a decimal comma, and a clause that denies or asks are `Unparsed`.
        """
        if len(text) > LONGEST:
            return Unparsed(text, "is too long for a number")
        bare = re.sub(r"[ \t]+", " ", SCALES.sub(" ", MARKUP.sub(" ", text))).strip()
        numbers = {_float(m[0]) for m in re.finditer(NUMBER, bare)}
        if re.search(r"\d", re.sub(NUMBER, " ", bare)):
            return Unparsed(text, "gives a number in a form that can be read in two ways")
        if len(numbers) != 1:
            return Unparsed(text, "gives no number" if not numbers else "gives several numbers")
        number = numbers.pop()
        if not math.isfinite(number):
            return Unparsed(text, "gives a number too large to be held")
        return number if _given(spec, bare) else Unparsed(text, "holds a number, but does not give it as its answer")

    def fault(self, spec: TaskSpec, inputs: Inputs, value: Any) -> str | None:
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else "is no finite number"

    def usual(self, spec: TaskSpec, targets: Sequence[Any]) -> float:
        return math.fsum(targets) / len(targets) if targets else 0.0

    def usually(self, spec: TaskSpec, usual: Any, inputs: Inputs) -> Prediction:
        return Prediction(usual)


class PairRegression(Regression):
    name = "pair-regression"
    arity = 2

    @classmethod
    def columns(cls, table: Table) -> tuple[tuple[str, ...], str] | None:
        """Two texts whose names make a pair, and one score of many values, where no other column is called a target."""
        scores = [name for name, cells in table.columns.items() if SCORES.fullmatch(name.strip().casefold()) and _quantities(cells)]
        texts = [name for name, cells in table.columns.items() if all(isinstance(cell, str) or blank(cell) for cell in cells[:1000])]
        pairs = [pair for pair in combinations(texts, 2) if PairClassification.claim(dict.fromkeys(pair, ()), ()) > 0.5]
        if len(scores) != 1 or len(pairs) != 1 or any(name.strip().casefold() in TARGET_NAMES for name in table.columns):
            return None
        return pairs[0], scores[0]

    @classmethod
    def claim(cls, inputs: Mapping[str, Sequence[str]], targets: Sequence[Any]) -> float:
        return 0.95 if _quantities(targets) and PairClassification.claim(inputs, targets) > 0.5 else 0.0

    def segments(self, spec: TaskSpec, inputs: Inputs) -> tuple[str, ...]:
        return PairClassification().segments(spec, inputs)

    def show(self, spec: TaskSpec, inputs: Inputs) -> str:
        return PairClassification().show(spec, inputs)

    def templates(self, spec: TaskSpec) -> tuple[Template, ...]:
        return self._templates(spec, "the two texts", "the two texts")


def _given(spec: TaskSpec, bare: str) -> bool:
    """Whether the one number in a text, bare of its scale, is given as the answer."""
    if TAKEN_BACK.search(bare):
        return False
    alone = (rf"{NUMBER}{UNIT}\s*[.!]?", rf"{NUMBER}\s*\n.*", rf"{NUMBER}\s*(?:[,;]|because\b|since\b|as\b).*", rf"{NUMBER}(?<=\.\d)\.\s.*")
    if any(re.fullmatch(form, bare, re.DOTALL) for form in alone):
        return True
    words = re.escape(re.sub(r"[_\s]+", " ", spec.target).strip().casefold())
    for found in re.finditer(CUE.format(target="|" + words if words else "") + NUMBER + AFTER, bare, re.IGNORECASE):
        clause = re.split(r"[.,;:!?\n]", bare[: found.start()])[-1] + found[0]
        if not DOUBT.search(clause):
            return True
    return False


def _float(text: str) -> float:
    return float(re.sub("[,\u00a0\u202f]", "", text).replace("−", "-"))


def _quantities(cells: Sequence[Any]) -> bool:
    """Whether these are numbers to be predicted, not codes of classes."""
    held = [str(cell).strip() for cell in cells if not blank(cell) and not isinstance(cell, (bool, list, tuple, dict))]
    return len(held) > 0 and is_quantity(Counter(held), len(held))
