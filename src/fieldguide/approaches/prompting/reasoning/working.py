"""A row on its way to an answer: its plan, the pieces that are written one after another, and what was put right on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fieldguide.models.model import Generation
from fieldguide.tasks.overlap import normalise

LISTS = {"questions": "The simpler questions are:", "plan": "The plan is:"}
"""What the list begins with that a row is split into: simpler questions (Zhou et al. 2022), or the steps of a plan (Wang et al. 2023)."""
IN_TURN, WHOLE = "Now the answers, in turn.", "Now the question itself."
CARRIED = "Now let's carry out the plan and solve the problem step by step."
ANSWER = "Answer:"
NUMBERED = re.compile(r"\s*(?:\d{1,2}[.):]|[-*•])\s+(?=\S)")


class Turn(NamedTuple):
    """One prompt that was sent, and what came back; "" for an answer that was scored."""

    prompt: str
    written: str


@dataclass
class Work:
    """What was written to one row so far. `kept` goes before whatever comes next; `told` also holds attempts that were put right."""

    retries: int
    kept: str = ""
    told: str = ""
    unread: str = ""
    """Answers that could not be read, each with its fault."""
    heads: list[str] = field(default_factory=list)
    """What each piece that is left to write begins with."""
    failed: str = ""
    """Attempts at the next piece, each with its fault."""
    refused: Generation | None = None
    turns: list[Turn] = field(default_factory=list)

    @property
    def written(self) -> Generation:
        """What goes before the answer, as one piece of writing."""
        return self.refused or Generation(self.kept, 0, "stop")

    @property
    def going(self) -> bool:
        return bool(self.heads) and self.refused is None

    def plan(self, parts: str, items: Sequence[str]) -> None:
        """Take a list, written after its own "1.", and set out what is to be written for it."""
        self.kept = self.told = " " + "\n".join([*items[:1], *(f"{i}. {item}" for i, item in enumerate(items[1:], 2))]) if items else " none"
        if parts == "plan":
            self.heads = [f"\n{CARRIED}"]
            return
        asked = [f"{i}. {item}\n{ANSWER}" for i, item in enumerate(items, 1)]
        self.heads = ["\n" + head for head in ([f"{IN_TURN}\n{asked[0]}", *asked[1:]] if asked else []) + [f"{WHOLE}\n{ANSWER}"]]

    def take(self, text: str, fault: str | None) -> None:
        """Take the next piece; one with a fault is put right and asked for again as long as there are retries."""
        text = re.sub(r"\s*\n\s*\n\s*", "\n", text.rstrip())
        text = f" {text}" if text and not text[0].isspace() else text
        if fault and self.retries:
            self.retries -= 1
            self.failed += f"{text}\n{fault}\n{self.heads[0].rpartition(chr(10))[2]}"
            return
        head = self.heads.pop(0)
        self.kept += head + text
        self.told += head + self.failed + text
        self.failed = ""

    def put_right(self, answer: str, fault: str) -> None:
        """An answer that is none, and why: both go before the next one."""
        self.retries -= 1
        self.unread += f"{answer}\n{fault}"


def items_in(text: str, most: int) -> list[str]:
    """The first `most` items of a numbered list whose "1." stands before the text, each once; it ends at a line that is no item.

    A model with a server of its own may begin with a line that announces the list, and number it from 1 again.
    """
    found: list[str] = []
    for i, line in enumerate(filter(None, map(str.strip, text.split("\n")))):
        mark = NUMBERED.match(line)
        if mark or (i == 0 and not line.endswith(":")):
            found.append(line[mark.end() :] if mark else line)
        elif found:
            break
    return list({normalise(item): item for item in reversed(found)}.values())[::-1][:most]
