"""Recorded answers of models: reading a file of them, and finding the recorded question that a prompt contains.

The file is JSON Lines, a row a question, each field but the question optional:

    {"question": "…", "answer": "18", "responses": {"gpt-4": "…"}, "correct": {"gpt-4": true},
     "usage": {"gpt-4": {"prompt_tokens": 61, "completion_tokens": 74, "cost_usd": 0.0028}}}

"prompt" may stand for "question", and fields with other names are passed over. The first line may say what the models are:

    {"models": {"gpt-4": {"price": {"prompt": 10, "cached": 5, "completion": 30, "date": "2023-11-06"}, "local": false, "open": false, "licence": "…"}}}

with prices in dollars a million tokens. Where a row says nothing of tokens, `CHARACTERS_A_TOKEN` characters are taken for one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import ModelError
from fieldguide.models.prices import OFFICIAL, Price, price_of

CHARACTERS_A_TOKEN = 4
"""About right for English and the tokenisers of large models; half of that or less for other scripts."""
TAIL = 32
"""Characters at the end of a question by which it is looked up."""


@dataclass(frozen=True)
class Recording:
    """What one model once answered to one question."""

    question: str
    answer: str | None
    """The right answer, where the file gives it."""
    text: str | None
    """What the model wrote; None where the file does not hold it."""
    correct: bool | None
    """Whether that was judged right; None where the file does not say."""
    model: str
    prompt_tokens: int
    completion_tokens: int
    """0 where there is no text."""
    cost_usd: float | None
    """Dollars, recorded or by the model's price; None where neither is known."""
    measured: bool = False
    """Whether the tokens were recorded, and not estimated from lengths."""


@dataclass(frozen=True)
class About:
    """What a file says of a model beside its answers."""

    price: Price | None = None
    local: bool = False
    open: bool = False
    licence: str = "unknown"


@dataclass(frozen=True)
class Recordings:
    """A whole file: every row's recordings in order, and what it says of each model."""

    path: Path
    recordings: tuple[Recording, ...]
    models: Mapping[str, About]


def recorded(path: str | Path) -> tuple[Recording, ...]:
    """Every recording of a file, row by row. Raises `ModelError` with the line at fault if it is not such a file."""
    return read_recordings(Path(path).expanduser()).recordings


def read_recordings(path: Path) -> Recordings:
    """The file, its models in the order in which they come. Raises `ModelError` if it cannot be read as recordings."""
    rows = list(_rows(path))
    head = rows.pop(0)[1] if rows and "models" in rows[0][1] and not _question(rows[0][1]) else {}
    told = _mapping(head, "models", f"{path}, line 1")
    named = dict.fromkeys((*told, *(name for line, row in rows for name in _models(row, f"{path}, line {line}"))))
    if not rows or not named:
        raise ModelError(f'The file {path} holds no recorded answers; give JSON Lines with "question" and "responses" or "correct" in each row.')
    about = {name: _about(name, told.get(name, {}), path) for name in named}
    found = [recording for line, row in rows for recording in _recordings(row, f"{path}, line {line}", about)]
    return Recordings(path, tuple(found), about)


def estimated_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_A_TOKEN)


