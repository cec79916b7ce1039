"""Scores in packs: what all requests share joins the trunk, what branches off it is one prefix tree a pass, whatever is too large gets a trunk of its own.

The order of work is that of `fieldguide.models.engine.scoring`; here a node of the tree is one cell that belongs to a sequence for
every leaf below it, so that llama.cpp computes each token once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fieldguide.models.engine.requests import Request, by_prompt
from fieldguide.models.engine.tree import Tree, common_prefix
from fieldguide.models.llama.memory import Memory, leaves, total
from fieldguide.models.llama.native import BATCH_TOKENS

SHORT = 48
"""An extension of the trunk up to this long is packed with its branches, to save a pass."""
LOGITS = 2**26
"""Logits of one pass at most (256 MB): wide vocabularies make packs smaller."""

Read = tuple[int, int, int]
"""(request, its k-th target, target)."""


class LlamaScorer:
    """Scores requests in one memory."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._rows = max(16, LOGITS // memory.native.vocab_size)
        self._tokens = min(BATCH_TOKENS, self._rows)
        self._leaves = memory.native.sequences - 1

    def score(self, requests: Sequence[Request]) -> list[list[float]]:
        """Per-token log-probabilities of each request's targets, in nats."""
        found = [[0.0] * len(r.targets) for r in requests]
        if requests:
            with self.memory.call(max(len(r.inputs) for r in requests) + BATCH_TOKENS):
                self._run(requests, range(len(requests)), found)
        return found

    def _run(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]]) -> None:
        self._settle_trunk(requests, chosen, found)
        below = len(self.memory.trunk)
        tree, reads = Tree(), dict[int, list[Read]]()
        large: list[list[int]] = []
        for group in by_prompt(requests, chosen):
            size = len(tree)
            paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if not self._fits(tree) and size:
                tree.cut(size)
                self._flush(tree, reads, found)
                tree, reads, size = Tree(), {}, 0
                paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if not self._fits(tree):
                tree.cut(0)
                large.append(group)
                continue
            for i, path in zip(group, paths, strict=True):
                first = requests[i].first
                for k, target in enumerate(requests[i].targets):
                    if first + k >= below:
                        reads.setdefault(path[first + k - below], []).append((i, k, target))
        self._flush(tree, reads, found)
        for group in large:
            self._run(requests, group, found)

    def _settle_trunk(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]]) -> None:
        """Bring the trunk to what the chosen requests share, reading the predictions that fall on the way."""
        shared = common_prefix([requests[i].inputs for i in chosen])
        kept = self.memory.keep(shared, limit=min(requests[i].first for i in chosen))
        if len(shared) - kept <= min(SHORT, self._tokens // 2):
            return
        reads: dict[int, list[Read]] = {}
        for i in chosen:
            for k, target in enumerate(requests[i].targets):
                if (at := requests[i].first + k) < len(shared):
                    reads.setdefault(at, []).append((i, k, target))
        for start in range(kept, len(shared), self._tokens):
            stop = min(start + self._tokens, len(shared))
            wanted = [at for at in range(start, stop) if at in reads]
            rows = self.memory.extend(shared[start:stop], [at - start for at in wanted])
            _read(rows, [reads[at] for at in wanted], found)

    def _fits(self, tree: Tree) -> bool:
        return len(tree) <= self._tokens and leaves(tree) <= self._leaves

    def _flush(self, tree: Tree, reads: dict[int, list[Read]], found: list[list[float]]) -> None:
        if len(tree):
            _read(self.memory.branch(tree, list(reads)), list(reads.values()), found)


def _read(rows: Sequence[np.ndarray], reads: Sequence[Sequence[Read]], found: list[list[float]]) -> None:
    for logits, wanted in zip(rows, reads, strict=True):
        whole = total(logits)
        for i, k, target in wanted:
            found[i][k] = min(float(logits[target]) - whole, 0.0)
