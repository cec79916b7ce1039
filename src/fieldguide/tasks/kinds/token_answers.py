"""Answers for each token as models write them: what announces them, JSON, tags in a row, and texts that go through the tokens in order."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from fieldguide.records import Unparsed

Find = Callable[[str], str | None]
"""From a name as someone wrote it to the one that is meant; None for no such name."""


class Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that comes twice is not lost."""


def json_in(text: str) -> Any:
    """The JSON list or object that the text is, objects as `Pairs`; None where it is none."""
    if text[:1] not in ("[", "{"):
        return None
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        return None


def unwrapped(said: Any) -> Any:
    """What an object holds whose only key announces the answer, such as {"tags": […]}."""
    while isinstance(said, Pairs) and len(said) == 1 and isinstance(said[0][1], list) and fold(said[0][0]).removesuffix("s") in WRAPPERS:
        said = said[0][1]
    return said


WRAPPERS = frozenset(
    {"tag", "entitie", "slot", "span", "phrase", "label", "token", "answer", "result", "output", "parse", "annotation", "arc", "dependencie"}
)


def bare(text: str) -> str:
    """The text without a code fence around it, and without a first line or word that only announces the answer."""
    text = text.strip()
    lines = text.split("\n", 1)
    if len(lines) == 2 and lines[0].rstrip().endswith(":") and len(lines[0].split()) > 2 and not DENYING.search(lines[0]):
        text = lines[1].strip()
    if fenced := re.fullmatch(r"```\w*\n(.*?)\n?```", text, re.DOTALL):
        text = fenced[1].strip()
    return re.sub(ANNOUNCED, "", text, count=1)


DENYING = re.compile(r"(?i)\b(?:not?|never|nor|wrong|incorrect|except|without|instead)\b|n['’]t\b")
ANNOUNCED = (
    r"(?i)\A[*_\s]{0,3}(?:the )?(?:answer|output|result|tag|slot|phrase|entitie|parse|annotation)s?(?: is| are)?[*_\s]{0,3}:[*_\s]*"
)


def fold(text: str) -> str:
    """Case, width and white space aside."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def lookup(names: Sequence[str], written: Callable[[str], str] = str) -> Find:
    """A function from a name as someone wrote it to the one that is meant: as it stands, else case, underscores and spaces aside.

    Where two names are alike but for these, only exact ones count. `written` gives another form that a name may have.
    """
    exact = {**{written(name): name for name in names}, **{name: name for name in names}}
    loose: dict[str, set[str]] = {}
    for form, name in exact.items():
        loose.setdefault(fold(form).replace("_", ""), set()).add(name)

    def find(text: str) -> str | None:
        if text in exact:
            return exact[text]
        form = fold(text).replace("_", "")
        alike = loose.get(form, set())
        return next(iter(alike)) if form and len(alike) == 1 else None

    return find


def one_each(tokens: Sequence[str], find: Find, text: str) -> list[str] | Unparsed | None:
    """An answer of nothing but tags, one a token; None where there is anything else."""
    found = []
    for item in text.split():
        tag = find(item) or find(item.strip(",;|.\"'[]()"))
        if tag is None:
            return None
        found.append(tag)
    if not found:
        return None
    return found if len(found) == len(tokens) else Unparsed(text, f"gives {len(found)} tags for {len(tokens)} tokens")


def scanned(tokens: Sequence[str], after: str, text: str, *, numbered: bool = False, named: bool = True) -> list[tuple[str, ...]] | None:
    """What stands after each token, where a text goes through the tokens in order: the groups of the pattern `after`, each time.

    Only punctuation may stand between. With `numbered` each token's place, counted from 1, stands before it; without `named` the tokens
    themselves are left out. None where the text is not so, or anything is left over.
    """
    pattern = _compiled(rf"[\W_]{{{int(numbered or named)},20}}?{after}")
    found, at = [], 0
    for i, token in enumerate(tokens, 1):
        for word in [*([str(i)] if numbered else []), *([token] if named else [])]:
            if (at := _past(text, at, word)) < 0:
                return None
        match = pattern.match(text, at)
        if match is None:
            return None
        found.append(match.groups())
        at = match.end()
    return found if found and re.fullmatch(r"[\W_]*", text[at:]) else None


def _past(text: str, at: int, word: str) -> int:
    """The end of a word that stands at `at` or after punctuation, as a word of its own; -1 where it does not."""
    for start in range(at, min(at + 60, len(text))):
        end = start + len(word)
        if text[start:end].casefold() == word.casefold() and not (word[-1:].isalnum() and text[end : end + 1].isalnum()):
            return end
        if text[start].isalnum():
            return -1
    return -1


@lru_cache(32)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def one_of(names: Sequence[str]) -> str:
    """A pattern for one of these names as a word of its own, the longest first; case counts only where names differ in nothing else."""
    alike = len({fold(name) for name in names}) < len(names)
    return ("(?:" if alike else "(?i:") + "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) + r")(?!\w|-\w)"


def without_head(text: str) -> str:
    """The text without the heading of a table."""
    lines = text.split("\n")
    if len(lines) < 3:
        return text
    heads = {part.strip(" *_").casefold().removesuffix("s") for part in re.split(r"[|\t,]+", lines[0].strip("| "))}
    if not heads <= HEADINGS:
        return text
    return "\n".join(lines[2:] if not lines[1].strip("|-: +=") else lines[1:])


HEADINGS = frozenset(
    {"token", "word", "form", "tag", "pos", "upos", "label", "type", "slot", "phrase", "id", "no", "#", "head", "relation", "deprel"}
)


def tags_by_token(tokens: Sequence[str], tags: Sequence[str], text: str) -> list[str] | Unparsed | None:
    """Tags said token by token: all in a row, or each after its token, or as JSON. None where the text is of no such form."""
    find = lookup(tags)
    if (said := json_in(text)) is not None:
        return tags_in_json(tokens, find, said, text)
    if (plain := one_each(tokens, find, text)) is not None:
        return plain
    for numbered in (False, True):
        if found := scanned(tokens, f"({one_of(tags)})", text, numbered=numbered):
            return [str(find(tag)) for (tag,) in found]
    return None


def tags_in_json(tokens: Sequence[str], find: Find, said: Any, text: str) -> list[str] | Unparsed | None:
    """Tags in a list, in pairs with their tokens, or in objects that hold token and tag."""
    said = unwrapped(said)
    if not isinstance(said, list) or not said:
        return None
    if not isinstance(said, Pairs) and all(isinstance(part, str) for part in said):
        tags = [find(part) for part in said]
        if None in tags:
            return None
        return [str(tag) for tag in tags] if len(tags) == len(tokens) else Unparsed(text, f"gives {len(tags)} tags for {len(tokens)} tokens")
    rows = [[value for _, value in part if isinstance(value, str)] if isinstance(part, Pairs) else part for part in said]
    if not all(isinstance(row, (list, tuple)) and len(row) == 2 and all(isinstance(part, str) for part in row) for row in rows):
        return None
    tags = [find(row[1]) for row in rows]
    if None in tags or [fold(row[0]) for row in rows] != [fold(token) for token in tokens]:
        return None
    return [str(tag) for tag in tags]
