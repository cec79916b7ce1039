"""A prefix tree over token sequences: what two sequences share at their start is one path.

Legend: T nodes. A node is a token at one depth below one parent; nodes are numbered in the order in which they came, so a
parent always has a smaller number than its children.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROOT = -1


class Tree:
    """Tokens below a common trunk, each path from the root one sequence."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self.depths: list[int] = []
        self._children: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def add(self, sequence: Sequence[int]) -> list[int]:
        """The node of each token, made where it is missing."""
        path, at = [], ROOT
        for depth, token in enumerate(sequence):
            node = self._children.get((at, token))
            if node is None:
                node = self._children[at, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(at)
                self.depths.append(depth)
            path.append(node)
            at = node
        return path

    def cut(self, size: int) -> None:
        """Forget all nodes but the first `size`."""
        for node in range(size, len(self.tokens)):
            del self._children[self.parents[node], self.tokens[node]]
        del self.tokens[size:], self.parents[size:], self.depths[size:]

    def sight(self) -> np.ndarray:
        """(T, T) booleans: which nodes a node sees: its ancestors and itself."""
        seen = np.zeros((len(self), len(self)), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent != ROOT:
                seen[node] = seen[parent]
            seen[node, node] = True
        return seen


def common_prefix(sequences: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The longest start that all sequences share."""
    low, high = min(sequences), max(sequences)
    return low[: shared_length(low, high)]


def shared_length(a: Sequence[int], b: Sequence[int]) -> int:
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)
