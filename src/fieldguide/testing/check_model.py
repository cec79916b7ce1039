"""The contract of a model, checked from outside: `check_model(model)` raises `AssertionError` with the clause that fails.

Every backend that ships passes it; a backend of your own should too. It asks a few dozen short texts of the model. Abilities
that `facts.can` does not name are checked to be refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from fieldguide.errors import Unsupported
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.meter import metering, uncached
from fieldguide.models.model import Model, Scores
from fieldguide.records import Usage

TOLERANCE_NATS = 1e-3
"""Batches may be laid out differently, and floating-point sums with them; more than this is a fault."""
TOLERANCE_VECTOR = 1e-5
LONG_CONTEXT = 4096
"""Longer contexts are not overfilled: that would take minutes and show nothing new."""

HOSTILE = (" ", "naïve café, 北京, नमस्ते", "🙂🙃\u200d", "a\x00b", "\ud83d", "tabs\tand\r\nlines\n\n\n")


def check_model(model: Model) -> None:
    """Facts, scores, vectors, continuations, metering and refusals."""
    _check_facts(model)
    for ability, check in _CHECKS.items():
        if ability in model.facts.can:
            check(model)
        else:
            _check_refused(model, ability)


def _check_facts(model: Model) -> None:
    facts = model.facts
    assert facts.reference, "facts.reference is empty"
    assert facts.identity, "facts.identity is empty"
    assert facts.can, "facts.can names no ability"
    assert facts.can <= {"score", "generate", "embed", "weights"}, f"facts.can names unknown abilities: {sorted(facts.can)}"
    assert facts.type in {"encoder", "causal", "encoder-decoder", "api"}, f"facts.type is {facts.type!r}"
    assert facts.context is None or facts.context > 0, "facts.context is not positive"
    assert facts.licence, 'facts.licence is empty; say "unknown" if it is'
    if "embed" in facts.can:
        assert facts.dims, "facts.dims is missing from a model that embeds"
    if "weights" in facts.can:
        assert facts.parameters, "facts.parameters is missing from a model that lends weights"
        assert facts.compute_parameters, "facts.compute_parameters is missing from a model that lends weights"
        assert getattr(model, "tokenizer", None) is not None, "a model that lends weights needs a tokenizer"


def _check_score(model: Model) -> None:
    shown = "Fruit or tool?\n\nan apple\nAnswer: fruit\n\na hammer\nAnswer: tool\n\n"
    prompts = [f"{shown}{text}\nAnswer:" for text in ("a ripe pear", "a rusty saw", "3 apples")] + ["", "What is it? ", "日本の首都は"]
    options = [[" fruit", " tool", " something else entirely"]] * 3 + [["Yes", " no"], ["tool"], ["東京", "大阪", "京都"]]
    whole, used = _metered(lambda: model.score(prompts, options))
    _check_usage(used, len(prompts))
    assert [len(row) for row in whole.totals] == [len(row) for row in options], "score gives one total for each option"
    for row, parts in zip(whole.totals, whole.tokens, strict=True):
        for total, tokens in zip(row, parts, strict=True):
            assert tokens, "an option has no token log-probabilities"
            assert all(math.isfinite(t) and t <= 0 for t in tokens), f"a token's log-probability is not a finite number ≤ 0: {tokens}"
            assert math.isclose(total, math.fsum(tokens), abs_tol=1e-6), "a total is not the sum of its tokens"
    single = [model.score([p], [o]).totals[0] for p, o in zip(prompts, options, strict=True)]
    _same_scores(whole.totals, single, "scores depend on how a call is split into batches")
    back = model.score(prompts[::-1], options[::-1]).totals[::-1]
    _same_scores(whole.totals, back, "scores depend on the order of prompts")
    turned = model.score(prompts, [own[::-1] for own in options]).totals
    _same_scores(whole.totals, [row[::-1] for row in turned], "scores depend on the order of options")
    twice = model.score(prompts[:1] * 2, [options[0] + options[0][:1]] * 2).totals
    assert abs(twice[0][0] - twice[1][-1]) <= TOLERANCE_NATS, "the same prompt and option get two scores"
    _all_finite(model.score(HOSTILE, [[" yes", "\n", "é🙂"]] * len(HOSTILE)))
    if long := _overlong(model):
        _all_finite(model.score([long, long + " end:"], [[" yes", " no"]] * 2))
    assert model.score([], []) == Scores((), ()), "score of nothing is nothing"
    _raises(ValueError, lambda: model.score(["a"], []), "score takes an uneven call")
    _raises(ValueError, lambda: model.score(["a"], [[]]), "score takes a prompt without options")
    _raises(ValueError, lambda: model.score(["a"], [[""]]), "score takes an empty option")


def _check_embed(model: Model) -> None:
    texts = ["a cat sat on the mat", "stock prices fell", "", "a cat sat on the mat", *HOSTILE, "word " * 40]
    with uncached():
        vectors, used = _metered(lambda: model.embed(texts))
    _check_usage(used, len(texts))
    assert vectors.shape == (len(texts), model.facts.dims), f"embed gives shape {vectors.shape}, not (texts, facts.dims)"
    assert vectors.dtype == np.float32, f"embed gives {vectors.dtype}, not float32"
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.allclose(lengths, 1, atol=1e-4), f"embeddings are not of unit length: {lengths}"
    assert np.array_equal(vectors[0], vectors[3]), "equal texts have different embeddings"
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3), "different texts have equal embeddings"
    with uncached():
        single = np.concatenate([model.embed([text]) for text in texts])
        back = model.embed(texts[::-1])[::-1]
    assert np.allclose(vectors, single, atol=TOLERANCE_VECTOR), "embeddings depend on how a call is split into batches"
    assert np.allclose(vectors, back, atol=TOLERANCE_VECTOR), "embeddings depend on the order of texts"
    with remembering(AnswerStore()):
        model.embed(texts)
        again, cached = _metered(lambda: model.embed(texts))
    assert np.allclose(vectors, again, atol=TOLERANCE_VECTOR), "embeddings change from call to call"
    assert cached.calls == len(texts), "texts answered from a cache still count as calls"
    assert cached.prompt_tokens == used.prompt_tokens, "texts answered from a cache still count their tokens"
    if long := _overlong(model):
        assert np.isfinite(model.embed([long])).all(), "the embedding of an overlong text is not finite"
    assert model.embed([]).shape == (0, model.facts.dims), "embed of nothing has shape (0, dims)"


def _check_generate(model: Model) -> None:
    prompts = ["Q: red or blue?\nA: red\n\nQ: cat or dog?\nA:", "The capital of France is", "1 2 3"]
    first, used = _metered(lambda: model.generate(prompts, max_tokens=6))
    _check_usage(used, len(prompts))
    assert used.completion_tokens == sum(g.tokens for row in first for g in row), "completion tokens are not those of the generations"
    assert [len(row) for row in first] == [1] * len(prompts), "generate gives n continuations a prompt"
    assert all(g.tokens <= 6 and g.finish in {"stop", "length"} for row in first for g in row), "a continuation is too long or has no finish"
    assert _texts(model.generate(prompts, max_tokens=6)) == _texts(first), "greedy continuations change from call to call"
    draws = [_texts(model.generate(prompts[:2], max_tokens=6, n=2, temperature=1.0, seed=seed)) for seed in (5, 5, 6)]
    assert [len(row) for row in draws[0]] == [2, 2], "generate gives n continuations a prompt"
    assert draws[0] == draws[1], "equal seeds give different samples"
    assert draws[0] != draws[2], "different seeds give equal samples"
    text = next((t for row in _texts(first) for t in row if len(t.strip()) > 2), "")
    if text:
        mark = text.strip()[1]
        for row in model.generate(prompts, max_tokens=6, stop=[mark]):
            assert mark not in row[0].text, f"a continuation runs past its stop string {mark!r}"
    assert len(model.generate([*HOSTILE, ""], max_tokens=2)) == len(HOSTILE) + 1, "generate gives n continuations a prompt"
    if long := _overlong(model):
        model.generate([long], max_tokens=2)
    assert model.generate([]) == [], "generate of nothing is nothing"


def _check_weights(model: Model) -> None:
    import torch

    one, two = model.weights(), model.weights()
    assert isinstance(one, torch.nn.Module), "weights gives no torch module"
    shared = {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in two.parameters()}
    assert not shared, "two copies of the weights share memory"
    batch = model.tokenizer(["a short text", "a text"], padding=False)  # type: ignore[attr-defined]
    ids = torch.tensor([batch["input_ids"][0][:2], batch["input_ids"][1][:2]])
    for train in (False, True):
        one.train(train)
        _, used = _metered(lambda: one(input_ids=ids, attention_mask=torch.ones_like(ids)))
        _check_usage(used, 2)
        assert used.prompt_tokens == ids.numel(), "a pass through the weights counts its real tokens"
        assert (used.backward_flops > 0) is train, "backward operations are counted in training and only there"


def _check_refused(model: Model, ability: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "score": lambda: model.score(["a"], [["b"]]),
        "generate": lambda: model.generate(["a"]),
        "embed": lambda: model.embed(["a"]),
        "weights": model.weights,
    }
    _raises(Unsupported, calls[ability], f"{ability} is not among facts.can, but is not refused")


_CHECKS = {"score": _check_score, "embed": _check_embed, "generate": _check_generate, "weights": _check_weights}


def _metered(ask):
    with metering() as meter:
        answer = ask()
    return answer, meter.usage


def _check_usage(used: Usage, calls: int) -> None:
    assert used.calls == calls, f"{calls} calls were made and {used.calls} metered"
    assert used.prompt_tokens > 0, "no prompt tokens were metered"
    assert 0 <= used.cached_tokens <= used.prompt_tokens, "cached tokens are not between none and all of the prompt's"
    assert used.seconds > 0, "no seconds were metered"
    assert used.forward_flops > 0 or used.cost_usd > 0 or used.cached_tokens > 0, "neither operations nor dollars were metered"


def _same_scores(one: Sequence[Sequence[float]], two: Sequence[Sequence[float]], clause: str) -> None:
    worst = max(abs(a - b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))
    assert worst <= TOLERANCE_NATS, f"{clause} (by {worst:.2g} nats)"


def _all_finite(scores: Scores) -> None:
    assert all(math.isfinite(t) and t <= 0 for row in scores.totals for t in row), "a hostile or overlong text has no finite score"


def _texts(rows) -> list[list[str]]:
    return [[g.text for g in row] for row in rows]


def _overlong(model: Model) -> str:
    """A text beyond the context; empty where the context is unlimited or too long to overfill."""
    context = model.facts.context
    return "many words " * context if context and context <= LONG_CONTEXT else ""


def _raises(kind: type[Exception], act: Callable[[], object], clause: str) -> None:
    with suppress(kind):
        act()
        raise AssertionError(clause)
