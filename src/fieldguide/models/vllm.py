"""Models run by vLLM in this process (the extra `vllm`), with its prefix cache: for a CUDA device and many rows.

Written against vLLM 0.33's sources and tested with an engine that stands in for it; it has not been run on a device yet.

vLLM tells the log-probabilities of a prompt's own tokens only to a request that may not read the prefix cache, so that
few-shot prompts would be computed anew for each option. Here each option's token is asked for on its own instead: one more token
after the text before it, and the log-probability that the network gave to the token in question, whatever was sampled. Texts
before a token that several options share are asked for once, with all the tokens that follow.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import MissingExtra, ModelError
from fieldguide.models.endings import seed_of
from fieldguide.models.engine.requests import Request, make_requests, prefix_token
from fieldguide.models.engine.sent import tokens_sent
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.models.text import clean
from fieldguide.records import Usage

TOKENS_ASKED = 128
"""Tokens whose log-probability one request may ask for (vLLM's own limit)."""
SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: which log-probabilities are wanted after this text."""

    text: tuple[int, ...]
    """The tokens before, at least one."""
    wanted: tuple[int, ...]
    """Different tokens, at most `TOKENS_ASKED`."""


def load_vllm(reference: str) -> VllmModel:
    """`vllm:org/name`, `vllm:org/name@revision`, or a local folder (`vllm:./folder`): a causal model whose weights are safetensors.

    Raises `MissingExtra` without vLLM, and `ModelError` if vLLM cannot load the model (it needs a device that it supports).
    """
    name, revision = _name(reference)
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    try:
        import vllm
    except ImportError as error:
        raise MissingExtra("vllm", f"The model {reference!r}", "pip install 'fieldguide[vllm]'") from error
    how: dict[str, Any] = {"revision": revision, "tokenizer_revision": revision, "trust_remote_code": False, "load_format": "safetensors"}
    how |= {"enable_prefix_caching": True, "logprobs_mode": "raw_logprobs", "max_logprobs": TOKENS_ASKED}
    try:
        engine = vllm.LLM(model=name, **how)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, AssertionError) as error:
        raise ModelError(f"vLLM could not load the model {reference!r} ({_why(error)}); check the name and the device, or give it as hf:{name}.") from error
    config = engine.llm_engine.model_config
    total, projection = _parameters(_folder(name, revision))
    head = int(config.get_vocab_size()) * int(config.get_hidden_size())
    facts = ModelFacts(
        reference=reference,
        identity=_identity(reference),
        can=frozenset({"score", "generate"}),
        numerics=f"vllm-{str(config.dtype).removeprefix('torch.')}",
        type="causal",
        parameters=total or None,
        compute_parameters=(total - head if projection else total) or None,
        context=int(config.max_model_len),
    )
    return VllmModel(engine, engine.get_tokenizer(), facts, vllm.SamplingParams)


def _identity(reference: str) -> str:
    from fieldguide.models.transformers import load_hf

    name, revision = _name(reference)
    return load_hf.identity(f"hf:{name}" + (f"@{revision}" if revision else ""))  # type: ignore[attr-defined]


load_vllm.identity = _identity  # type: ignore[attr-defined]


class VllmModel(Model):
    """A model of vLLM behind the seam. `engine` is a `vllm.LLM`, `parameters` makes its sampling parameters; calls from several threads take turns."""

    def __init__(self, engine: Any, tokenizer: Any, facts: ModelFacts, parameters: Callable[..., Any]) -> None:
        self.engine, self.tokenizer, self.facts = engine, tokenizer, facts
        self._parameters = parameters
        self._turn = threading.Lock()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        requests = make_requests(self.tokenizer, prompts, options, self._context - 1)  # vLLM wants room for a token more
        flat = [r for own in requests for r in own]
        asks = asks_of(flat)
        outputs = self._run([a.text for a in asks], [self._parameters(**_scoring(a)) for a in asks])
        found = iter(scores_of(flat, asks, [_told(output) for output in outputs]))
        tokens = tuple(tuple(tuple(next(found)) for _ in own) for own in requests)
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        sent, unshared = tokens_sent(requests)
        computed = _computed(asks, outputs)
        return Scores(totals, tokens), Usage(prompt_tokens=sent, cached_tokens=max(unshared - computed, 0), forward_flops=self._flops(computed))

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        encoded = self.tokenizer([clean(p) for p in prompts])["input_ids"]
        room = max(self._context - max_tokens, 1)
        rows = [tuple(ids[-room:]) or (prefix_token(self.tokenizer),) for ids in encoded]
        how = [self._parameters(**_writing(prompt, max_tokens, stop, n, temperature, seed)) for prompt in prompts]
        outputs = self._run(rows, how)
        found = [[_generation(part) for part in output.outputs] for output in outputs]
        found = [own if temperature > 0 else own[:1] * n for own in found]
        sent, written = n * sum(map(len, rows)), sum(g.tokens for own in found for g in own)
        computed = _computed([Ask(row, ()) for row in rows], outputs)
        usage = Usage(
            prompt_tokens=sent, completion_tokens=written, cached_tokens=max(sent - computed, 0), forward_flops=self._flops(computed + written)
        )
        return found, usage

    def _run(self, rows: Sequence[tuple[int, ...]], how: Sequence[Any]) -> list[Any]:
        """vLLM's answers to token prompts, in order."""
        if not rows:
            return []
        with self._turn:
            try:
                return list(self.engine.generate([{"prompt_token_ids": list(row)} for row in rows], list(how), use_tqdm=False))
            except (ValueError, RuntimeError) as error:
                raise ModelError(f"vLLM did not answer for {self.facts.reference!r} ({_why(error)}); ask for less at a time, or load it anew.") from error

    def _flops(self, tokens: int) -> float:
        return 2.0 * (self.facts.compute_parameters or 0) * tokens

    @property
    def _context(self) -> int:
        assert self.facts.context
        return self.facts.context


def asks_of(requests: Sequence[Request]) -> list[Ask]:
    """What must be asked to score the requests: each text before a target once, texts that begin alike side by side, short ones first."""
    wanted: dict[tuple[int, ...], dict[int, None]] = {}
    for request in requests:
        for k, target in enumerate(request.targets):
            wanted.setdefault(request.inputs[: request.first + k + 1], {})[target] = None
    asks = []
    for text in sorted(wanted):
        tokens = list(wanted[text])
        asks += [Ask(text, tuple(tokens[at : at + TOKENS_ASKED])) for at in range(0, len(tokens), TOKENS_ASKED)]
    return asks


def scores_of(requests: Sequence[Request], asks: Sequence[Ask], told: Sequence[dict[int, float]]) -> list[list[float]]:
    """Per-token log-probabilities of each request's targets, in nats. `told[i]` are those that were told for `asks[i]`."""
    known: dict[tuple[tuple[int, ...], int], float] = {}
    for ask, values in zip(asks, told, strict=True):
        for token in ask.wanted:
            value = values.get(token, math.nan)
            if not math.isfinite(value):
                raise ModelError(f"vLLM told no log-probability of token {token} after a text of {len(ask.text)} tokens; its version may be too old.")
            known[ask.text, token] = min(value, 0.0)
    return [[known[r.inputs[: r.first + k + 1], target] for k, target in enumerate(r.targets)] for r in requests]


def _scoring(ask: Ask) -> dict[str, Any]:
    """Sampling parameters: one token, and the log-probabilities of the wanted ones. Never those of the prompt (see the module)."""
    return {"max_tokens": 1, "temperature": 0.0, "logprobs": len(ask.wanted), "logprob_token_ids": list(ask.wanted), "detokenize": False}


def _writing(prompt: str, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int) -> dict[str, Any]:
    """Sampling parameters: samples whose seed comes from the prompt, so that they do not depend on the others."""
    how: dict[str, Any] = {"max_tokens": max_tokens, "stop": [mark for mark in stop if mark], "logprobs": 0}
    return how | ({"n": n, "temperature": temperature, "seed": seed_of(seed, prompt) % SEEDS} if temperature > 0 else {"temperature": 0.0})


def _told(output: Any) -> dict[int, float]:
    return {int(token): float(value.logprob) for token, value in output.outputs[0].logprobs[0].items()}


def _generation(part: Any) -> Generation:
    if part.finish_reason not in ("stop", "length"):
        raise ModelError(f"vLLM broke off a continuation ({part.finish_reason}); ask again, or for fewer prompts at a time.")
    logprob = None if part.cumulative_logprob is None else min(float(part.cumulative_logprob), 0.0)
    return Generation(part.text, tokens=len(part.token_ids), finish=part.finish_reason, logprob=logprob)


def _computed(asks: Sequence[Ask], outputs: Sequence[Any]) -> int:
    """Prompt tokens that were not in the prefix cache."""
    return sum(len(ask.text) - (output.num_cached_tokens or 0) for ask, output in zip(asks, outputs, strict=True))


def _name(reference: str) -> tuple[str, str | None]:
    """(folder or hub id, revision)."""
    rest = reference.partition(":")[2]
    if rest.startswith((".", "/", "~")) or (rest and Path(rest).is_dir()):
        folder = Path(rest).expanduser()
        if not (folder / "config.json").is_file():
            raise ModelError(f"The model reference {reference!r} names a folder without a config.json; give a folder that save_pretrained wrote.")
        return str(folder), None
    if not (found := re.fullmatch(r"([\w.-]+(?:/[\w.-]+)?)(?:@([\w./-]+))?", rest)):
        raise ModelError(f"The model reference {reference!r} is not understood; write vllm:org/name, vllm:org/name@revision or vllm:./folder.")
    return found[1], found[2]


def _folder(name: str, revision: str | None) -> Path:
    """Where the weights lie on this machine once they are loaded."""
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, "config.json", revision=revision)).parent


def _parameters(folder: Path) -> tuple[int, bool]:
    """(values in a folder's safetensors, whether a projection to the vocabulary is among them). Packed values of 4 bits are counted as packed."""
    total, projection = 0, False
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        header.pop("__metadata__", None)
        total += sum(math.prod(tensor["shape"]) for tensor in header.values())
        projection = projection or any(name.endswith("lm_head.weight") for name in header)
    return total, projection


def _why(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
