"""The recorded answers that `routing.py` routes between, and what a router may see of a question and of a first answer."""

from __future__ import annotations

import ast
import json
import math
import operator
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fieldguide.models.recordings import Recording, estimated_tokens, recorded

DATA = Path(os.environ.get("FIELDGUIDE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "replay"
SMALL, LARGE = "mixtral-8x7b-instruct", "gpt-4-1106-preview"
LETTER = 1
"""Tokens of an answer that is one letter: MMLU's texts were not recorded."""
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
MARK = re.compile(r"<<([^<>=]*)=([^<>]*)>>")
FINAL = re.compile(r"####\s*\$?(-?[\d,.]+)")
LAST = 3
"""A lenient reader looks for the right number among so many last ones."""


@dataclass(frozen=True)
class Method:
    """A way to score rows: what it sees, what it learns to predict, and whether the small model is asked first."""

    title: str
    cascade: bool
    target: str
    """"gain": large right and small wrong, minus the reverse; "gain per dollar": that over what asking the large is expected to cost;
    "right": small right; "cheapest": nothing is learnt, and the questions that cost least go on first."""
    numbers: tuple[str, ...]
    """Names of dense features."""
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return "cascade" if self.cascade else "router"


@dataclass(frozen=True, eq=False)
class Routed:
    """One set: who was right, what a question costs each model in tokens, and what may be seen of it."""

    title: str
    small: np.ndarray
    """(n,) 1.0 where the small model was right."""
    large: np.ndarray
    tokens: dict[str, np.ndarray]
    """Model → (n, 2) prompt and completion tokens."""
    expected: np.ndarray
    """(n, 2) what the large model's are expected to be before it is asked: of a sum, as many as the small model's answer had."""
    numbers: dict[str, np.ndarray]
    """Name → (n, features)."""
    texts: dict[str, list[str]]
    methods: tuple[Method, ...]


def gsm8k(lenient: bool = False) -> Routed:
    """GSM8K: both models' whole answers. `lenient` judges them anew: right if the answer is among the last three numbers."""
    rows = _by_question(recorded(DATA / "gsm8k_responses.jsonl"))
    questions, answers = list(rows), [row[SMALL].text or "" for row in rows.values()]
    small, large = (np.array([_lenient(row[m]) if lenient else bool(row[m].correct) for row in rows.values()], dtype=float) for m in (SMALL, LARGE))
    tokens = {m: np.array([(row[m].prompt_tokens, row[m].completion_tokens) for row in rows.values()]) for m in (SMALL, LARGE)}
    numbers = {
        "question": np.array([question_numbers(q) for q in questions]),
        "answer": np.array([answer_numbers(q, a) for q, a in zip(questions, answers, strict=True)]),
    }
    both, one = (("question", "answer"), ("question", "answer")), (("question",), ("question",))
    methods = (
        Method("cascade: question and first answer, gain per dollar", True, "gain per dollar", *both),
        Method("cascade: question and first answer, gain", True, "gain", *both),
        Method("cascade: question and first answer, small right", True, "right", *both),
        Method("cascade: cheapest first, nothing learnt", True, "cheapest", (), ()),
        Method("router: question alone, gain", False, "gain", *one),
        Method("router: question alone, small right", False, "right", *one),
    )
    title = "GSM8K, judged anew" if lenient else "GSM8K, as recorded"
    return Routed(title, small, large, tokens, tokens[SMALL], numbers, {"question": questions, "answer": answers}, methods)


def mmlu() -> Routed:
    """MMLU: right or wrong alone was recorded, so nothing of a first answer can be seen; each question counts once."""
    lines = [json.loads(line) for line in (DATA / "mmlu_correctness.jsonl").read_text(encoding="utf-8").split("\n") if line]
    rows = list({line["prompt"]: line for line in lines}.values())
    questions, subjects = [row["prompt"] for row in rows], sorted({row["subject"] for row in rows})
    small, large = (np.array([row["correct"][m] for row in rows], dtype=float) for m in (SMALL, LARGE))
    sent = np.array([(estimated_tokens(q), LETTER) for q in questions])
    numbers = {
        "subject": 0.3 * np.array([[row["subject"] == subject for subject in subjects] for row in rows], dtype=float),
        "question": np.array([option_numbers(q) for q in questions]),
    }
    methods = (
        Method("router: question and subject, gain per dollar", False, "gain per dollar", ("subject", "question"), ("question",)),
        Method("router: question and subject, gain", False, "gain", ("subject", "question"), ("question",)),
        Method("router: question and subject, small right", False, "right", ("subject", "question"), ("question",)),
        Method("router: subject alone, gain", False, "gain", ("subject",), ()),
        Method("router: cheapest first, nothing learnt", False, "cheapest", (), ()),
    )
    return Routed("MMLU", small, large, {SMALL: sent, LARGE: sent}, sent, numbers, {"question": questions}, methods)


def question_numbers(question: str) -> list[float]:
    """What the wording of a sum tells: its length, how many numbers, which kinds of quantity."""
    words = question.lower().split()
    found = NUMBER.findall(question)
    return [
        len(question) / 100, len(words) / 20, len(found), question.count("%"), question.count("$"), question.count("/"),
        len(re.findall(r"[.?!]", question)), float("half" in words), float("times" in words or "twice" in words), float("each" in words),
    ]  # fmt: skip


def answer_numbers(question: str, answer: str) -> list[float]:
    """What a first answer tells of itself: its form, its steps, and whether its own arithmetic holds."""
    final = FINAL.search(answer)
    value = _number(final.group(1)) if final else None
    marks = MARK.findall(answer)
    checked = [_holds(left, right) for left, right in marks]
    wrong = sum(held is False for held in checked)
    asked = [_number(text) for text in NUMBER.findall(question)]
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    return [
        len(answer) / 100, math.log1p(len(answer)), float(len(answer) > 1000), len(lines), float(value is not None),
        float(value is not None and value == int(value)), float(value is not None and value < 0), math.log1p(abs(value or 0.0)),
        len(marks), sum(held is True for held in checked), wrong, float(wrong > 0), float(value is not None and value in asked),
        float(bool(marks) and value is not None and _number(marks[-1][1]) == value), len(NUMBER.findall(answer)), answer.count("="),
        sum("." in text.rstrip(".") for text in NUMBER.findall(answer)), answer.count("?"), len(re.findall(r"\b[a-z]\s*[=+*]", answer)),
    ]  # fmt: skip


def option_numbers(prompt: str) -> list[float]:
    """What the form of a multiple-choice question tells."""
    options = prompt.split("\nA.")[-1].splitlines()
    return [
        len(prompt) / 500, math.log1p(len(prompt)), len(re.findall(r"\d", prompt)) / 10, float("Statement" in prompt),
        float("NOT" in prompt or "EXCEPT" in prompt), float("___" in prompt), float("$" in prompt), max(map(len, options)) / 50,
    ]  # fmt: skip


def _by_question(found: tuple[Recording, ...]) -> dict[str, dict[str, Recording]]:
    rows: dict[str, dict[str, Recording]] = {}
    for one in found:
        rows.setdefault(one.question, {})[one.model] = one
    return rows


def _lenient(one: Recording) -> bool:
    right = _number(one.answer or "")
    return right is not None and any(_number(text) == right for text in NUMBER.findall(one.text or "")[-LAST:])


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").replace("$", "").strip().rstrip("."))
    except ValueError:
        return None


OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _holds(left: str, right: str) -> bool | None:
    """Whether "3*4" is "12", to a hundredth; None where either side is no plain arithmetic."""
    said = _number(right)
    try:
        value = _value(ast.parse(left.replace(",", "").replace("$", "").replace("x", "*").strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError):
        return None
    return None if said is None else abs(value - said) <= 0.01 * max(1.0, abs(value))


def _value(node: ast.AST) -> float:
    """The four operations and signs on plain numbers; anything else raises `ValueError`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        return _value(node.operand) * (-1 if isinstance(node.op, ast.USub) else 1)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
        return OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("not arithmetic")
