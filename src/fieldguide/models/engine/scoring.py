"""The order of work: the trunk that all requests share, then packs of what branches off it, then whatever is too large for a pack.

The trunk's keys and values stay for the next call, so that rows which come one at a time with the same demonstrations cost
what they add. Before its first use the engine scores random tokens both ways; where the two differ (a network that takes no
attention mask of ours, say) it says so once and scores one sequence at a time.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import torch

from fieldguide.errors import ModelError
from fieldguide.models.engine.network import TOLERANCE, Network, hides_by_slot, not_numbers, setting, shares_up_to
from fieldguide.models.engine.requests import Request, by_prompt
from fieldguide.models.engine.room import Room, default_budget
from fieldguide.models.engine.tree import Tree, common_prefix

DEFAULT_CONTEXT = 2048
SHORT = 48
"""An extension of the trunk up to this long is packed with its branches, to save a pass."""
ALONE = 2
"""So many times the tokens of a shared pass may the options of one prompt take before they are parted: they waste no attention on one another's prompts."""
PROBE_WINDOW = 16
"""Sliding windows are narrowed to this while the two ways are compared, so that a short text shows whether they are kept."""

Read = tuple[int, int, int, int]
"""(request, its k-th target, place, target): place is a row of the trunk or a node of a tree."""


class Scorer:
    """Scores requests on one network. Not safe for two threads at once: the trunk is shared state."""

    def __init__(self, model: Any, context: int = DEFAULT_CONTEXT, memory_bytes: int | None = None) -> None:
        self.network = Network(model)
        self.context = context
        self.memory_bytes = memory_bytes or default_budget(model.device)
        """What passes and slots may take beside the weights."""
        self.room = Room.of(model)
        self.longest = shares_up_to(model.config.get_text_config())
        """Longer sequences share nothing, even where `trusts` says that sequences may."""
        self._trusted: bool | None = None

    def score(self, requests: Sequence[Request]) -> list[list[float]]:
        """Per-token log-probabilities of each request's targets, in nats. Raises `ModelError` if the network gives something else than numbers."""
        found = [[0.0] * len(r.targets) for r in requests]
        with torch.inference_mode():
            trusted = self.trusts()
            sharing = [i for i, r in enumerate(requests) if trusted and len(r.inputs) <= self.longest]
            if sharing:
                self._guarded(requests, sharing, found)
            self._one_by_one(requests, sorted({*range(len(requests))}.difference(sharing)), found)
        if any(math.isnan(value) for own in found for value in own):
            self.network.forget()
            raise not_numbers(self.network.model)
        return found

    def trusts(self) -> bool:
        """Whether sequences may share tokens: the network was seen to give the same both ways. Tried once; says so if not."""
        if self._trusted is None:
            with torch.inference_mode():
                self._trusted = self._probe()
        return self._trusted

    def _guarded(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]]) -> None:
        try:
            self._run(requests, chosen, found)
        except BaseException:  # an interrupted pass leaves layers of unequal length behind
            self.network.forget()
            raise

    def _run(self, requests: Sequence[Request], chosen: Iterable[int], found: list[list[float]]) -> None:
        """Score the chosen requests: trunk, packs, then what is too large for a pack, each with a trunk of its own."""
        chosen = list(chosen)
        longest = max(len(requests[i].inputs) for i in chosen)
        self.settle(requests, chosen, found, longest)
        below = len(self.network.trunk)
        room = self.room.tokens(below, self.memory_bytes)
        self.network.reserve(below + room)
        tree, reads = Tree(), list[Read]()
        groups, large = _parted(by_prompt(requests, chosen), requests, below, room)
        for group in groups:
            size = len(tree)
            paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if len(tree) > room and size:
                tree.cut(size)
                self._flush(tree, reads, found)
                tree, reads, size = Tree(), [], 0
                paths = [tree.add(requests[i].inputs[below:]) for i in group]
            if len(tree) > room and not (len(tree) <= ALONE * room and self.room.needs(below, len(tree)) <= self.memory_bytes):
                tree.cut(0)
                large.append(group)
                continue
            for i, path in zip(group, paths, strict=True):
                reads += [(i, k, path[at - below], target) for k, at, target in _wanted(requests[i]) if at >= below]
        self._flush(tree, reads, found)
        for group in large:
            self._run(requests, group, found)

    def settle(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]], longest: int) -> None:
        """Bring the trunk to what the chosen requests share, reading the predictions that fall on the way."""
        shared = common_prefix([requests[i].inputs for i in chosen])
        start = self.network.cut_back(shared, limit=min(requests[i].first for i in chosen))
        if len(shared) - start <= min(SHORT, self.room.tokens(start, self.memory_bytes) // 2):
            return
        reads = [(i, k, at, target) for i in chosen for k, at, target in _wanted(requests[i]) if at < len(shared)]
        while start < len(shared):
            end = min(start + self.room.tokens(start, self.memory_bytes, after=longest - start), len(shared))
            self.network.reserve(longest)
            hidden = self.network.extend(shared[start:end])
            self._read(hidden, [(i, k, at - start, target) for i, k, at, target in reads if start <= at < end], found)
            start = end

    def _flush(self, tree: Tree, reads: list[Read], found: list[list[float]]) -> None:
        if len(tree):
            self._read(self.network.branch(tree), reads, found)

    def _read(self, hidden: torch.Tensor, reads: list[Read], found: list[list[float]]) -> None:
        values = self.network.read(hidden, [target for *_, target in reads], [place for _, _, place, _ in reads])
        for (i, k, _, _), value in zip(reads, values, strict=True):
            found[i][k] = value

    def _one_by_one(self, requests: Sequence[Request], chosen: Sequence[int], found: list[list[float]]) -> None:
        known: dict[Request, list[float]] = {}
        for i in chosen:
            request = requests[i]
            if request not in known:
                known[request] = self.network.plain(request.inputs, request.targets)
            found[i][:] = known[request]

    def _probe(self) -> bool:
        """Whether packed scores equal plain ones on random tokens: with a trunk and without, branching early and late."""
        draw = random.Random(0)
        config = self.network.model.config.get_text_config()
        trunk, a, b = ([draw.randrange(int(config.vocab_size)) for _ in range(n)] for n in (min(SHORT + 8, self.context - 8), 6, 5))
        bases = [(*trunk, *a), (*trunk, *a[:3], *b), (*trunk, *b)]
        with_trunk = [Request(tokens[:-1], tokens[-3:]) for tokens in bases]
        without = [Request(tokens[-9:-1], tokens[-3:]) for tokens in bases]
        computed, projected = self.network.computed, self.network.projected
        try:
            with _narrowed(config):
                worst = math.inf if hides_by_slot(config) else float(np.max([self._gap(with_trunk), self._gap(without)]))
            self.room = self.room.corrected(self.network.shapes(), self.network.model.dtype.itemsize)
            tolerance = TOLERANCE.get(self.network.model.dtype, 1e-3)
            why = "" if worst <= tolerance else "is not possible" if worst == math.inf else f"differs from the model's own by {worst:.2g} nats"
        except ModelError:  # too little memory
            raise
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError, AssertionError) as error:
            why = f"fails: {type(error).__name__}"
        self.network.forget()
        self.network.computed, self.network.projected = computed, projected
        if why:
            warnings.warn(f"Packed scoring {why} for {type(self.network.model).__name__}; scoring one text at a time, which is slower.", stacklevel=2)
        return not why

    def _gap(self, requests: Sequence[Request]) -> float:
        """The largest difference between packed and plain; NaN where either is."""
        packed, plain = ([[0.0] * len(r.targets) for r in requests] for _ in range(2))
        self._guarded(requests, range(len(requests)), packed)
        self._one_by_one(requests, range(len(requests)), plain)
        return float(np.max([abs(x - y) for p, q in zip(packed, plain, strict=True) for x, y in zip(p, q, strict=True)]))


