"""Spans of a sentence as models write them: phrases with their types, in lines, JSON or marks inside the sentence.

A phrase is found again among the row's tokens, case and spaces aside. Where it occurs more than once, it counts only if the rest of the
answer leaves one reading: it is said as often as it occurs, or all its other places lie inside other answers, since spans
do not overlap. Everything else is refused with the reason.

Shapes: a claim is (type, phrase); a span is (start, end, type) in tokens, end exclusive.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from fieldguide.tasks.kinds.token_answers import Find, Pairs, fold, unwrapped

Claim = tuple[str, str]
Span = tuple[int, int, str]
EMPTY = frozenset({"none", "null", "n/a", "-", "–", "[]"})
"""What stands for no phrase after a type."""
QUOTES = " \t\"'`*_“”‘’«»"
OUTER = QUOTES + ".,;:!?()[]<>"
PHRASE_KEYS = frozenset({"text", "phrase", "value", "span", "word", "words", "token", "mention", "entity", "name"})
BULLET = re.compile(r"\A(?:[-*•]|\d{1,2}[.)])\s+")
SEPARATOR = re.compile(r":|=>|->|→|=|\||\t|–|—|\s-\s")


class Refused(Exception):
    """Why a text gives no spans."""


class Sentence:
    """A row's tokens as one folded text, to find phrases in."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.exact, self.folded = (_Text([form(token) for token in tokens]) for form in (_spaceless, fold))

    def places(self, phrase: str) -> list[tuple[int, int]]:
        """Where a phrase occurs, as (start, end) in tokens: in its own case, else in any."""
        for bared in (phrase, phrase.strip(QUOTES), phrase.strip(OUTER)):
            if found := self.exact.places(_spaceless(bared)) or self.folded.places(fold(bared)):
                return found
        return []


class _Text:
    def __init__(self, tokens: Sequence[str]) -> None:
        self.text = ""
        self.starts: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        for i, token in enumerate(tokens):
            if token:
                self.starts[len(self.text)] = i
                self.text += token
                self.ends[len(self.text)] = i + 1

    def places(self, phrase: str) -> list[tuple[int, int]]:
        found, at = [], self.text.find(phrase) if phrase else -1
        while at >= 0:
            if at in self.starts and at + len(phrase) in self.ends:
                found.append((self.starts[at], self.ends[at + len(phrase)]))
            at = self.text.find(phrase, at + 1)
        return found


def placed(sentence: Sentence, claims: Sequence[Claim]) -> list[Span]:
    """The one way to lay the claims into the sentence without overlap; raises `Refused` where there is none, or more than one."""
    waiting: dict[Claim, list[tuple[int, int]]] = {}
    said: Counter[Claim] = Counter()
    for kind, phrase in claims:
        claim = kind, phrase.strip(OUTER).casefold()
        said[claim] += 1
        waiting[claim] = sentence.places(phrase)
        if not waiting[claim]:
            raise Refused(f"{phrase[:60]!r} is not in the sentence")
    taken: list[Span] = []
    while waiting:
        settled = False
        for claim, places in list(waiting.items()):
            free = [(start, end) for start, end in places if all(end <= s or e <= start for s, e, _ in taken)]
            if not free:
                raise Refused(f"{claim[1]!r} overlaps another answer")
            if len(free) <= said[claim] and all(a[1] <= b[0] for a, b in pairwise(free)):
                taken += [(start, end, claim[0]) for start, end in free]
                del waiting[claim]
                settled = True
        if not settled:
            phrase, places = next((claim[1], places) for claim, places in waiting.items())
            raise Refused(f"{phrase!r} occurs {len(places)} times, and the answer does not say which is meant")
    return sorted(taken)


def in_lines(sentence: Sentence, find: Find, text: str) -> list[Span] | None:
    """Spans from a text of "type: phrase", either way round, parted by lines, semicolons or commas; None where it is nothing of the kind.

    Raises `Refused` where it is but cannot be used.
    """
    text = re.sub(r"(?<=\)),\s*", "\n", text)
    text = re.sub(r",\s*(?=([^\W\d][\w ]{0,40}?)\s*[:=])", lambda m: "\n" if find(m[1]) else m[0], text)
    claims: list[Claim] = []
    heading: str | None = None
    some = False
    for part in re.split(r"[\n;]", text):
        part = BULLET.sub("", part.strip()).strip("| ")
        if not part:
            continue
        if (alone := find(part.strip(OUTER))) and part.rstrip("* ").endswith(":"):
            heading = alone
            continue
        found = _claims(sentence, find, part) or ({(heading, part)} if heading else set())
        if len(found) != 1:
            if some:
                raise Refused(f"{part[:60]!r} is not a phrase and its type")
            return None
        some = True
        claims += _split(sentence, *found.pop())
    return placed(sentence, claims) if some else None


def _claims(sentence: Sentence, find: Find, part: str) -> set[Claim]:
    """The ways in which a text can be read as a type and a phrase."""
    found: set[Claim] = set()
    if len(part) > 2 * len(sentence.exact.text) + 200:  # longer than any phrase
        return found
    if part.rstrip(".").endswith(")") and "(" in part:
        phrase, _, kind = part.rstrip(".")[:-1].rpartition("(")
        if known := find(kind.strip(QUOTES)):
            found.add((known, phrase.strip()))
    for cut in SEPARATOR.finditer(part):
        left, right = part[: cut.start()].strip(), part[cut.end() :].strip()
        one, other = find(left.strip(QUOTES + "[]<>")), find(right.strip(OUTER))
        if one and other:  # a phrase that is itself the name of a type
            found |= {claim for claim in ((one, right), (other, left)) if sentence.places(claim[1])}
        elif one or other:
            found.add((one, right) if one else (str(other), left))
    return found


