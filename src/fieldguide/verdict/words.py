"""The phrases that verdict sentences are made of: points, counts, seconds, dollars, ratios, and what an approach is called."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from fieldguide.registry import resolve
from fieldguide.verdict.cells import Entry

ROUTES = {
    "prompting": "Prompt a language model",
    "tuning": "Tune a language model",
    "embedding": "Train a small model",
    "baseline": "Train a small model",
}
FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 6: "a sixth", 7: "a seventh", 8: "an eighth", 9: "a ninth", 10: "a tenth"}
FRACTIONS |= {15: "a fifteenth", 20: "a twentieth", 30: "a thirtieth", 40: "a fortieth", 50: "a fiftieth", 70: "a seventieth", 100: "a hundredth"}
FRACTIONS |= {200: "a two-hundredth", 500: "a five-hundredth", 1000: "a thousandth"}


def points(difference: float) -> str:
    """A difference on the 0-to-1 scale in points: "2.1 points", "1 point"."""
    text = f"{round(100 * difference, 1):g}"
    if text in ("0", "-0") and difference:
        return "less than 0.1 points"
    return f"{text} point" if text in ("1", "-1") else f"{text} points"


def count(number: int, noun: str) -> str:
    """"1,024 labels", "one label"."""
    return f"{'one' if number == 1 else f'{number:,}'} {noun}{'' if number == 1 else 's'}"


def roughly(number: int) -> str:
    """Two significant digits: "1,300"."""
    return f"{int(float(f'{number:.2g}')):,}"


def seconds(value: float) -> str:
    """Two significant digits in the unit that suits: "0.31 s", "4.2 ms", "12 s"."""
    if value < 0.1:
        return f"{value * 1e6:.2g} µs" if value < 1e-3 else f"{value * 1e3:.2g} ms"
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def usd(value: float) -> str:
    """"$0.00011", "$3.40", "$1,200"."""
    if value == 0:
        return "$0"
    return f"${value:,.2f}" if value >= 1 else f"${value:.{max(0, 1 - math.floor(math.log10(value)))}f}"


def share(value: float) -> str:
    """"7 %"; less than one percent with a decimal."""
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{100 * value:.1f} %"


def called(entry: Entry) -> str:
    """An approach within a sentence: its title and its models ("linear probe on minilm-l6")."""
    title, models = entry.first.title, " and ".join(entry.first.models)
    head = title.split(" ")[0]
    if head[:1].isupper() and (head[1:].islower() or len(head) == 1):
        title = title[0].lower() + title[1:]
    if not models or models in title:
        return title
    return f"{title} {'with' if entry.first.family == 'prompting' else 'on'} {models}"


def route(entry: Entry) -> str:
    """Which answer to "prompt, tune or train?" an approach is."""
    if entry.first.family == "embedding" and entry.cells and entry.cell.n_labels == 0:
        return "Use a language model's embeddings, untrained"
    return ROUTES.get(entry.first.family, "Use")


def trivially(task: Mapping[str, Any]) -> str:
    """What the trivial baseline of a task does: "always giving the most frequent label"."""
    return resolve("kind", task["kind"]).trivial_words


def labels_used(used: int, available: int) -> str:
    """"with all 1,024 labels", "with 64 of the 1,024 labels", "without labels"."""
    if used == 0:
        return "without labels"
    if used >= available:
        return f"with all {count(used, 'label')}" if used > 1 else "with one label"
    return f"with {used:,} of the {available:,} labels"


def cost_against(cost: float, other: float) -> str:
    """"at a fortieth of its cost", "at twice its cost"; against a free rival, or for a free one, plainly."""
    if cost <= 0 or other <= 0:
        return "at no cost" if cost <= 0 < other else "at about the same cost" if cost <= 0 else "at a cost where that has none"
    ratio = other / cost
    if ratio >= 1.5:
        nearest = min(FRACTIONS, key=lambda k: abs(math.log(k / ratio)))
        if ratio > 1400:
            return "at less than a thousandth of its cost"
        return f"at {FRACTIONS[nearest]} {'of ' if nearest > 2 else ''}its cost"
    if ratio > 1 / 1.5:
        return "at about the same cost" if 0.8 < ratio < 1.25 else f"at {'somewhat less' if ratio > 1 else 'somewhat more'} than its cost"
    return "at twice its cost" if ratio > 0.4 else f"at {1 / ratio:,.0f} times its cost"


def an(noun: str) -> str:
    """A noun, such as a metric's title, with its article: "an nDCG@10", "a macro-F1", "an exact match", "a UAS", "a SQuAD F1"."""
    spelled = re.fullmatch(r"[a-z]?[A-Z][A-Z0-9]*", noun.split(" ")[0].partition("@")[0])
    return f"{'an' if noun[:1] in ('AEFHILMNORSXaefhilmnorsx' if spelled else 'AEIOUaeiou') else 'a'} {noun}"


def listed(names: list[str], most: int = 3) -> str:
    names = list(dict.fromkeys(names))
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
