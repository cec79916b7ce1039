"""The order of work: the trunk that all requests share, then packs of what branches off it, then whatever is too large for a pack.

The trunk's keys and values stay for the next call, so that rows which come one at a time with the same demonstrations cost
what they add. Before its first use the engine scores random tokens both ways; where the two differ (a network that takes no
attention mask of ours, say) it says so once and scores one sequence at a time.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from fieldguide.models.engine.network import Network
from fieldguide.models.engine.requests import Request
from fieldguide.models.engine.tree import Tree, common_prefix

PACK_TOKENS = 1024
"""New tokens of one pass at most."""
MASK_ENTRIES = 2**25
"""Entries of one attention mask at most (128 MB in float32): long trunks make packs smaller."""
DEFAULT_CONTEXT = 2048
SHORT = 48
"""An extension of the trunk up to this long is packed with its branches, to save a pass."""
TOLERANCE = 1e-3
"""Nats by which a token's log-probability may differ between the two ways."""

Read = tuple[int, int, int, int]
"""(request, its k-th target, place, target): place is a row of the trunk or a node of a tree."""


class Scorer:
    """Scores requests on one network. Not safe for two threads at once: the trunk is shared state."""

    def __init__(self, model: Any, context: int = DEFAULT_CONTEXT) -> None:
        self.network = Network(model)
        self.context = context
        self._trusted: bool | None = None
        self._window = _window(model.config.get_text_config())

    def score(self, requests: Sequence[Request]) -> list[list[float]]:
        """Per-token log-probabilities of each request's targets, in nats."""
        found = [[0.0] * len(r.targets) for r in requests]
        with torch.inference_mode():
            if self._trusted is None:
                self._trusted = self._probe()
            if self._trusted and max(len(r.inputs) for r in requests) <= self._window:
                self._guarded(requests, found)
            else:
                self._one_by_one(requests, found)
        return found

    def _guarded(self, requests: Sequence[Request], found: list[list[float]]) -> None:
        try:
            self._run(requests, range(len(requests)), found)
        except BaseException:  # an interrupted pass leaves layers of unequal length behind
            self.network.forget()
            raise

    def _run(self, requests: Sequence[Request], chosen: Iterable[int], found: list[list[float]]) -> None:
        """Score the chosen requests: trunk, packs, then groups too large for a pack, each with a trunk of its own."""
        chosen = list(chosen)
        self._settle_trunk(requests, chosen, found)
        below = len(self.network.trunk)
        room = max(32, min(PACK_TOKENS, MASK_ENTRIES // (below + PACK_TOKENS)))
        tree, reads, large = Tree(), list[Read](), list[list[int]]()
        for group in _groups(requests, chosen):
            size = len(tree)
            paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if len(tree) > room and size:
                tree.cut(size)
                self._flush(tree, reads, found)
                tree, reads, size = Tree(), [], 0
                paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if len(tree) > room:
                tree.cut(0)
                large.append(group)
                continue
            for i, path in zip(group, paths, strict=True):
                reads += [(i, k, path[at - below], target) for k, at, target in _wanted(requests[i]) if at >= below]
        self._flush(tree, reads, found)
        for group in large:
            self._run(requests, group, found)

    def _settle_trunk(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]]) -> None:
        """Bring the trunk to what the chosen requests share, reading the predictions that fall on the way."""
        shared = common_prefix([requests[i].inputs for i in chosen])
        kept = self.network.keep(shared, limit=min(requests[i].first for i in chosen))
        if len(shared) - kept <= SHORT:
            return
        reads = [(i, k, at, target) for i in chosen for k, at, target in _wanted(requests[i]) if at < len(shared)]
        for start in range(kept, len(shared), PACK_TOKENS):
            hidden = self.network.extend(shared[start : start + PACK_TOKENS])
            self._read(hidden, [(i, k, at - start, target) for i, k, at, target in reads if start <= at < start + PACK_TOKENS], found)

    def _flush(self, tree: Tree, reads: list[Read], found: list[list[float]]) -> None:
        if len(tree):
            self._read(self.network.branch(tree), reads, found)

    def _read(self, hidden: torch.Tensor, reads: list[Read], found: list[list[float]]) -> None:
        values = self.network.read(hidden, [target for *_, target in reads], [place for _, _, place, _ in reads])
        for (i, k, _, _), value in zip(reads, values, strict=True):
            found[i][k] = value

    def _one_by_one(self, requests: Sequence[Request], found: list[list[float]]) -> None:
        known: dict[Request, list[float]] = {}
        for i, request in enumerate(requests):
            if request not in known:
                known[request] = self.network.plain(request.inputs, request.targets)
            found[i][:] = known[request]

    def _probe(self) -> bool:
        """Whether packed scores equal plain ones on random tokens: with a trunk and without, branching early and late."""
        draw = random.Random(0)
        top = int(self.network.model.config.get_text_config().vocab_size)
        trunk, a, b = ([draw.randrange(top) for _ in range(n)] for n in (min(SHORT + 8, self.context - 8), 6, 5))
        bases = [(*trunk, *a), (*trunk, *a[:3], *b), (*trunk, *b)]
        with_trunk = [Request(tokens[:-1], tokens[-3:]) for tokens in bases]
        without = [Request(tokens[-9:-1], tokens[-3:]) for tokens in bases]
        computed, projected = self.network.computed, self.network.projected
        try:
            worst = 0.0
            for requests in (with_trunk, without):
                packed, plain = ([[0.0] * 3 for _ in requests] for _ in range(2))
                self._guarded(requests, packed)
                self._one_by_one(requests, plain)
                worst = max(worst, max(abs(x - y) for p, q in zip(packed, plain, strict=True) for x, y in zip(p, q, strict=True)))
            why = "" if worst <= TOLERANCE else f"differs from the model's own by {worst:.2g} nats"
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
            why = f"fails: {type(error).__name__}"
        self.network.forget()
        self.network.computed, self.network.projected = computed, projected
        if why:
            warnings.warn(f"Packed scoring {why} for {type(self.network.model).__name__}; scoring one text at a time, which is slower.", stacklevel=2)
        return not why


def _wanted(request: Request) -> Iterable[tuple[int, int, int]]:
    """(k, place in the inputs, target) of each prediction that is read."""
    return ((k, request.first + k, target) for k, target in enumerate(request.targets))


def _groups(requests: Sequence[Request], chosen: Sequence[int]) -> list[list[int]]:
    """The chosen requests by prompt, prompts that begin alike side by side; a single prompt's requests one by one."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for i in chosen:
        by_prompt.setdefault(requests[i].prompt, []).append(i)
    if len(by_prompt) == 1:
        return [[i] for i in chosen]
    return [by_prompt[prompt] for prompt in sorted(by_prompt)]


def _window(config: Any) -> float:
    """How long a sequence may be before a sliding window would hide part of it, which the packed mask does not do."""
    kinds = getattr(config, "layer_types", None)
    if local := getattr(config, "window_size", None) or getattr(config, "attention_chunk_size", None):  # GPT-Neo's and Llama 4's names
        return local
    slides = "sliding_attention" in kinds if kinds else getattr(config, "use_sliding_window", True)
    size = getattr(config, "sliding_window", None)
    return size if slides and size else float("inf")
