"""Search as a tool (WebGPT: Nakano et al. 2021, arXiv:2112.09332): words in, the best passages of a corpus out, by BM25.

A search to show is one whose passages hold the right answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from fieldguide.approaches.baselines.bm25 import words
from fieldguide.approaches.prompting.passages import Passages
from fieldguide.approaches.prompting.tools.toolbox import SEARCH, Result
from fieldguide.records import Row
from fieldguide.tasks.kinds.text_kind import TextKind
from fieldguide.tasks.kinds.written_numbers import numbers_in
from fieldguide.tasks.scoring.spans import normalise, rule
from fieldguide.tasks.task import TaskSpec

LONGEST, SHOWN = 400, 80
"""Characters of a query, and words of a result, which the passages share."""
SMALL = (
    "a an and are as at be been by can did do does for from had has have he her his how i in is it its many much of on or she so that the their them "
    "there they this to was we were what when where which who whom whose why will with would you your"
)
"""English words that a query can do without."""


@dataclass(frozen=True)
class Search:
    """Passages by words, each cut to where most of the query stands."""

    name: ClassVar[str] = SEARCH
    hint: ClassVar[str] = f"Use {SEARCH}(…) with a few words to look something up; the best passage is filled in for you."
    about: ClassVar[str] = "Looks a few words up in a collection of passages and gives the best."
    argument: ClassVar[str] = "query"
    tokens: ClassVar[int] = 64
    answers: ClassVar[bool] = False
    mends: ClassVar[bool] = True

    task: TaskSpec
    passages: Passages
    shown: int = 1

    def example(self, row: Row) -> str | None:
        """The row's telling words where they find the answer, else the whole of its text where that does; None where neither does."""
        text = " ".join(" ".join(self.task.reader.segments(self.task, row.inputs)).split()).rstrip("?.! ")
        telling = " ".join(word for word in text.split() if re.sub(r"\W", "", word).casefold() not in SMALL.split())
        queries = [query.replace("(", "").replace(")", "") for query in dict.fromkeys((telling, text)) if 0 < len(query) <= LONGEST]
        return next((query for query in queries if self.holds(row, self.run(query).text)), None)

    def run(self, argument: str) -> Result:
        query = " ".join(argument.split())[:LONGEST]
        asked = words(query)
        if not asked:
            return Result(fault="asks for nothing")
        if not any(word in self.passages.places for word in asked):
            return Result(fault="nothing was found")
        (places,) = self.passages.search([query], self.shown)
        return Result(" … ".join(window(self.passages.texts[i], asked, SHOWN // len(places)) for i in places))

    def holds(self, row: Row, text: str) -> bool:
        """Whether a text holds a training row's right answer."""
        reader = self.task.reader
        if reader.answer == "number":
            return float(row.target) in numbers_in(text)
        gold = reader.references(row.target) if isinstance(reader, TextKind) else ()
        return any((bare := normalise(own, rule(own))) and f" {bare} " in f" {normalise(text, rule(own))} " for own in gold)


def window(text: str, asked: list[str], size: int) -> str:
    """The `size` words in a row of a text among which most of the words asked for stand; of several such places the middle one."""
    held, wanted = text.split(), set(asked)
    if len(held) <= size:
        return text
    hits = [bool(wanted.intersection(words(word))) for word in held]
    counts = [sum(hits[i : i + size]) for i in range(len(held) - size + 1)]
    best = [i for i, count in enumerate(counts) if count == max(counts)]
    start = best[len(best) // 2]
    return " ".join(held[start : start + size])