@contextmanager
def _narrowed(config: Any) -> Iterator[None]:
    """Sliding windows of `PROBE_WINDOW` tokens inside this block."""
    size = setting(config, "sliding_window")
    if isinstance(size, int) and size:
        config.sliding_window = min(size, PROBE_WINDOW)
    try:
        yield
    finally:
        if isinstance(size, int) and size:
            config.sliding_window = size


def _wanted(request: Request) -> Iterable[tuple[int, int, int]]:
    """(k, place in the inputs, target) of each prediction that is read."""
    return ((k, request.first + k, target) for k, target in enumerate(request.targets))


def _parted(groups: Sequence[list[int]], requests: Sequence[Request], below: int, room: int) -> tuple[list[list[int]], list[list[int]]]:
    """(groups to pack, lots of requests to run on a trunk of their own).

    Groups beyond the trunk's `below` tokens that share more than `SHORT` of them, and do not fit one pass together, are a lot: packed, they
    would have what they share computed in each of their passes.
    """
    packs, lots = list[list[int]](), list[list[int]]()
    for _, together in groupby(groups, key=lambda group: requests[group[0]].inputs[below : below + 1]):
        run = list(together)
        shared = len(common_prefix([requests[i].inputs for group in run for i in group])) - below
        longest = [max(len(requests[i].inputs) for i in group) - below for group in run]
        if len(run) > 1 and shared > SHORT and sum(longest) - (len(run) - 1) * shared > room:
            lots.append([i for group in run for i in group])
        else:
            packs += run
    return packs, lots
