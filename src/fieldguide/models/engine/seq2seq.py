"""Options as decoder targets: a prompt is encoded once, its first decoder token computed once, and every option goes on from there.

An option's first token is read off the start token's pass. Longer options continue from that pass's cache, so that the decoder's
keys and values over the prompt are made once a prompt; options that begin alike share their beginning. Before its first use the
scorer tries both ways on random tokens; where they differ it says so once and decodes each option from the start.

Legend: P prompts of a batch, L tokens in the longest, R decoder rows, T decoder tokens in the longest, V vocabulary, W width.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from fieldguide.models.engine.batches import batches, padded
from fieldguide.models.engine.network import READ_ROWS, TOLERANCE

COPY_BYTES = 256 * 2**20
"""The prompts' keys and values, repeated for the options of one pass, take no more, unless a single row does."""
LOGITS_BYTES = 128 * 2**20
"""What a pass projects to the vocabulary takes no more, unless a single row does."""

Tokens = tuple[int, ...]
Row = tuple[int, Tokens]
"""(place of a prompt in its batch, tokens after the start token)."""


class OptionScorer:
    """Scores options on one encoder–decoder of transformers. It counts what it computes; not for two threads at once."""

    def __init__(self, module: Any, start: int, blank: int) -> None:
        self.module, self.start, self.blank = module, start, blank
        self.encoded = self.decoded = self.projected = 0
        """Tokens passed through encoder and decoder, and rows projected to the vocabulary, so far (padding left out)."""
        self._trusted: bool | None = None

    def score(self, prompts: Sequence[Tokens], options: Sequence[Sequence[Tokens]]) -> list[list[list[float]]]:
        """Per-token log-probabilities of each prompt's options, in nats. No prompt and no option may be empty."""
        found: list[list[list[float]]] = [[] for _ in prompts]
        with torch.inference_mode():
            shared = self.trusts()
            for batch in batches([len(p) for p in prompts]):
                for i, own in zip(batch, self._batch([prompts[i] for i in batch], [options[i] for i in batch], shared), strict=True):
                    found[i] = own
        return found

    def encode(self, prompts: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (P, L, W) and mask (P, L) of prompts, padded at the end."""
        ids, mask = padded(prompts, self.blank, self.module.device)
        self.encoded += sum(map(len, prompts))
        return self.module.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state, mask

    def trusts(self) -> bool:
        """Whether options may go on from a shared cache: the network was seen to give the same both ways. Tried once; says so if not."""
        if self._trusted is None:
            counted = self.encoded, self.decoded, self.projected
            self._trusted = self._probe()
            self.encoded, self.decoded, self.projected = counted
        return self._trusted

    def _probe(self) -> bool:
        draw, size = random.Random(0), self.module.config.get_text_config().vocab_size

        def some(least: int, most: int) -> Tokens:
            return tuple(draw.randrange(size) for _ in range(draw.randint(least, most)))

        prompts = [some(3, 12) for _ in range(4)]
        options = [[some(1, 4) for _ in range(4)] for _ in prompts]
        plain = self._batch(prompts, options, shared=False)
        try:
            shared = self._batch(prompts, options, shared=True)
            flat = [[value for own in both for parts in own for value in parts] for both in (plain, shared)]
            gap = max(abs(a - b) for a, b in zip(*flat, strict=True))
            why = f"differ by {gap:.2g} nats" if gap > TOLERANCE.get(self.module.dtype, 1e-3) else ""
        except (AssertionError, AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            why = f"could not be computed ({type(error).__name__})"
        if why:
            kind = type(self.module).__name__
            warnings.warn(f"Scores of {kind} that share a prompt's cache {why}, so each option is decoded from the start, which is slower.", stacklevel=5)
        return not why

    def _batch(self, prompts: Sequence[Tokens], options: Sequence[Sequence[Tokens]], shared: bool) -> list[list[list[float]]]:
        hidden, mask = self.encode(prompts)
        wanted: dict[Row, set[int]] = {}  # a prompt and what was decoded so far → the tokens whose log-probability is asked for next
        for p, own in enumerate(options):
            for option in own:
                for k, target in enumerate(option):
                    wanted.setdefault((p, option[:k]), set()).add(target)
        values: dict[tuple[Row, int], float] = {}
        rows = [(p, path) for p, own in enumerate(options) for path in _longest(option[:-1] for option in own)]
        cache = None
        if shared:
            first = [(p, ()) for p in range(len(prompts))]
            logits, cache = self._decode(hidden, mask, [(self.start,)] * len(prompts), None, keep=True)
            self._read(logits, first, 0, wanted, values)
            rows = [(p, path) for p, path in rows if path]
        for chunk in self._chunks(rows, hidden, cache):
            index = torch.tensor([p for p, _ in chunk], device=hidden.device)
            paths = [path if shared else (self.start, *path) for _, path in chunk]
            logits, _ = self._decode(hidden[index], mask[index], paths, _selected(cache, index) if cache is not None else None)
            self._read(logits, chunk, int(shared), wanted, values)
        return [[[values[(p, option[:k]), target] for k, target in enumerate(option)] for option in own] for p, own in enumerate(options)]

    def _decode(self, hidden: torch.Tensor, mask: torch.Tensor, rows: Sequence[Tokens], cache: Any, keep: bool = False) -> tuple[torch.Tensor, Any]:
        """Logits (R, T, V) after each token of each row, and their cache if it is kept. Rows are padded at the end, where no real token looks."""
        from transformers.modeling_outputs import BaseModelOutput

        ids, _ = padded(rows, self.blank, self.module.device)
        self.decoded += sum(map(len, rows))
        found = self.module(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
            decoder_input_ids=ids,
            past_key_values=cache,
            use_cache=keep or cache is not None,
        )
        return found.logits, found.past_key_values

    def _read(self, logits: torch.Tensor, rows: Sequence[Row], seen: int, wanted: dict[Row, set[int]], values: dict[tuple[Row, int], float]) -> None:
        """Move what these rows answer from `wanted` to `values`. The first `seen` tokens of each row were decoded before these logits."""
        reads: list[tuple[int, int, Row, set[int]]] = []
        for r, (p, path) in enumerate(rows):
            for k in range(seen, len(path) + 1):
                if targets := wanted.pop((p, path[:k]), None):
                    reads.append((r, k - seen, (p, path[:k]), targets))
        for start in range(0, len(reads), READ_ROWS):
            part = reads[start : start + READ_ROWS]
            picked = logits[[r for r, *_ in part], [k for _, k, *_ in part]].float()  # (READ_ROWS, V)
            self.projected += len(part)
            asked = [(i, place, target) for i, (_, _, place, targets) in enumerate(part) for target in targets]
            at = torch.tensor([[i, target] for i, _, target in asked], device=logits.device)
            found = picked[at[:, 0], at[:, 1]] - picked.logsumexp(dim=-1)[at[:, 0]]
            for (_, place, target), value in zip(asked, found.tolist(), strict=True):
                values[place, target] = min(value, 0.0)

    def _chunks(self, rows: Sequence[Row], hidden: torch.Tensor, cache: Any) -> Iterator[list[Row]]:
        """Rows in passes that keep the limits on memory, those of like length together."""
        copied = hidden[0].numel() * hidden.element_size()  # bytes that a row repeats
        if cache is not None:
            copied += sum(2 * layer.keys[0].numel() * layer.keys.element_size() for layer in cache.cross_attention_cache.layers)
        vocabulary = self.module.config.get_text_config().vocab_size * 4
        chunk: list[Row] = []
        for row in sorted(rows, key=lambda row: (-len(row[1]), row[0])):
            longest = len(chunk[0][1]) + 1 if chunk else 0
            if chunk and ((len(chunk) + 1) * copied > COPY_BYTES or (len(chunk) + 1) * longest * vocabulary > LOGITS_BYTES):
                yield chunk
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk


def _longest(paths: Iterable[Tokens]) -> list[Tokens]:
    """Those that are no beginning of another."""
    ordered = sorted(set(paths))  # a beginning comes right before what it begins
    return [path for path, after in zip(ordered, [*ordered[1:], None], strict=True) if after is None or after[: len(path)] != path]


def _selected(cache: Any, index: torch.Tensor) -> Any:
    """A copy of an encoder–decoder cache with these of its rows."""
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    both = (cache.self_attention_cache, cache.cross_attention_cache)
    return EncoderDecoderCache(*(DynamicCache([(layer.keys[index], layer.values[index]) for layer in one.layers]) for one in both))
