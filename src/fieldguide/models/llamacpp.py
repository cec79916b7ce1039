"""GGUF files as they are, through llama.cpp (the extra `llamacpp`): quantised weights are not expanded, every shared token is computed once."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.errors import MissingExtra, ModelError
from fieldguide.models.engine.requests import make_requests, prefix_token
from fieldguide.models.engine.sent import tokens_sent
from fieldguide.models.gguf import gguf_path
from fieldguide.models.loading import file_digest
from fieldguide.models.model import Generation, Model, ModelFacts, Scores
from fieldguide.models.text import clean
from fieldguide.records import Usage

if TYPE_CHECKING:
    from fieldguide.models.llama.native import Native

FORMAT = 1
"""Raised when the same file would give other answers."""


def load_llamacpp(reference: str) -> LlamaModel:
    """`gguf:path`: a causal model in a GGUF file (of several parts, the first), run by llama.cpp with its weights as they are.

    Raises `ModelError` if there is no such file, or it is damaged or holds another kind of model; `MissingExtra` without llama-cpp-python.
    """
    path = gguf_path(reference)
    try:
        from fieldguide.models.llama.native import Native
    except ImportError as error:
        raise MissingExtra(
            "llama-cpp-python",
            f"The model {reference!r}",
            f"pip install 'fieldguide[llamacpp]' (or give hf:{path}, which expands the weights to float32 and needs no other package)",
        ) from error
    native = Native(path)
    if native.kind != "causal":
        raise ModelError(f"The GGUF file {path} holds {native.kind}, which gguf: does not run; give a causal model, or its original weights as hf:org/name.")
    return LlamaModel(native, _facts(reference, path, native))


def _identity(reference: str) -> str:
    digests = "".join(file_digest(part)[:16] for part in _parts(gguf_path(reference)))
    return f"gguf-{digests}-llama.cpp-{FORMAT}"


load_llamacpp.identity = _identity  # type: ignore[attr-defined]


class LlamaModel(Model):
    """A model of llama.cpp behind the seam. Calls from several threads take turns."""

    def __init__(self, native: Native, facts: ModelFacts) -> None:
        from fieldguide.models.llama.generation import LlamaWriter
        from fieldguide.models.llama.memory import Memory
        from fieldguide.models.llama.scoring import LlamaScorer
        from fieldguide.models.llama.tokenizer import LlamaTokenizer

        self.facts, self.tokenizer = facts, LlamaTokenizer(native)
        self.memory = Memory(native)
        self._scorer, self._writer = LlamaScorer(self.memory), LlamaWriter(self.memory, self.tokenizer)
        self._head = native.width * native.vocab_size
        self._turn = threading.Lock()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        requests = make_requests(self.tokenizer, prompts, options, self._context)
        with self._turn:
            before = self.memory.computed, self.memory.projected
            flat = iter(self._scorer.score([r for own in requests for r in own]))
            computed, flops = self._since(before)
        tokens = tuple(tuple(tuple(next(flat)) for _ in own) for own in requests)
        totals = tuple(tuple(math.fsum(parts) for parts in row) for row in tokens)
        sent, unshared = tokens_sent(requests)
        return Scores(totals, tokens), Usage(prompt_tokens=sent, cached_tokens=max(unshared - computed, 0), forward_flops=flops)

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        from fieldguide.models.llama.generation import Manner

        room = max(self._context - max_tokens, 1)
        rows = [tuple(ids[-room:] or [prefix_token(self.tokenizer)]) for ids in self.tokenizer([clean(p) for p in prompts])["input_ids"]]
        with self._turn:
            before = self.memory.computed, self.memory.projected
            found = self._writer.write(prompts, rows, n, seed, Manner(max_tokens, stop, temperature, self._context))
            computed, flops = self._since(before)
        sent, written = n * sum(map(len, rows)), sum(g.tokens for row in found for g in row)
        passed = sum(g.tokens - 1 for row in found for g in row[: n if temperature > 0 else 1])  # nothing is read after a last token
        return found, Usage(prompt_tokens=sent, completion_tokens=written, cached_tokens=max(sent - (computed - passed), 0), forward_flops=flops)

    @property
    def _context(self) -> int:
        assert self.facts.context
        return self.facts.context

    def _since(self, before: tuple[int, int]) -> tuple[int, float]:
        """(tokens passed through the network, operations)."""
        computed, projected = self.memory.computed - before[0], self.memory.projected - before[1]
        body = (self.facts.compute_parameters or 0) - self._head
        return computed, 2.0 * (body * computed + self._head * projected)


def _facts(reference: str, path: Path, native: Native) -> ModelFacts:
    from fieldguide.models.llama.native import has_own_projection

    table = native.width * native.vocab_size
    return ModelFacts(
        reference=reference,
        identity=_identity(reference),
        can=frozenset({"score", "generate"}),
        numerics=f"llama.cpp-{_weight_type(native.about('general.file_type'))}",
        type="causal",
        parameters=native.parameters,
        compute_parameters=native.parameters - (table if has_own_projection(path) else 0),
        context=native.context,
        licence=native.about("general.license") or "unknown",
    )


def _weight_type(number: str) -> str:
    """The name of a GGUF file type ("Q4_K_M")."""
    from gguf.constants import LlamaFileType

    try:
        return LlamaFileType(int(number)).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    except ValueError:
        return "unknown"


def _parts(path: Path) -> list[Path]:
    """All files of a model; llama.cpp finds the others by the first one's name."""
    found = re.fullmatch(r"(.+)-00001-of-(\d{5})\.gguf", path.name)
    return [path.with_name(f"{found[1]}-{i:05}-of-{found[2]}.gguf") for i in range(1, int(found[2]) + 1)] if found else [path]
