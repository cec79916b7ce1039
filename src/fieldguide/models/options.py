"""Which option a text means, read leniently but never guessed at."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_EDGES = " \t\r\n\"'`*_“”‘’«»()[]{}<>.,;:!?。，！？"
_FENCE = re.compile(r"^\s*```\w*\s*\n?(.*?)\n?```\s*$", re.S)


def option_meant(text: str, options: Sequence[str]) -> int | None:
    """The place of the option that a text means, or None.

    In turn: the text is the option; it is JSON that holds it as its only text; its first line is the option; exactly one option occurs in it,
    once. Case, quotes, and punctuation at the edges do not count, unless the options differ in nothing else.
    """
    said = _unwrapped(text)
    lines = [line for line in said.splitlines() if line.strip()]
    for part in (said, *lines[:1]):
        if (found := _same(part, options)) is not None:
            return found
    return _only_one(said, options)


def span_of(text: str, option: str, *, last: bool = False) -> tuple[int, int] | None:
    """Where in a text the option stands first (or last), as it is written or in another case, in JSON's spelling too; None if nowhere."""
    for written in dict.fromkeys((option, json.dumps(option)[1:-1], json.dumps(option, ensure_ascii=False)[1:-1])):
        for flags in (0, re.I):
            if spans := [found.span() for found in re.finditer(re.escape(written), text, flags)]:
                return spans[-1 if last else 0]
    return None


def _unwrapped(text: str) -> str:
    """The text inside a code fence, and inside JSON: a string, or the only string of an object or list."""
    if fenced := _FENCE.match(text):
        text = fenced[1]
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(4):
        if isinstance(value, dict) and len(value) == 1:
            value = next(iter(value.values()))
        elif isinstance(value, list) and len(value) == 1:
            value = value[0]
    return value if isinstance(value, str) else text


def _same(text: str, options: Sequence[str]) -> int | None:
    """The option that equals the text, in the strictest of four ways in which exactly one does."""
    for plain in (str, str.strip, _bare, lambda t: _bare(t).casefold()):
        hits = [i for i, option in enumerate(options) if plain(option) == plain(text)]
        if hits and plain(text):
            return hits[0] if len({options[i] for i in hits}) == 1 else None
    return None


def _only_one(text: str, options: Sequence[str]) -> int | None:
    """The only option that occurs in the text as whole words, if it does so once; "good" inside "very good" is no "good" where both are options."""
    names = {_bare(option).casefold(): i for i, option in reversed(list(enumerate(options)))}
    if len(names) < len(set(options)) or "" in names:
        return None
    longest_first = sorted(names, key=len, reverse=True)
    hits = re.findall("|".join(map(_whole, longest_first)), text.casefold())
    return names[hits[0]] if len(hits) == 1 else None


def _whole(name: str) -> str:
    """A pattern for the name where it is not a part of a longer word or number ("1" in "-1" or "1.5"); scripts without spaces have no such edges."""
    left = r"(?<![\w-])(?<!\w\.)" if ord(name[0]) < 0x2E80 else ""
    right = r"(?!\w|[.-]\w)" if ord(name[-1]) < 0x2E80 else ""
    return left + re.escape(name) + right


def _bare(text: str) -> str:
    return text.strip(_EDGES)
