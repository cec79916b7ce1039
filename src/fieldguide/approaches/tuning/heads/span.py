"""A span of a text: a score for each token to begin it and to end it, and a place that stands for "no answer".

Devlin et al. 2019 (arXiv:1810.04805, sections 4.2 and 4.3). The context is read in overlapping windows after the question. The first
token of a sequence stands for "no answer"; a span's score is that of its two ends. Where some training row has no answer, a row
gets none if no span scores above the least of its windows' null scores; where all have one, every row gets one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch

from fieldguide.approaches.tuning.heads import SEQUENCES
from fieldguide.approaches.tuning.heads.head import Example, Head, States
from fieldguide.approaches.tuning.heads.sequences import Sequencer, Window
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.kinds.forms import NO_SPAN, SpanKind
from fieldguide.tasks.task import TaskSpec

LONGEST = 30
"""Tokens of an answer, at most."""


class SpanHead(Head):
    least_tokens = 256
    may_be_none: torch.Tensor

    def __init__(self, task: TaskSpec, hidden: int, dropout: float) -> None:
        super().__init__(task, hidden, dropout)
        self.linear = torch.nn.Linear(hidden, 2)
        self.register_buffer("may_be_none", torch.zeros((), dtype=torch.bool))

    def learn(self, targets: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """Whether some row has no answer."""
        self.may_be_none.fill_(any(not spans for spans in targets))

    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """One a window. For training the first acceptable span counts, and windows that hold it come first."""
        reader = cast(SpanKind, task.reader)
        found = []
        for i, row in enumerate(inputs):
            context = reader.context(task, row)
            windows = sequencer.windows(reader.question(task, row), context)
            if targets is None:
                found += [Example(i, (window.sequence,), None, window) for window in windows]
                continue
            span = _first(targets[i], context)
            own = [Example(i, (window.sequence,), _goal(window, span), window) for window in windows]
            own.sort(key=lambda example: example.target == NULL)
            if own[0].target != NULL or not targets[i]:  # else its answer is in no window
                found += own[: SEQUENCES["span"].trained]
        return found

    def forward(self, states: States, examples: Sequence[Example]) -> list[torch.Tensor]:
        """(1 + tokens of the context, 2) each: the place for "no answer", then the context's; beginnings and ends."""
        scores = self.linear(self.dropout(states.hidden))  # (S, T, 2)
        places = [[0, *range(e.places.start, e.places.start + len(e.places.offsets))] for e in examples]
        return [scores[i, own] for i, own in enumerate(places)]

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        found = [output.log_softmax(0)[list(example.target), [0, 1]].sum() for output, example in zip(outputs, examples, strict=True)]
        return -torch.stack(found).mean() / 2

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        scores = [output.numpy() for output in outputs]
        found = [(best, example.places) for own, example in zip(scores, examples, strict=True) if (best := best_span(*own[1:].T))]
        none = min(float(own[0].sum()) for own in scores) if self.may_be_none else -np.inf
        (score, first, last), window = max(found, key=lambda one: one[0][0], default=((-np.inf, 0, 0), None))
        if window is None or score <= none:
            return Prediction(dict(NO_SPAN))
        start, stop = int(window.offsets[first, 0]), int(window.offsets[last, 1])
        text = cast(SpanKind, task.reader).context(task, inputs)[start:stop]
        start += len(text) - len(text.lstrip())
        return Prediction({"text": text.strip(), "start": start} if text.strip() else dict(NO_SPAN))


NULL = (0, 0)
"""Begins and ends at the place for "no answer"."""


def best_span(begin: np.ndarray, end: np.ndarray) -> tuple[float, int, int] | None:
    """The best (score, first token, last token) of at most `LONGEST` tokens, from scores (tokens,) each; None for no tokens."""
    if not len(begin):
        return None
    sums = np.triu(np.tril(np.ones((len(begin), len(begin)), dtype=bool), LONGEST - 1))
    sums = np.where(sums, begin[:, None] + end[None, :], -np.inf)
    first, last = np.unravel_index(int(sums.argmax()), sums.shape)
    return float(sums[first, last]), int(first), int(last)


def _first(spans: Sequence[Mapping[str, Any]], context: str) -> tuple[int, int]:
    """Beginning and end of the first span, (−1, −1) for none. One without its place counts where its text first stands."""
    if not spans:
        return -1, -1
    start = int(spans[0]["start"])
    start = context.find(spans[0]["text"]) if start < 0 else start
    return (start, start + len(spans[0]["text"])) if start >= 0 else (-1, -1)


def _goal(window: Window, span: tuple[int, int]) -> tuple[int, int]:
    """Places, among what `forward` scores, of the span's first and last token; `NULL` where the window does not hold it whole."""
    start, stop = span
    held = np.flatnonzero((window.offsets[:, 1] > start) & (window.offsets[:, 0] < stop))
    if not len(held) or window.offsets[held[0], 0] > start or window.offsets[held[-1], 1] < stop:
        return NULL
    return int(held[0]) + 1, int(held[-1]) + 1