def _split(sentence: Sentence, kind: str, phrase: str) -> list[Claim]:
    """The phrase as a claim; several, parted by commas, where it is not in the sentence whole; none for a word that says so."""
    if sentence.places(phrase):
        return [(kind, phrase)]
    if phrase.strip(QUOTES + ".").casefold() in EMPTY:
        return []
    return [(kind, part) for part in phrase.split(",")] if "," in phrase else [(kind, phrase)]


def in_marks(sentence: Sentence, find: Find, text: str) -> list[Span] | None:
    """Spans from marks such as [phrase](type), <type>phrase</type> or word/type, inside the sentence or by themselves.

    A slash marks the one word before it. Words of one type that are marked so side by side may be one span or several, and are refused.
    """
    rest, marks, at = "", [], 0
    for mark in MARKS.finditer(text):
        phrase = next(filter(None, (mark["square"], mark["angle"], mark["bar"], mark["word"])))
        kind = find(next(filter(None, (mark["round"], mark["tag"], mark["after"], mark["slash"]))))
        if kind is None:
            continue
        rest += text[at : mark.start()]
        marks.append((len(fold(rest)), len(fold(rest + phrase)), kind, phrase, bool(mark["word"])))
        rest, at = rest + phrase, mark.end()
    if not marks:
        return None
    rest += text[at:]
    if fold(rest).rstrip(".!?") == sentence.folded.text.rstrip(".!?"):
        return _at(sentence.folded, marks)
    between = rest
    for *_, phrase, _ in marks:
        between = between.replace(phrase, "", 1)
    if re.sub(r"\band\b|[\s,;.|&-]", "", between):
        raise Refused("it marks another sentence than that of the row")
    return placed(sentence, [(kind, phrase) for _, _, kind, phrase, _ in marks])


MARKS = re.compile(
    r"\[(?P<square>[^\[\]|]{1,1000})\] ?\((?P<round>[^()]{1,60})\)"
    r"|<(?P<tag>[^<>/]{1,60})>(?P<angle>[^<>]{1,1000})</(?P=tag)>"
    r"|\[(?P<bar>[^\[\]|]{1,1000})\|(?P<after>[^\[\]|]{1,60})\]"
    r"|(?<!\S)(?P<word>[^\s/\[\]<>]{1,60})/(?P<slash>\w{1,60})(?!\w)"
)


def _at(text: _Text, marks: Sequence[tuple[int, int, str, str, bool]]) -> list[Span]:
    """Marks that stand in the whole sentence, by their characters."""
    found: list[Span] = []
    for start, end, kind, phrase, single in marks:
        if start not in text.starts or end not in text.ends:
            raise Refused(f"{phrase!r} is not made of whole tokens")
        span = (text.starts[start], text.ends[end], kind)
        if single and found and found[-1][1:] == (span[0], kind):
            raise Refused("words marked one by one do not say where a span ends")
        found.append(span)
    return found


def in_json(sentence: Sentence, find: Find, said: Any) -> list[Span]:
    """Spans from a JSON value: {type: phrases}, {phrase: type}, or a list of objects or pairs that hold a phrase and its type."""
    said = said if isinstance(said, Pairs) and all(find(key) for key, _ in said) else unwrapped(said)
    if isinstance(said, Pairs):
        claims = _from_object(find, said)
    elif isinstance(said, list):
        claims = [claim for part in said for claim in _from_record(sentence, find, part)]
    else:
        raise Refused("it is neither a list nor an object")
    return placed(sentence, claims)


def _from_object(find: Find, said: Pairs) -> list[Claim]:
    kinds = [find(key) for key, _ in said]
    if said and all(kinds):
        claims = []
        for kind, (_, value) in zip(kinds, said, strict=True):
            phrases = value if isinstance(value, list) and not isinstance(value, Pairs) else [value]
            if not all(isinstance(phrase, str) or phrase is None for phrase in phrases):
                raise Refused("it holds something else than phrases under a type")
            claims += [(str(kind), phrase) for phrase in phrases if phrase and phrase.casefold() not in EMPTY]
        return claims
    values = [find(value) if isinstance(value, str) else None for _, value in said]
    if said and all(values):
        return [(str(kind), key) for kind, (key, _) in zip(values, said, strict=True)]
    raise Refused("its keys are neither types nor phrases")


def _from_record(sentence: Sentence, find: Find, part: Any) -> list[Claim]:
    if isinstance(part, str):
        found = _claims(sentence, find, part)
    elif isinstance(part, Pairs) and len(part) == 1:
        return _from_object(find, part)
    elif isinstance(part, list):
        held = [(key.casefold(), value) for key, value in part if isinstance(value, str)] if isinstance(part, Pairs) else [("", v) for v in part]
        texts = [value for _, value in held if isinstance(value, str)]
        kinds = [value for value in texts if find(value)]
        phrases = [value for key, value in held if value not in kinds and (len(texts) == 2 or key in PHRASE_KEYS)]
        found = {(str(find(kinds[0])), phrases[0])} if len(kinds) == len(phrases) == 1 else set()
    else:
        found = set()
    if len(found) != 1:
        raise Refused(f"{str(part)[:60]} does not hold one phrase and its type")
    return list(found)


def _spaceless(text: str) -> str:
    return re.sub(r"\s+", "", text)