class QuestionFinder:
    """Which of many questions a prompt contains. Work grows with the prompt's length, not with the number of questions."""

    def __init__(self, questions: Iterable[str]) -> None:
        bare = {question.strip(): question for question in questions}
        self._questions = {text: question for text, question in bare.items() if text}
        self._ends: dict[int, dict[str, list[str]]] = {}  # length of a tail → tail → the questions that end so
        for text in self._questions:
            size = min(len(text), TAIL)
            self._ends.setdefault(size, {}).setdefault(text[-size:], []).append(text)

    def find(self, prompt: str) -> str | None:
        """The question that ends last in the prompt, whole and as written but for spaces around it; of several that end there, the longest."""
        for end in range(len(prompt), 0, -1):
            near = (text for size, tails in self._ends.items() for text in tails.get(prompt[max(end - size, 0) : end], ()))
            if ending := [text for text in near if prompt.endswith(text, 0, end)]:
                return self._questions[max(ending, key=len)]
        return None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of each line that is not blank."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ModelError(f"The recorded answers {path} cannot be read ({error.strerror}); give the path of a JSON Lines file.") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"The recorded answers {path} are not UTF-8 text ({error.reason} at byte {error.start}); save them as UTF-8.") from error
    for line, data in enumerate(text.split("\n"), start=1):
        if not data.strip():
            continue
        try:
            row = json.loads(data)
        except ValueError as error:
            raise ModelError(f"{path}, line {line}: one JSON object a line is expected, and this is none ({error}).") from None
        if not isinstance(row, dict) or not (_question(row) or (line == 1 and "models" in row)):
            raise ModelError(f'{path}, line {line}: an object with a text as "question" or "prompt" is expected; {data[:80]!r} came.')
        yield line, row


def _question(row: Mapping[str, Any]) -> str:
    asked = row.get("question", row.get("prompt"))
    return asked if isinstance(asked, str) and asked.strip() else ""


def _models(row: Mapping[str, Any], where: str) -> list[str]:
    return [name for field in ("responses", "correct") for name in _mapping(row, field, where)]


def _mapping(row: Mapping[str, Any], field: str, where: str) -> dict[str, Any]:
    value = row.get(field)
    if value is not None and not isinstance(value, dict):
        raise ModelError(f'{where}: "{field}" is expected to be an object of model names; {value!r:.80} came.')
    return value or {}


def _recordings(row: Mapping[str, Any], where: str, models: Mapping[str, About]) -> Iterator[Recording]:
    question, gold = _question(row), row.get("answer")
    texts, judged, usage = (_mapping(row, field, where) for field in ("responses", "correct", "usage"))
    for name in dict.fromkeys((*texts, *judged)):
        text, correct, spent = texts.get(name), judged.get(name), _mapping(usage, name, f"{where}, usage")
        if not isinstance(text, str | None) or not isinstance(correct, bool | None):
            raise ModelError(f"{where}: the response of {name!r} should be a text or null, and its correctness true, false or null.")
        measured = {"prompt_tokens", "completion_tokens"} <= spent.keys()
        sent = int(_number(spent, "prompt_tokens", where)) if measured else estimated_tokens(question)
        written = int(_number(spent, "completion_tokens", where)) if measured else estimated_tokens(text or "")
        cost, price = _number(spent, "cost_usd", where) if "cost_usd" in spent else None, models[name].price
        if cost is None and price is not None:
            cost = price.cost(sent, written)
        yield Recording(question, None if gold is None else str(gold), text, correct, name, sent, written, cost, measured)


def _about(name: str, told: Any, path: Path) -> About:
    """What the head of the file tells of a model; its price from the price table where the head tells none."""
    where = f"{path}, line 1, {name!r}"
    known = ("price", "local", "open", "licence")
    if not isinstance(told, dict) or told.keys() - set(known):
        raise ModelError(f"{where}: an object with some of {', '.join(known)} is expected; {told!r:.80} came.")
    entry = told.get("price")
    if entry is None:
        price = price_of(name, OFFICIAL, local=False)
    elif not isinstance(entry, dict) or not {"prompt", "completion"} <= entry.keys():
        raise ModelError(f'{where}: the price is expected to be an object with "prompt" and "completion", in dollars a million tokens; {entry!r:.80} came.')
    else:
        prompt, cached, completion = (_number({"cached": entry["prompt"], **entry}, part, where) for part in ("prompt", "cached", "completion"))
        price = Price(prompt, cached, completion, str(entry.get("date", "")), str(path))
    return About(price, bool(told.get("local", False)), bool(told.get("open", False)), str(told.get("licence", "unknown")))


def _number(entry: Mapping[str, Any], field: str, where: str) -> float:
    value = entry[field]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ModelError(f'{where}: "{field}" is expected to be a number, 0 or more; {value!r:.80} came.')
    return float(value)
