"""Room for demonstrations: how many tokens they may take beside a row, and training rows as demonstrations that keep to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fieldguide.approaches.prompting.asking import Asking
from fieldguide.approaches.prompting.few_shot import SHORTEST_CUT, WHOLE
from fieldguide.approaches.prompting.fit_text import MARGIN, TokenCounter, shorten
from fieldguide.approaches.prompting.prompt import Demonstration
from fieldguide.models.model import Model
from fieldguide.models.text import clean
from fieldguide.records import Inputs, Row

USUAL = 16
"""Demonstrations by which a share of the room is counted where as many as fit are shown."""


class Space:
    """Tokens that demonstrations may take beside a row: what the context leaves beside the instruction, the row and its answer.

    A row that can be cut, and an answer to it, is granted a third of the context at most.
    """

    def __init__(self, model: Model, asking: Asking) -> None:
        self.asking, self.count, self.context = asking, TokenCounter.of(model), model.facts.context
        self.whole = asking.reader.answer in WHOLE
        self.left: float = math.inf if self.context is None else self.context - self.count(asking.template.render("")) - MARGIN
        self.label = asking.answer_tokens(None, self.count, self.context) if asking.reader.answer == "label" else None

    def __call__(self, row: Inputs) -> float:
        if self.context is None:
            return math.inf
        show, most = self.asking.show, self.context if self.whole else self.context // 3
        own = min(self.count(show(shorten(row, most, show, self.count))), most)
        return self.left - own - (min(self.asking.answer_tokens(row, self.count, self.context), most) if self.label is None else self.label)


class Shelf:
    """Training rows as demonstrations. `room` is the tokens that they may take beside any training row; where rows cannot be cut, half of the
    context, and `widest` the tokens that one may take, twice its share of that. Rows that can be cut are cut to twice their share of the room.
    """

    def __init__(self, model: Model, asking: Asking, train: Sequence[Row], shots: int) -> None:
        self.asking, self.space = asking, Space(model, asking)
        self.room: float = math.inf
        self.widest: float | None = None
        self.most: int | None = None
        context, share = self.space.context, min(shots or USUAL, len(train))
        if context is not None and self.space.whole:
            self.room = (self.space.left + MARGIN) // 2 - MARGIN
            self.widest = 2 * (context // 2) // shots if shots else self.room
        elif context is not None:
            self.room = min(self.space(row.inputs) for row in train)
            self.most = max(SHORTEST_CUT, int(2 * self.room // share))

    def show(self, row: Row) -> Demonstration:
        inputs = row.inputs if self.most is None else shorten(row.inputs, self.most, self.asking.show, self.space.count)
        return Demonstration(row.id, clean(self.asking.show(inputs)), self.asking.answer(row))

    def size(self, shown: Demonstration) -> int:
        """Tokens that it takes in a prompt."""
        template = self.asking.template
        return self.space.count(template.row.format(text=shown.text) + template.option(shown.answer) + template.separator)
