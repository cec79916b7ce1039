"""Label names in plain words: taken apart where a name is put together, and spelt out where training rows show what is cut short."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from fieldguide.tasks.overlap import normalise

LEVEL = re.compile(r"(?<=[^\W\d]{2})\s*(?:::|->|→|[:/|>.])\s*(?=[^\W\d]{2})")
"""What parts the levels of a name ("HUM:desc", "rec.sport.hockey")."""
HUMP = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W\d_]+")
SHORT, LONGER, SHOWN = range(3, 5), 2, 2
"""Letters of a part that may be cut short, how many more its word has at least, and in how many rows of the label that word stands at least."""


def expanded(label: str, labels: Sequence[str] = ()) -> str:
    """A label as words: underscores to spaces, levels parted by commas, humps cut ("cardArrival"); in small letters where it had humps, or where
    all `labels` are in capitals, which is then the file's way to write and says nothing."""
    loud = bool(labels) and all(own == own.upper() for own in labels)
    found = []
    for level in filter(None, LEVEL.split(label)):
        words = HUMP.sub(" ", re.sub(r"[_\s]+", " ", level)).split()
        humps = bool(HUMP.search(level))
        found.append(" ".join(word.lower() if loud or (humps and not word[1:].isupper()) else word for word in words))
    return ", ".join(filter(None, found)).strip(" ?!.,;") or label


def spelt_out(names: Mapping[str, str], rows: Sequence[tuple[Collection[str], Collection[str]]]) -> dict[str, str]:
    """Label → its name with each part that is cut short replaced by the word that rows show for it.

    `rows` are training rows as (their labels, their words, case folded). A part of three or four letters that is no word of any row stands for a
    longer word that begins with it, in at least two rows of labels that have the part, and in a larger share of them than of the others; of several
    for the one in most rows, the shortest, the first. Parts for which there is none stay as they are.
    """
    known = {word for _, words in rows for word in words}
    parts: dict[str, list[str]] = {}
    for label, said in names.items():
        for part in dict.fromkeys(WORD.findall(said.casefold())):
            parts.setdefault(part, []).append(label)
    found = {part: _word_for(part, having, rows) for part, having in parts.items() if len(part) in SHORT and part not in known}
    return {label: WORD.sub(lambda part: found.get(part[0].casefold()) or part[0], said) for label, said in names.items()}


def _word_for(part: str, having: Collection[str], rows: Sequence[tuple[Collection[str], Collection[str]]]) -> str | None:
    own = [words for labels, words in rows if not set(labels).isdisjoint(having)]
    others = [words for labels, words in rows if set(labels).isdisjoint(having)]
    counts = Counter(word for words in own for word in set(words) if word.startswith(part) and len(word) >= len(part) + LONGER)
    share = {word: sum(word in words for words in others) / max(len(others), 1) for word in counts}
    fit = [word for word, count in counts.items() if count >= SHOWN and count / len(own) > share[word]]
    return min(fit, key=lambda word: (-counts[word], len(word), word), default=None)


def words_of(text: str) -> frozenset[str]:
    """The words of a text, case folded."""
    return frozenset(WORD.findall(text.casefold()))


def distinct(words: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Label → words, no two alike: where several labels have the same, their names go before them."""
    often = Counter(normalise(said) for said in words.values())
    return {label: f"{names[label]}: {said}" if often[normalise(said)] > 1 else said for label, said in words.items()}


def one_line(text: str, words: int) -> str:
    """The first line of a text that says something, of at most so many words, without quotes and a full stop around it."""
    line = next((own for own in map(str.strip, text.split("\n")) if WORD.search(own)), "")
    return " ".join(line.strip(" \t\"'“”*-").split()[:words]).rstrip(" .,;:")
