"""What is kept of earlier passes: the trunk, a text whose keys and values stay from call to call, and what branches off it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from fieldguide.errors import ModelError
from fieldguide.models.engine.tree import ROOT, Tree, shared_length
from fieldguide.models.llama.native import TRUNK, Native


class Memory:
    """The memory of one model, with a count of what was computed."""

    def __init__(self, native: Native) -> None:
        self.native = native
        self.trunk: tuple[int, ...] = ()
        self.computed = 0
        """Tokens passed through the network so far."""
        self.projected = 0
        """Rows projected to the vocabulary so far."""

    @contextmanager
    def call(self, cells: int) -> Iterator[None]:
        """Around the work of one call that needs this many cells: whatever breaks off inside, the memory is clean afterwards."""
        if not self.native.reserve(cells):
            self.trunk = ()
        try:
            yield
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop everything, the trunk too."""
        self.trunk = ()
        self.native.clear()

    def keep(self, sequence: Sequence[int], limit: int) -> int:
        """Cut the trunk back to what it shares with `sequence`, at most `limit` tokens; returns its length."""
        length = min(shared_length(self.trunk, sequence), limit)
        if length < len(self.trunk):
            self.native.cut(TRUNK, length)
            self.trunk = self.trunk[:length]
        return length

    def extend(self, tokens: Sequence[int], wanted: Sequence[int] = ()) -> list[np.ndarray]:
        """Add a pass's tokens to the trunk's end; returns the logits after the wanted ones."""
        below = len(self.trunk)
        rows = self.run(tokens, range(below, below + len(tokens)), [(TRUNK,)] * len(tokens), wanted)
        self.trunk = (*self.trunk, *tokens)
        return rows

    def branch(self, tree: Tree, wanted: Sequence[int]) -> list[np.ndarray]:
        """Logits after the wanted nodes of a tree on top of the trunk, which stays as it was. `leaves(tree)` must fit the sequences."""
        below, paths = len(self.trunk), sequences_of(tree)
        if below:
            for leaf in range(1, 1 + leaves(tree)):
                self.native.share(TRUNK, leaf, below)
        rows = self.run(tree.tokens, [below + depth for depth in tree.depths], paths, wanted)
        self.native.keep_trunk()
        return rows

    def run(self, tokens: Sequence[int], places: Sequence[int], sequences: Sequence[Sequence[int]], wanted: Sequence[int]) -> list[np.ndarray]:
        """`Native.run`, counted."""
        self.computed += len(tokens)
        self.projected += len(wanted)
        return self.native.run(tokens, places, sequences, wanted)


def leaves(tree: Tree) -> int:
    return len(tree) - len(set(tree.parents) - {ROOT})


def sequences_of(tree: Tree) -> list[list[int]]:
    """For each node the sequences it belongs to: one for every leaf below it, numbered from 1."""
    own: list[list[int]] = [[] for _ in range(len(tree))]
    count = 0
    for node in range(len(tree) - 1, -1, -1):
        if not own[node]:
            count += 1
            own[node] = [count]
        if (parent := tree.parents[node]) != ROOT:
            own[parent] += own[node]
    return own


def total(logits: np.ndarray) -> float:
    """log Σ exp of a row of logits, so that `logits[i] - total` is a log-probability in nats."""
    top = float(logits.max())
    found = top + math.log(float(np.exp(logits - np.float32(top)).sum(dtype=np.float64)))
    if not math.isfinite(found):
        raise ModelError("llama.cpp gave logits that are not numbers; the GGUF file is probably damaged, so fetch it again.")
    return found

