"""Small tasks with known answers, for tests and examples: separable rows, made from a seed."""

from __future__ import annotations

import random

from fieldguide.records import Row
from fieldguide.tasks.task import Role, Task, TaskSpec

WORDS = {
    "animals": ["cat", "dog", "horse", "sheep", "rabbit", "goose", "otter", "badger", "falcon", "salmon"],
    "food": ["bread", "cheese", "soup", "apple", "noodles", "butter", "pepper", "honey", "salad", "rice"],
    "weather": ["rain", "snow", "thunder", "sunshine", "fog", "drizzle", "hail", "breeze", "frost", "storm"],
}
FRAMES = ("I like {a} and {b}", "there was {a} with {b} today", "more {a}, less {b}", "all about {a} or {b}", "my notes on {a} and {b}")
ANIMALS = WORDS["animals"]


def toy_spec() -> TaskSpec:
    """Which of three topics a sentence is about."""
    return TaskSpec("toy-topics", "classification", ("text",), "topic", tuple(WORDS))


def toy_pair_spec() -> TaskSpec:
    """Whether two sentences name the same animal."""
    return TaskSpec("toy-pairs", "pair-classification", ("first", "second"), "relation", ("different", "same"))


def toy_rows(size: int, *, seed: int = 0, name: str = "toy") -> list[Row]:
    """Separable rows for `toy_spec`, the topics in turn with twice as many about animals: the majority label is right on half."""
    rng = random.Random(f"rows {seed}")
    topics = ["animals", "food", "animals", "weather"]
    rows = []
    for i in range(size):
        topic = topics[i % 4]
        a, b = rng.sample(WORDS[topic], 2)
        rows.append(Row(f"{name}:{i + 1}", {"text": rng.choice(FRAMES).format(a=a, b=b)}, topic))
    return rows


def toy_pairs(size: int, *, seed: int = 0, name: str = "pairs") -> list[Row]:
    """Separable rows for `toy_pair_spec`; two of five are "same"."""
    rng = random.Random(f"pairs {seed}")
    rows = []
    for i in range(size):
        same = i % 5 in (1, 3)
        a, b = rng.sample(ANIMALS, 2)
        rows.append(Row(f"{name}:{i + 1}", {"first": f"we saw a {a}", "second": f"we saw a {a if same else b}"}, "same" if same else "different"))
    return rows


def toy_task() -> Task:
    """Twenty rows about three topics: 12 to train on, 4 to select, 4 to certify."""
    return _dealt(toy_spec(), toy_rows(20))


def toy_pair_task() -> Task:
    """Twenty pairs of sentences: 12 to train on, 4 to select, 4 to certify."""
    return _dealt(toy_pair_spec(), toy_pairs(20))


def larger_toy_task(train: int = 48, test: int = 40, *, seed: int = 0) -> Task:
    """`toy_task` with more rows, where a claim about accuracy needs them. No text is in two roles."""
    taken: set[str] = set()
    parts: dict[Role, tuple[Row, ...]] = {}
    for role, size in ((Role.TRAIN, train), (Role.SELECT, 8), (Role.CERTIFY, test)):
        fresh = [row for row in toy_rows(4 * (train + test), seed=seed, name=role.value) if row.inputs["text"] not in taken]
        parts[role] = tuple(fresh[:size])
        taken |= {row.inputs["text"] for row in parts[role]}
    return Task(toy_spec(), parts, source="larger_toy_task")


def _dealt(spec: TaskSpec, rows: list[Row]) -> Task:
    roles = {Role.TRAIN: tuple(rows[:12]), Role.SELECT: tuple(rows[12:16]), Role.CERTIFY: tuple(rows[16:])}
    return Task(spec, roles, notes=("Made for tests: any resemblance to real rows is accidental.",), source=spec.name)
