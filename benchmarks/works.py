"""The scoring works: real rows as prompts and options, and what is asked of the engine on them.

Rows are read in place from ../shared/data/tasks, or from the folder that FIELDGUIDE_DATA names.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("FIELDGUIDE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")) / "tasks"
ARC_SHOTS, TREC_SHOTS, BANKING_SHOTS = 5, 8, 24


class Absent(Exception):
    """A labelled set that is not there."""


@dataclass(frozen=True)
class Work:
    """Prompts, each with its own options, and how much of them the peer is asked to do."""

    name: str
    title: str
    prompts: list[str]
    options: list[list[str]]
    peer_rows: int
    """Rows that the peer scores; its seconds are compared by the row."""
    peer_repeats: int | None
    """How often it does; None for as often as ours."""
    at_least: float
    """How many times as fast a row is asked to be."""

    def peers(self) -> list[int]:
        """The rows that the peer scores: evenly spread over all of them by the length of their prompts."""
        order = sorted(range(len(self.prompts)), key=lambda i: len(self.prompts[i]))
        count = min(self.peer_rows, len(order))
        return [order[int((k + 0.5) * len(order) / count)] for k in range(count)]


def works(quick: bool) -> dict[str, Any]:
    """Name → a function that makes the work; it raises `Absent` where the rows are missing."""
    few = 2 if quick else None
    return {
        "trec6": lambda: trec6(few or 64, peer_rows=few or 16, shots=2 if quick else TREC_SHOTS, labels=2 if quick else 6),
        "banking77": lambda: banking77(few or 20, peer_rows=1 if quick else 2, shots=1 if quick else BANKING_SHOTS, labels=3 if quick else 77),
        "arc_challenge": lambda: arc_challenge(few or 32, peer_rows=few or 8, shots=1 if quick else ARC_SHOTS),
        "zero_shot": lambda: zero_shot(few or 64, peer_rows=few or 64),
    }


def trec6(rows: int, *, peer_rows: int = 16, shots: int = TREC_SHOTS, labels: int = 6) -> Work:
    names = sorted({row["label"] for row in read("trec6", "train")})[:labels]
    block = "".join(f"Question: {row['text']}\nType: {row['label']}\n\n" for row in dealt(read("trec6", "train"), shots))
    prompts = [f"{block}Question: {row['text']}\nType:" for row in drawn(read("trec6", "test"), rows)]
    title = f"trec6, {shots} shots, {len(names)} labels"
    return Work("trec6", title, prompts, [[f" {name}" for name in names]] * len(prompts), peer_rows, None, at_least=40)


def banking77(rows: int, *, peer_rows: int, shots: int, labels: int) -> Work:
    names = sorted({row["label"] for row in read("banking77", "train")})[:labels]
    block = "".join(f"Message: {row['text']}\nIntent: {_spoken(row['label'])}\n\n" for row in dealt(read("banking77", "train"), shots))
    prompts = [f"{block}Message: {row['text']}\nIntent:" for row in drawn(read("banking77", "test"), rows)]
    title = f"banking77, {shots} shots, {len(names)} labels"
    return Work("banking77", title, prompts, [[f" {_spoken(name)}" for name in names]] * len(prompts), peer_rows, 1, at_least=80)


def arc_challenge(rows: int, *, peer_rows: int, shots: int) -> Work:
    def answer(row: dict[str, Any]) -> str:
        return row["choices"][row["choice_labels"].index(row["answer"])]

    block = "".join(f"Question: {row['question']}\nAnswer: {answer(row)}\n\n" for row in drawn(read("arc_challenge", "train"), shots))
    chosen = drawn(read("arc_challenge", "test"), rows)
    prompts = [f"{block}Question: {row['question']}\nAnswer:" for row in chosen]
    options = [[f" {choice}" for choice in dict.fromkeys(row["choices"])] for row in chosen]
    return Work("arc_challenge", f"arc_challenge, {shots} shots, answer texts", prompts, options, peer_rows, None, at_least=15)


def zero_shot(rows: int, *, peer_rows: int) -> Work:
    prompts = [f"Is this review of a product positive or negative?\nReview: {row['text']}\nThe review is" for row in drawn(read("cr", "test"), rows)]
    return Work("zero_shot", "cr, no shots, 2 one-token labels", prompts, [[" positive", " negative"]] * len(prompts), peer_rows, None, at_least=1.4)


def read(name: str, split: str) -> list[dict[str, Any]]:
    """The rows of a labelled set, or `Absent`."""
    path = DATA / name / f"{split}.jsonl"
    if not path.is_file():
        raise Absent(f"the set {name} is not in the data folder; set FIELDGUIDE_DATA to the folder that holds tasks/")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def drawn(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`count` rows in an order that never changes: fewer are the first of more."""
    order = list(rows)
    random.Random(0).shuffle(order)
    return order[:count]


def dealt(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`count` demonstrations, dealt out over the labels in turn."""
    queues: dict[str, list[dict[str, Any]]] = {}
    for row in drawn(rows, len(rows)):
        queues.setdefault(row["label"], []).append(row)
    rounds = max(map(len, queues.values()))
    return [queue[turn] for turn in range(rounds) for queue in queues.values() if turn < len(queue)][:count]


def running_text(tokenizer: Any, tokens: int, count: int) -> list[str]:
    """`count` pieces of Wikipedia text of about `tokens` tokens each, no two overlapping."""
    text = "\n".join(row["text"].strip() for row in read("wikitext2", "test"))
    found, start = [], 0
    for _ in range(count):
        piece = text[start : start + 12 * tokens]
        offsets = tokenizer(piece, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        end = offsets[tokens - 1][1]
        found.append(piece[:end])
        start += end
    return found


def _spoken(label: str) -> str:
    return label.replace("_", " ")
