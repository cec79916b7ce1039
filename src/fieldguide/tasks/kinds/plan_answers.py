"""Plans as models write them: an action a line, numbered, bulleted, in one sentence with arrows or commas, as JSON, or with thoughts between them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from fieldguide.tasks.environments.environment import LONGEST, SILENT

Read = Callable[[str], str | None]
"""A few words → the action that they name (`Environment.read`)."""
ASIDE = re.compile(r"\s*(?:(?:thought|think|reason(?:ing)?|observation|obs|note|comment|result|you see)s?\b[^:\n]{0,12}:|#|//|```)", re.I)
"""How a line begins that is no action, and does not try to be one."""
MARK = re.compile(
    r"\s*(?:[-*•>·]+|[\[(]?\d{1,3}[\])]?\s*[.):]|[\[(]\d{1,3}[\])]"
    r"|(?:step|action|act|move)\s*\d{0,3}\s*[:.)]|(?:my |the )?(?:plan|answer|actions?)(?: is)?\s*:"
    r"|(?:i|you|we)(?:['’]ll| will| should| would| must)?\s+(?=\w)|(?:and|then|next|now|first|second|third|finally|last(?:ly)?|after that)\b[\s,:]*)",
    re.I,
)
"""What may stand before an action."""
TIMES = re.compile(
    r"(.*?\S)\s*(?:[(\[]?\s*[x×]\s?(\d{1,2})\s*[)\]]?|[(\[]?\s*(\d{1,2}|two|three|four)\s+(?:times|steps|cells|squares)\s*[)\]]?"
    r"|\b(twice))",
    re.I,
)
NUMBERS = {"two": 2, "three": 3, "four": 4, "twice": 2}
BETWEEN = (re.compile(r"\s*(?:;|→|⟶|[-=]+>|>|\|)\s*"), re.compile(r"\s*,\s*(?:(?:and\s+)?then\s+|and\s+)?|\s+(?:and\s+)?then\s+"), re.compile(r"\s+and\s+"))
"""What may stand between the actions of one line, tried in turn."""
EDGES = " \t\"'“”‘’`*_.,;!…"
SHOWN = 60
"""Characters that are kept of what is no action."""


def actions_in(text: str, read: Read) -> list[str]:
    """The actions of the first block of lines that names any, in order; [] where none does.

    What cannot be read between two actions stays, as an action that cannot be done; what stands before the first and after the last does not count.
    """
    for block in re.split(r"\n\s*\n", text):
        found = [said for line in _listed(block) if not ASIDE.match(line) for said in _said(line, read)]
        known = [i for i, (_, action) in enumerate(found) if action is not None]
        if known:
            kept = found[known[0] : known[-1] + 1]
            return [action if action is not None else unread(said) for said, action in kept][:LONGEST]
    return []


def one_action(text: str, read: Read) -> str:
    """The first action that a text names; where it names none, what its first line says, which cannot be done."""
    lines = [line for line in text.split("\n") if line.strip()]
    found = (action for line in lines for _, action in _said(line, read) if action is not None)
    return next(found, unread(lines[0]) if lines else SILENT)


def unread(said: str) -> str:
    """What is no action, as one short line."""
    short = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return (short if len(short) <= SHOWN else f"{short[:SHOWN]}…") or SILENT


def _listed(block: str) -> list[str]:
    """The lines of a block; where it is a JSON list of texts, those."""
    bare = re.sub(r"^\s*```\w*\s*\n?|\n?\s*```\s*$", "", block).strip()
    if bare[:1] == "[" and len(bare) <= 4_000:
        try:
            listed = json.loads(bare)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            return [" ".join(each.split()) for each in listed]
    return [line for line in bare.split("\n") if line.strip()]


def _said(line: str, read: Read, depth: int = 0) -> list[tuple[str, str | None]]:
    """(words, action or None) of each part of a line: the line as a whole where it names an action, else its parts where one of them does."""
    if len(line) > 1_000:
        return [(line, None)]
    if (action := _action(line, read)) is not None:
        return [(line, action[0])] * action[1]
    for place, mark in enumerate(BETWEEN[depth:], depth):
        parts = [part for part in mark.split(line) if part.strip(EDGES)]
        found = [said for part in parts for said in _said(part, read, place + 1)] if len(parts) > 1 else []
        if any(action is not None for _, action in found):
            return found
    return [(line, None)]


def _action(words: str, read: Read) -> tuple[str, int] | None:
    """(action, how many times) that words name, without what stands around it."""
    for _ in range(4):
        words = words.strip(EDGES)
        if (action := read(words)) is not None:
            return action, 1
        if (again := TIMES.fullmatch(words)) and (action := read(again[1].strip(EDGES))) is not None:
            many = next(group for group in again.groups()[1:] if group).casefold()
            return action, min(max(NUMBERS.get(many) or int(many), 1), LONGEST)
        if not (mark := MARK.match(words)) or not mark.end():
            return None
        words = words[mark.end() :]
    return None
