"""Encoder–decoders in the form of T5 (T5, FLAN-T5, mT5, BART …): score options, write answers, lend weights.

The prompt goes to the encoder and the answer to the decoder, tokenised apart as lm-evaluation-harness 0.4.13 does it: the prompt with
its special tokens, the option without any, no end token scored. What the encoder makes of a prompt is shared by all its options
and samples; answers are written by transformers' own `generate`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from fieldguide.models.endings import end_tokens, finish, holds_stop, seed_of
from fieldguide.models.engine.batches import batches
from fieldguide.models.engine.requests import prefix_token
from fieldguide.models.engine.seq2seq import OptionScorer, Tokens
from fieldguide.models.instrument import halves_of, metered_copy, size_of
from fieldguide.models.loading import quiet
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.models.text import clean, parted
from fieldguide.records import Usage

ROWS, ROW_TOKENS = 64, 8192
"""Continuations written at a time at most, and prompt tokens that they may look at: transformers repeats those for each continuation."""
DEFAULT_CONTEXT = 512


class EncoderDecoderModel(Model):
    """An encoder–decoder of transformers. Calls from several threads take turns."""

    tokenizer: Any
    """The model's own tokeniser, for those who tune its weights or count tokens."""

    def __init__(self, module: Any, tokenizer: Any, facts: ModelFacts) -> None:
        self.module, self.tokenizer, self.facts = module.eval(), tokenizer, facts
        self._ends = end_tokens(module, tokenizer)
        self._blank = next((i for i in (tokenizer.pad_token_id, module.config.pad_token_id, *self._ends) if i is not None), 0)
        self._scorer = OptionScorer(module, start_token(module, tokenizer), self._blank)
        self._halves, self._head = halves_of(module), size_of(module).head
        self._turn = threading.Lock()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        read, asked = self._requests(prompts, options)
        distinct: dict[Tokens, dict[Tokens, None]] = {}  # prompt → its options; equal prompts share one place
        for prompt, own in zip(read, asked, strict=True):
            distinct.setdefault(prompt, {}).update(dict.fromkeys(own))
        scorer = self._scorer
        with self._turn:
            encoded, decoded, projected = scorer.encoded, scorer.decoded, scorer.projected
            found = scorer.score(list(distinct), [list(own) for own in distinct.values()])
            encoded, decoded, projected = scorer.encoded - encoded, scorer.decoded - decoded, scorer.projected - projected
        known = {prompt: dict(zip(own, scored, strict=True)) for (prompt, own), scored in zip(distinct.items(), found, strict=True)}
        tokens = tuple(tuple(tuple(known[prompt][option]) for option in own) for prompt, own in zip(read, asked, strict=True))
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        sent = sum(map(len, read)) + sum(len(option) for own in asked for option in own)
        flops = self._halves.flops(encoded, decoded) + 2.0 * self._head * projected
        return Scores(totals, tokens), Usage(prompt_tokens=sent, cached_tokens=max(sent - encoded - decoded, 0), forward_flops=flops)

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        texts = list(dict.fromkeys(prompts))
        read = self._read(texts)
        copies = n if temperature > 0 else 1
        found: dict[str, list[Generation]] = {text: [] for text in texts}
        looked_at = 0
        with self._turn, torch.inference_mode():
            for batch in batches([len(ids) for ids in read]):
                hidden, mask = self._scorer.encode([read[i] for i in batch])
                samples = [(place, k) for place in range(len(batch)) for k in range(copies)]
                size = max(min(ROWS, ROW_TOKENS // mask.shape[1]), 1)
                for start in range(0, len(samples), size):
                    part = samples[start : start + size]
                    seeds = [seed_of(seed, texts[batch[place]], k) for place, k in part] if temperature > 0 else None
                    index = torch.tensor([place for place, _ in part], device=hidden.device)
                    written = self._write(hidden[index], mask[index], max_tokens, stop, Draws(temperature, seeds))
                    looked_at += sum(len(read[batch[place]]) for place, _ in part)
                    for (place, _), one in zip(part, written, strict=True):
                        found[texts[batch[place]]].append(one)
        rows = [found[prompt] if temperature > 0 else found[prompt] * n for prompt in prompts]
        lengths = {text: len(ids) for text, ids in zip(texts, read, strict=True)}
        sent, computed = sum(lengths[prompt] for prompt in prompts), sum(lengths.values())
        tokens = sum(g.tokens for row in found.values() for g in row)
        flops = self._halves.flops(computed, tokens) + self._halves.across * 2.0 * (looked_at - computed) + 2.0 * self._head * tokens
        answered = sum(g.tokens for row in rows for g in row)
        return rows, Usage(prompt_tokens=sent, completion_tokens=answered, cached_tokens=sent - computed, forward_flops=flops)

    def _write(self, hidden: torch.Tensor, mask: torch.Tensor, max_tokens: int, stop: tuple[str, ...], draws: Draws) -> list[Generation]:
        """One continuation for each row of hidden states (R, L, W) and mask (R, L)."""
        from transformers import GenerationConfig, LogitsProcessorList
        from transformers.modeling_outputs import BaseModelOutput

        places = getattr(self.module.config, "max_position_embeddings", None)
        config = GenerationConfig(
            max_new_tokens=min(max_tokens, places - 1) if places else max_tokens,
            do_sample=False,
            eos_token_id=self._ends or None,
            pad_token_id=self._blank,
            decoder_start_token_id=self._scorer.start,
            forced_bos_token_id=getattr(self.module.generation_config, "forced_bos_token_id", None),
        )

        def stopped(seen: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            return torch.tensor([holds_stop(self.tokenizer, ids, stop) for ids in seen[:, 1:].tolist()], device=seen.device)

        with quiet(), _settings(self.module, config):
            whole = self.module.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
                attention_mask=mask,
                generation_config=config,
                past_key_values=_deep_cache(self.module.config),
                logits_processor=LogitsProcessorList([draws]),
                stopping_criteria=[stopped] if stop else None,
            )
        found = []
        for row, ids in enumerate(whole[:, 1:].tolist()):
            one = finish(self.tokenizer, ids, stop, self._ends)
            found.append(finish(self.tokenizer, ids, stop, self._ends, draws.logprob(row, one.tokens)))
        return found

    def _weights(self) -> torch.nn.Module:
        return metered_copy(self.module, self._halves.encoder, self._halves.decoder + self._head)

    def _requests(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[list[Tokens], list[list[Tokens]]]:
        """Encoder tokens of each prompt, decoder targets of each of its options. Spaces at the end of a prompt move to its options.

        An option that the tokeniser drops altogether is an unknown token.
        """
        heads = [clean(prompt).rstrip() for prompt in prompts]
        tails = [[parted(prompt, option)[1] for option in own] for prompt, own in zip(prompts, options, strict=True)]
        distinct = list(dict.fromkeys(tail for own in tails for tail in own))
        encoded = self.tokenizer(distinct, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"] if distinct else []
        unknown = next((i for i in (self.tokenizer.unk_token_id, *self._ends) if i is not None), 0)
        targets = {tail: tuple(ids[-self._context :]) or (unknown,) for tail, ids in zip(distinct, encoded, strict=True)}
        return self._read(heads), [[targets[tail] for tail in own] for own in tails]

    def _read(self, prompts: Sequence[str]) -> list[Tokens]:
        """Encoder tokens; a longer prompt loses tokens from the left, and an empty one is the token that begins texts, or ends them."""
        if not prompts:
            return []
        encoded = self.tokenizer([clean(p) for p in prompts], return_attention_mask=False, verbose=False)["input_ids"]
        return [tuple(ids[-self._context :]) if prompt and ids else (prefix_token(self.tokenizer),) for prompt, ids in zip(prompts, encoded, strict=True)]

    @property
    def _context(self) -> int:
        return self.facts.context or DEFAULT_CONTEXT


class Draws:
    """The choice of each next token, as the last of transformers' logits processors: the likeliest, or one drawn for each row alone.

    A row's draw is the arg-max of its logits / temperature plus Gumbel noise from a generator of its own, so that it does not
    depend on the other rows. The log-probabilities at temperature 1 of what is chosen are kept on the way.
    """

    def __init__(self, temperature: float, seeds: Sequence[int] | None) -> None:
        self.temperature = temperature
        self.generators = None if seeds is None else [torch.Generator().manual_seed(seed) for seed in seeds]
        self.steps: list[torch.Tensor] = []  # each (rows,)

    def __call__(self, seen: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        values = logits.float()  # (rows, V)
        if self.generators is not None:
            noise = torch.stack([torch.empty(values.shape[1]).exponential_(generator=one) for one in self.generators])
            values = values / self.temperature - noise.log().to(values.device)
        self.steps.append((logits.float().log_softmax(-1).gather(1, values.argmax(-1, keepdim=True))).squeeze(1).cpu())
        return values

    def logprob(self, row: int, tokens: int) -> float:
        """Sum over the first `tokens` tokens of a row, in nats."""
        return min(math.fsum(float(step[row]) for step in self.steps[:tokens]), 0.0)


def start_token(module: Any, tokenizer: Any) -> int:
    """What the decoder begins with."""
    named = (getattr(config, name, None) for config in (module.config, module.generation_config) for name in ("decoder_start_token_id", "bos_token_id"))
    return next((int(i) for i in (*named, tokenizer.pad_token_id) if i is not None), 0)


def _deep_cache(config: Any) -> Any:
    """An empty cache where the decoder is deeper than the encoder; else None. `generate` makes one of the encoder's depth (transformers 5.23)."""
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    deeper = (getattr(config, "num_decoder_layers", None) or 0) > config.get_text_config(decoder=True).num_hidden_layers
    return EncoderDecoderCache(DynamicCache(), DynamicCache()) if deeper else None


@contextmanager
def _settings(module: Any, config: Any) -> Iterator[None]:
    """Inside this block the model generates by `config` alone: its own habits (beams, length penalties, forced ends) are set aside."""
    own = module.generation_config
    module.generation_config = config
    try:
        yield
    finally:
        module.generation_config = own
