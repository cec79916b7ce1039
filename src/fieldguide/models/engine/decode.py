"""Continuations of many prompts at once, over one forest: what prompts share is computed once, and all samples of a prompt share its slots.

Each step is one pass with a token for every sample in flight; a sample sees its prompt's path and its own tokens. Finished samples
leave, others enter in their place, and slots that nobody sees any more are thinned out.

Legend: R samples in flight, S slots, V vocabulary.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from fieldguide.models.engine.network import Network, not_numbers
from fieldguide.models.engine.room import Room
from fieldguide.models.engine.tree import Tree, common_prefix

ROWS = 32
"""Samples in flight at most."""
SPARE = 4
"""New prompts enter when a quarter of the places are free, so that their prefill is not done bit by bit."""
SLOTS = 8192
"""Slots at most while samples wait: past that, attention over other samples' slots costs more than a fuller pass saves."""

Prompt = tuple[int, ...]
Stopped = Callable[[Sequence[int]], bool]
"""Whether the tokens written so far hold a stop string."""


@dataclass
class Sample:
    """One continuation in flight."""

    prompt: int
    """Place of its prompt in the call."""
    draw: int | None
    """Seed of its random numbers; None takes the likeliest token."""
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Of its tokens, the end token included, at temperature 1, in nats."""
    ended: bool = False
    """Whether an end token or a stop string closed it, rather than the limit."""
    seen: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.bool))
    """(S,) the slots that it descends from."""
    place: int = 0
    """Position of its next token."""
    chance: np.random.Generator | None = None


@dataclass
class Start:
    """Where samples of a prompt begin, kept while more of them wait than entered at once."""

    prompt: Prompt
    seen: torch.Tensor
    """(S,) the slots of its path."""
    logits: torch.Tensor
    """(V,) of what follows it."""


@dataclass(frozen=True)
class Limits:
    """What ends a continuation."""

    max_tokens: int
    ends: frozenset[int]
    """Tokens that end a text."""
    stopped: Stopped | None = None
    temperature: float = 0.0


class Decoder:
    """Runs samples to their ends on a network whose trunk it settles first and leaves behind for the next call."""

    def __init__(self, network: Network, room: Room, memory_bytes: int) -> None:
        self.network, self.room, self.memory_bytes = network, room, memory_bytes
        self._start: Start | None = None

    def run(self, prompts: Sequence[Prompt], samples: Sequence[Sample], limits: Limits) -> None:
        """Fill in the samples' tokens. Prompts are not empty.

        Raises `ModelError` if the memory budget does not hold each of them alone, or the network gives something else than numbers.
        """
        with torch.inference_mode():
            try:
                self._run(prompts, samples, limits)
                self.network.pop(self.network.slots - len(self.network.trunk))
            except BaseException:  # an interrupted pass leaves layers of unequal length behind
                self.network.forget()
                raise
            finally:
                self._start = None

    def _run(self, prompts: Sequence[Prompt], samples: Sequence[Sample], limits: Limits) -> None:
        longest = max(map(len, prompts)) + limits.max_tokens
        self._settle(prompts, longest)
        waiting = deque(sorted(samples, key=lambda s: prompts[s.prompt]))  # a prompt's samples, and prompts that begin alike, side by side
        flight: list[Sample] = []
        logits = torch.zeros(0)  # (R, V)
        while waiting or flight:
            if waiting and len(flight) <= ROWS - max(ROWS // SPARE, 1):
                new = self._admitted(prompts, waiting, flight, limits)
                fresh = self._enter(prompts, new, prompts[waiting[0].prompt] if waiting else None)
                logits = torch.cat([logits, fresh]) if flight else fresh
                flight += new
            going = self._choose(flight, logits, limits)
            flight = [flight[i] for i in going]
            if flight:
                logits = self._step(flight)

    def _settle(self, prompts: Sequence[Prompt], longest: int) -> None:
        """Bring the trunk to what all prompts share, short of the last token of the shortest, whose prediction is read."""
        shared = common_prefix(prompts)[: min(map(len, prompts)) - 1]
        start = self.network.cut_back(shared, limit=len(shared))
        while start < len(shared):
            end = min(start + self.room.tokens(start, self.memory_bytes, after=longest - start), len(shared))
            self.network.reserve(longest)
            self.network.extend(shared[start:end])
            start = end

    def _admitted(self, prompts: Sequence[Prompt], waiting: deque[Sample], flight: Sequence[Sample], limits: Limits) -> list[Sample]:
        """The next samples for which there are places and slots; one at least if nothing is in flight."""
        self._thin(flight)
        below = len(self.network.trunk)
        taken = self.network.slots + sum(limits.max_tokens - len(s.tokens) for s in flight)
        last, fresh = self._start.prompt if self._start else None, 0
        new: list[Sample] = []
        while waiting and len(flight) + len(new) < ROWS:
            prompt = prompts[waiting[0].prompt]
            path = 0 if prompt == last else len(prompt) - below
            wanted = taken + path + limits.max_tokens
            sight = (fresh + path) ** 2  # bytes of the matrix of which new token sees which
            if (flight or new) and (wanted > SLOTS or self.room.needs(wanted, ROWS) + sight > self.memory_bytes):
                break
            last, fresh, taken = prompt, fresh + path, wanted
            new.append(waiting.popleft())
        self.network.reserve(taken)
        return new

    def _enter(self, prompts: Sequence[Prompt], new: Sequence[Sample], more: Prompt | None) -> torch.Tensor:
        """Compute the prompts of new samples on top of the trunk; the logits (new samples, V) of their first tokens.

        The start of `more`, the prompt of the sample that waits next, is kept if it is among them.
        """
        if not new:
            return torch.zeros(0)
        known = {self._start.prompt: self._start} if self._start else {}
        known |= self._computed(list(dict.fromkeys(p for s in new if (p := prompts[s.prompt]) not in known)))
        for sample in new:
            seen = known[prompts[sample.prompt]].seen
            sample.seen = torch.nn.functional.pad(seen, (0, self.network.slots - len(seen)))
            sample.place = len(prompts[sample.prompt])
            if sample.draw is not None:
                sample.chance = np.random.default_rng(sample.draw)
        kept = known.get(more) if more else None
        self._start = replace(kept, logits=kept.logits.clone()) if kept else None
        return torch.stack([known[prompts[s.prompt]].logits for s in new])

    def _computed(self, prompts: Sequence[Prompt]) -> dict[Prompt, Start]:
        """Put these prompts' paths on the trunk."""
        if not prompts:
            return {}
        below, base = len(self.network.trunk), self.network.slots
        tree = Tree()
        paths = [tree.add(prompt[below:]) for prompt in prompts]
        sight, last = torch.from_numpy(tree.sight()), {path[-1] for path in paths}
        ends: dict[int, torch.Tensor] = {}
        start = 0
        while start < len(tree):
            end = min(start + self.room.tokens(base + start, self.memory_bytes), len(tree))
            sees = torch.zeros(end - start, base + end, dtype=torch.bool)
            sees[:, :below] = True
            sees[:, base:] = sight[start:end, :end]
            hidden = self.network.push(tree.tokens[start:end], [below + depth for depth in tree.depths[start:end]], sees)
            ends.update({node: hidden[node - start] for node in last if start <= node < end})
            start = end
        logits = self.network.logits(torch.stack([ends[path[-1]] for path in paths]))  # (prompts, V)
        seen = torch.zeros(len(prompts), self.network.slots, dtype=torch.bool)
        seen[:, :below] = True
        for own, path in zip(seen, paths, strict=True):
            own[torch.tensor(path) + base] = True
        return {prompt: Start(prompt, own, after) for prompt, own, after in zip(prompts, seen, logits, strict=True)}

    def _choose(self, flight: Sequence[Sample], logits: torch.Tensor, limits: Limits) -> list[int]:
        """Give each sample its next token; the places of those that go on."""
        tokens, logs = pick(logits, [s.chance for s in flight], limits.temperature)
        if any(map(math.isnan, logs)):
            raise not_numbers(self.network.model)
        going = []
        for i, sample in enumerate(flight):
            sample.tokens.append(tokens[i])
            sample.logprob += logs[i]
            sample.ended = tokens[i] in limits.ends or bool(limits.stopped and limits.stopped(sample.tokens))
            if not sample.ended and len(sample.tokens) < limits.max_tokens:
                going.append(i)
        return going

    def _step(self, flight: Sequence[Sample]) -> torch.Tensor:
        """One pass with the last token of every sample in flight; the logits (R, V) of what follows."""
        base, count = self.network.slots, len(flight)
        sees = torch.zeros(count, base + count, dtype=torch.bool)
        for i, sample in enumerate(flight):
            sample.seen = torch.nn.functional.pad(sample.seen, (0, base + count - len(sample.seen)))
            sample.seen[base + i] = True
            sees[i] = sample.seen
        hidden = self.network.push([s.tokens[-1] for s in flight], [s.place for s in flight], sees)
        for sample in flight:
            sample.place += 1
        return self.network.logits(hidden)

    def _thin(self, flight: Sequence[Sample]) -> None:
        """Drop slots that no sample in flight sees, and none that will enter sees."""
        owners: list[Sample | Start] = [*flight, *([self._start] if self._start else [])]
        seen = torch.zeros(self.network.slots, dtype=torch.bool)
        seen[: len(self.network.trunk)] = True
        for sample in owners:
            seen[: len(sample.seen)] |= sample.seen
        if bool(seen.all()):
            return
        kept = seen.nonzero()[:, 0]
        self.network.keep(kept)
        for sample in owners:
            sample.seen = torch.nn.functional.pad(sample.seen, (0, len(seen) - len(sample.seen)))[kept]


def pick(logits: torch.Tensor, chances: Sequence[np.random.Generator | None], temperature: float) -> tuple[list[int], list[float]]:
    """A token for each row of logits (R, V), the likeliest or one drawn by inverting the distribution, and its log p at temperature 1, in nats.

    The log p is NaN where the logits are not numbers; the token means nothing then.
    """
    drawn = [i for i, chance in enumerate(chances) if chance is not None]
    tokens = logits.argmax(dim=-1)  # (R,)
    if drawn and temperature > 0:
        scaled = (logits[drawn].double() - logits[drawn].amax(dim=-1, keepdim=True)) / temperature  # at most 0, so that no temperature overflows
        weights = torch.softmax(scaled, dim=-1).cumsum(dim=-1)  # (drawn, V)
        numbers = torch.tensor([[c.random()] for c in chances if c is not None], dtype=weights.dtype, device=weights.device)
        tokens[drawn] = torch.searchsorted(weights, numbers * weights[:, -1:], right=True)[:, 0].clamp(max=logits.shape[1] - 1)
    logs = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(dim=-1)
    return tokens.tolist(), [min(v, 0.0) for v in logs.tolist()]
