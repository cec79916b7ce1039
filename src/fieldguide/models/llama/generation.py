"""Continuations of many prompts at once: a prompt is computed once, its samples share its cells, and each pass moves every writer by one token.

Finished writers leave and waiting prompts enter in the same pass. Their cells stay until all in flight have ended (a wave): cells
used again out of order would move the scores of whoever got them (see `Native`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fieldguide.models.endings import finish, holds_stop, seed_of
from fieldguide.models.engine.tree import common_prefix
from fieldguide.models.llama.memory import Memory, total
from fieldguide.models.llama.native import BATCH_TOKENS, TRUNK
from fieldguide.models.llama.tokenizer import LlamaTokenizer
from fieldguide.models.model import Generation

WRITERS = 32
"""Continuations in flight at most."""
WAVE_CELLS = 4096
"""Cells of a wave where several prompts wait; more would slow down each pass."""
SHORT = 48
"""A shared start up to this long is computed again with each prompt, to save a pass."""
ENTERING = 256
"""A prompt's last tokens, which enter with the others' next ones; what comes before them gets passes of its own."""


@dataclass(frozen=True)
class Manner:
    """How to continue."""

    max_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    context: int = 2048


@dataclass
class Writer:
    """One continuation in flight."""

    row: tuple[int, ...]
    """Its prompt's tokens, at least one."""
    draw: int | None
    """Seed of its random numbers; None takes the likeliest token."""
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    """Of its tokens, the end token included, at temperature 1, in nats."""
    ended: bool = False
    """Whether an end token closed it."""
    sequence: int = -1
    chance: np.random.Generator | None = None


class LlamaWriter:
    """Continues prompts in one memory."""

    def __init__(self, memory: Memory, tokenizer: LlamaTokenizer) -> None:
        self.memory, self.tokenizer = memory, tokenizer

    def write(self, prompts: Sequence[str], rows: Sequence[tuple[int, ...]], n: int, seed: int, manner: Manner) -> list[list[Generation]]:
        """`n` continuations of each prompt, whose tokens are `rows` (not empty, at most the context); greedy ones are written once."""
        copies = n if manner.temperature > 0 else 1
        writers = [
            [Writer(row, seed_of(seed, prompt, k) if manner.temperature > 0 else None) for k in range(copies)]
            for prompt, row in zip(prompts, rows, strict=True)
        ]
        many = min(WRITERS, max(1, WAVE_CELLS // max(manner.max_tokens, 1)))  # samples of a prompt that enter together
        groups = [[own] for own in writers] if copies > many else [writers]
        for group in groups:
            groups_of_one = [own[k : k + many] for own in sorted(group, key=lambda own: own[0].row) for k in range(0, copies, many)]
            self._write(deque(groups_of_one), manner)
        found = [[finish(self.tokenizer, w.tokens, manner.stop, w.tokens[-1:] if w.ended else (), min(w.logprob, 0.0)) for w in own] for own in writers]
        return [own if manner.temperature > 0 else own * n for own in found]

    def _write(self, queue: deque[list[Writer]], manner: Manner) -> None:
        """Write the groups of one call; those of a group have the same prompt."""
        need = [len(own[0].row) + len(own) * manner.max_tokens for own in queue]
        with self.memory.call(max(max(need), min(sum(need), WAVE_CELLS))):
            shared = common_prefix([own[0].row[:-1] for own in queue])
            kept = self.memory.keep(shared, len(shared))
            if len(shared) - kept > SHORT:
                for start in range(kept, len(shared), BATCH_TOKENS):
                    self.memory.extend(shared[start : start + BATCH_TOKENS])
            while queue:
                self._wave(queue, manner)
                self.memory.native.keep_trunk()

    def _wave(self, queue: deque[list[Writer]], manner: Manner) -> None:
        native, below = self.memory.native, len(self.memory.trunk)
        free, sequence = native.cells - below, TRUNK
        flying: list[Writer] = []
        while True:
            tokens = [w.tokens[-1] for w in flying]
            places = [len(w.row) + len(w.tokens) - 1 for w in flying]
            sequences = [(w.sequence,) for w in flying]
            wanted, entering = list(range(len(flying))), list[list[Writer]]()
            while queue and len(flying) + sum(map(len, entering)) + len(queue[0]) <= WRITERS:
                group = queue[0]
                tail = group[0].row[below:]
                need = len(tail) + len(group) * manner.max_tokens
                last = min(len(tail), ENTERING)
                if need > free or sequence + len(group) >= native.sequences or len(tokens) + last > BATCH_TOKENS:
                    break
                queue.popleft()
                free -= need
                for writer in group:
                    sequence += 1
                    writer.sequence = sequence
                self._begin(group[0].sequence, tail[:-last])
                tokens += tail[-last:]
                places += range(below + len(tail) - last, below + len(tail))
                sequences += [(group[0].sequence,)] * last
                wanted.append(len(tokens) - 1)
                entering.append(group)
            if not tokens:
                return
            rows = self.memory.run(tokens, places, sequences, wanted)
            flying = [w for w, row in zip(flying, rows, strict=False) if self._take(w, row, manner)]
            for group, row in zip(entering, rows[len(rows) - len(entering) :], strict=True):
                for writer in group[1:]:
                    native.share(group[0].sequence, writer.sequence, len(writer.row))
                flying += [w for w in group if self._take(w, row, manner)]

    def _begin(self, sequence: int, tokens: Sequence[int]) -> None:
        """A sequence on top of the trunk, and its first tokens."""
        below = len(self.memory.trunk)
        if below:
            self.memory.native.share(TRUNK, sequence, below)
        for start in range(0, len(tokens), BATCH_TOKENS):
            part = tokens[start : start + BATCH_TOKENS]
            self.memory.run(part, range(below + start, below + start + len(part)), [(sequence,)] * len(part), ())

    def _take(self, writer: Writer, logits: np.ndarray, manner: Manner) -> bool:
        """Give a writer its next token; returns whether it goes on."""
        if writer.draw is None:
            token = int(logits.argmax())
        else:
            writer.chance = writer.chance or np.random.default_rng(writer.draw)
            chances = np.exp((logits.astype(np.float64) - float(logits.max())) / manner.temperature).cumsum()
            token = int(np.searchsorted(chances, writer.chance.random() * chances[-1], side="right"))
        writer.tokens.append(token)
        writer.logprob += float(logits[token]) - total(logits)
        writer.ended = self.memory.native.ends(token)
        full = len(writer.tokens) >= manner.max_tokens or len(writer.row) + len(writer.tokens) >= manner.context
        return not (writer.ended or full or (manner.stop and holds_stop(self.tokenizer, writer.tokens, manner.stop)))
