"""A score for each document: the query is read together with it, and a softmax over a chunk of documents is trained.

A cross-encoder (Nogueira and Cho 2019, arXiv:1901.04085). The loss is the softmax cross-entropy between the scores of a chunk and its
documents' shares of relevance (Cao et al. 2007, ICML, ListNet's top-one form); chunks of a relevant document among a few drawn
others follow Gao, Dai and Callan 2021 (arXiv:2101.08751, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from fieldguide.approaches.tuning.heads import SEQUENCES
from fieldguide.approaches.tuning.heads.head import Example, PairHead
from fieldguide.approaches.tuning.heads.sequences import Sequencer
from fieldguide.records import Inputs, Prediction
from fieldguide.tasks.kinds.forms import RankingKind
from fieldguide.tasks.task import TaskSpec

CHUNK = 8  # documents of one query that are read at once


class RankingHead(PairHead):
    def examples(
        self, task: TaskSpec, inputs: Sequence[Inputs], sequencer: Sequencer, targets: Sequence[Any] | None = None, seed: int = 0
    ) -> list[Example]:
        """Chunks of documents: all of them in prediction, those that teach an order in training (`chunks`)."""
        reader, rng = cast(RankingKind, task.reader), np.random.default_rng([seed, 4127])
        found = []
        for i, row in enumerate(inputs):
            query, documents = reader.query(task, row), reader.documents(task, row)
            relevance = np.zeros(len(documents)) if targets is None else np.array(targets[i], dtype=np.float64)
            for own in parts(len(documents)) if targets is None else chunks(relevance, rng):
                sequences, seconds = zip(*sequencer.pairs([(query, documents[place]) for place in own]), strict=True)
                goal = None if targets is None else relevance[own] / relevance[own].sum()
                found.append(Example(i, sequences, goal, seconds))
        return found

    def loss(self, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> torch.Tensor:
        shares = [torch.as_tensor(example.target, dtype=output.dtype, device=output.device) for output, example in zip(outputs, examples, strict=True)]
        return torch.stack([-(share * output.log_softmax(0)).sum() for share, output in zip(shares, outputs, strict=True)]).mean()

    def answer(self, task: TaskSpec, inputs: Inputs, outputs: Sequence[torch.Tensor], examples: Sequence[Example]) -> Prediction:
        return Prediction([score for output in outputs for score in output.tolist()])


def parts(count: int) -> list[np.ndarray]:
    """Places of so many documents in chunks, in order."""
    return [np.arange(i, min(i + CHUNK, count)) for i in range(0, count, CHUNK)]


def chunks(relevance: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Places of documents, in chunks to train on: in each, relevant ones (n,) of `relevance` > 0 among others, in random order.

    The others are dealt out; where there are fewer relevant ones than chunks they are used again, and where there are many of
    them they take half of a chunk at most. A query that has none, or nothing else, teaches no order and gives no chunk.
    """
    good, other = rng.permutation(np.flatnonzero(relevance > 0)), rng.permutation(np.flatnonzero(relevance <= 0))
    if not len(good) or not len(other):
        return []
    count = min(math.ceil(max(len(other) / (CHUNK - 1), len(relevance) / CHUNK)), SEQUENCES["ranking"].trained // CHUNK)
    found = []
    for i in range(count):
        own = (good[i::count] if i < len(good) else good[[i % len(good)]])[: CHUNK // 2]
        rest = other[i::count] if i < len(other) else other[[i % len(other)]]
        found.append(rng.permutation(np.concatenate([own, rest[: CHUNK - len(own)]])))
    return found
