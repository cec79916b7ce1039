"""What a model's answers must keep, as one clause an ability or promise; `check_model` runs them.

A clause is a function of the `Subject`; it returns at once where the model has not the ability.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.meter import metering, uncached
from fieldguide.models.model import Generation, Model, Reply, Scores
from fieldguide.records import Usage

TOLERANCE_NATS = 1e-3
"""Batches may be laid out differently, and floating-point sums with them; more than this is a fault."""
TOLERANCE_VECTOR = 1e-5

HOSTILE = (" ", "naïve café, 北京, नमस्ते", "🙂🙃\u200d", "a\x00b", "\ud83d", "tabs\tand\r\nlines\n\n\n")
SHOWN = "Fruit or tool?\n\nan apple\nAnswer: fruit\n\na hammer\nAnswer: tool\n\n"
ASKED = (*(f"{SHOWN}{text}\nAnswer:" for text in ("a ripe pear", "a rusty saw", "3 apples")), "", "What is it? ", "日本の首都は")
OPTIONS = (*((" fruit", " tool", " something else entirely"),) * 3, ("Yes", " no"), ("tool",), ("東京", "大阪", "京都"))
PROMPTS = ("Q: red or blue?\nA: red\n\nQ: cat or dog?\nA:", "The capital of France is", "1 2 3")
TEXTS = ("a cat sat on the mat", "stock prices fell", "", "a cat sat on the mat", *HOSTILE, "word " * 40)
TOOL = {
    "name": "calculator",
    "description": "The exact value of an expression.",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]},
}

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Subject:
    """The model under test and the prompts it is asked to continue."""

    model: Model
    prompts: tuple[str, ...]

    def can(self, ability: str) -> bool:
        return ability in self.model.facts.can


def clause_score(subject: Subject) -> None:
    """One finite total at most 0 for each option, the sum of its tokens; metered."""
    if not subject.can("score"):
        return
    whole, used = metered(lambda: subject.model.score(ASKED, OPTIONS))
    check_usage(used, len(ASKED))
    assert [len(row) for row in whole.totals] == [len(row) for row in OPTIONS], "score gives one total for each option"
    for row, parts in zip(whole.totals, whole.tokens, strict=True):
        for total, tokens in zip(row, parts, strict=True):
            assert tokens, "an option has no token log-probabilities"
            assert all(math.isfinite(t) and t <= 0 for t in tokens), f"a token's log-probability is not a finite number ≤ 0: {tokens}"
            assert math.isclose(total, math.fsum(tokens), abs_tol=1e-6), "a total is not the sum of its tokens"


def clause_score_batches(subject: Subject) -> None:
    """Scores do not depend on what else is in the call, nor on any order."""
    if not subject.can("score"):
        return
    model = subject.model
    whole = model.score(ASKED, OPTIONS).totals
    single = [model.score([p], [o]).totals[0] for p, o in zip(ASKED, OPTIONS, strict=True)]
    same_scores(whole, single, "scores depend on how a call is split into batches")
    back = model.score(ASKED[::-1], OPTIONS[::-1]).totals[::-1]
    same_scores(whole, back, "scores depend on the order of prompts")
    turned = model.score(ASKED, [own[::-1] for own in OPTIONS]).totals
    same_scores(whole, [row[::-1] for row in turned], "scores depend on the order of options")
    twice = model.score(ASKED[:1] * 2, [OPTIONS[0] + OPTIONS[0][:1]] * 2).totals
    assert abs(twice[0][0] - twice[1][-1]) <= TOLERANCE_NATS, "the same prompt and option get two scores"


def clause_embed(subject: Subject) -> None:
    """Unit vectors of facts.dims, equal for equal texts and for them alone, whatever else is in the call; metered."""
    if not subject.can("embed"):
        return
    model = subject.model
    with uncached():
        vectors, used = metered(lambda: model.embed(TEXTS))
    check_usage(used, len(TEXTS))
    assert vectors.shape == (len(TEXTS), model.facts.dims), f"embed gives shape {vectors.shape}, not (texts, facts.dims)"
    assert vectors.dtype == np.float32, f"embed gives {vectors.dtype}, not float32"
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.allclose(lengths, 1, atol=1e-4), f"embeddings are not of unit length: {lengths}"
    assert np.array_equal(vectors[0], vectors[3]), "equal texts have different embeddings"
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3), "different texts have equal embeddings"
    with uncached():
        single = np.concatenate([model.embed([text]) for text in TEXTS])
        back = model.embed(TEXTS[::-1])[::-1]
    assert np.allclose(vectors, single, atol=TOLERANCE_VECTOR), "embeddings depend on how a call is split into batches"
    assert np.allclose(vectors, back, atol=TOLERANCE_VECTOR), "embeddings depend on the order of texts"
    different = list(dict.fromkeys(TEXTS))
    with remembering(AnswerStore()):
        fresh, used = metered(lambda: model.embed(different))
        again, cached = metered(lambda: model.embed(different))
    assert np.array_equal(fresh, again), "a remembered embedding is not the one that was given"
    assert np.allclose(vectors, model.embed(TEXTS), atol=TOLERANCE_VECTOR), "embeddings change from call to call"
    assert cached.calls == len(different), "texts answered from a cache still count as calls"
    assert cached.prompt_tokens == used.prompt_tokens, "texts answered from a cache still count their tokens"


def clause_generate(subject: Subject) -> None:
    """`n` continuations a prompt of at most `max_tokens`, with a finish; metered."""
    if not subject.can("generate"):
        return
    for n, temperature in ((1, 0.0), (2, 1.0)):
        found, used = metered(partial(subject.model.generate, subject.prompts, max_tokens=6, n=n, temperature=temperature))
        check_usage(used, n * len(subject.prompts))
        check_generations(found, len(subject.prompts), n)
        assert all(g.tokens <= 6 for row in found for g in row), "a continuation has more than max_tokens tokens"
        written = sum(g.tokens for row in found for g in row)
        assert used.completion_tokens == written, f"{used.completion_tokens} completion tokens were metered, and {written} were written"


def clause_greedy_repeats(subject: Subject) -> None:
    """Greedy continuations are the same from call to call and whatever else is asked."""
    if not subject.can("generate"):
        return
    first, again, back = (texts(subject.model.generate(p, max_tokens=6)) for p in (subject.prompts, subject.prompts, subject.prompts[::-1]))
    assert first == again, "greedy continuations change from call to call"
    assert first == back[::-1], "greedy continuations depend on the order of prompts"


def clause_seed(subject: Subject) -> None:
    """The seed decides the samples: equal seeds give equal ones, different seeds different ones, whatever else is asked."""
    if not subject.can("generate"):
        return

    def draw(prompts: Sequence[str], seed: int) -> list[list[str]]:
        return texts(subject.model.generate(prompts, max_tokens=6, n=2, temperature=1.0, seed=seed))

    first = draw(subject.prompts[:2], 5)
    assert first == draw(subject.prompts[:2], 5), "equal seeds give different samples"
    assert first != draw(subject.prompts[:2], 6), "different seeds give equal samples"
    assert first[1:] == draw(subject.prompts[1:2], 5), "samples depend on which prompts are asked together"


def clause_stop(subject: Subject) -> None:
    """A continuation ends before the first stop string."""
    if not subject.can("generate"):
        return
    found = texts(subject.model.generate(subject.prompts, max_tokens=6))
    text = next((t for row in found for t in row if len(t.strip()) > 2), "")
    if not text:
        return
    mark = text.strip()[1]
    for row, whole in zip(subject.model.generate(subject.prompts, max_tokens=6, stop=[mark]), found, strict=True):
        assert mark not in row[0].text, f"a continuation runs past its stop string {mark!r}"
        if mark in whole[0]:
            assert row[0].finish == "stop", f"a continuation that met its stop string finished by {row[0].finish!r}"


def clause_choose(subject: Subject) -> None:
    """`n` answers a prompt; those of a model that scores are among the options, greedily the likeliest, else drawn by the seed."""
    if not subject.model.facts.can & {"score", "generate"}:
        return
    model, scores = subject.model, subject.can("score")
    prompts, options = (ASKED, OPTIONS) if scores else (subject.prompts, [(" red", " blue")] * len(subject.prompts))
    found, used = metered(lambda: model.choose(prompts, options))
    check_usage(used, len(prompts))
    check_generations(found, len(prompts), 1)
    check_generations(model.choose(prompts, options, n=3), len(prompts), 3)
    if not scores:
        return
    for row, own, totals in zip(found, options, model.score(prompts, options).totals, strict=True):
        assert row[0].text in own, f"the choice {row[0].text!r} is not one of {own}"
        gap = max(totals) - totals[own.index(row[0].text)]
        assert gap <= TOLERANCE_NATS, f"the choice {row[0].text!r} is {gap:.2g} nats less likely than the likeliest of {own}"
    draws = [model.choose(prompts[:3], options[:3], n=16, temperature=2.0, seed=seed) for seed in (5, 5, 6)]
    assert all(g.text in own for row, own in zip(draws[0], options[:3], strict=True) for g in row), "a drawn choice is not one of its options"
    assert texts(draws[0]) == texts(draws[1]), "equal seeds give different choices"
    assert texts(draws[0]) != texts(draws[2]), "different seeds give equal choices"


def clause_tools(subject: Subject) -> None:
    """One message a chat, which calls tools exactly where it finishes by "calls"; metered and remembered."""
    if not subject.can("tools"):
        return
    chats = [[{"role": "user", "content": prompt}] for prompt in subject.prompts]
    with remembering(AnswerStore()) as store:
        found, used = metered(lambda: subject.model.reply(chats, [TOOL], max_tokens=32))
        again = subject.model.reply(chats, [TOOL], max_tokens=32)
    check_usage(used, len(chats))
    assert len(store) == len(chats), f"{len(chats)} chats left {len(store)} answers in the store"
    assert again == found, "a remembered message is not the one that was given"
    assert subject.model.reply([], [TOOL]) == [], "a reply to nothing is nothing"
    for own in found:
        assert isinstance(own, Reply), f"reply gives a {type(own).__name__}"
        assert bool(own.calls) is (own.finish == "calls"), f"a message with {len(own.calls)} calls finished by {own.finish!r}"
    check_generations([[own] for own in found if not own.calls], sum(not own.calls for own in found), 1)


def metered(ask: Callable[[], Answer]) -> tuple[Answer, Usage]:
    with metering() as meter:
        answer = ask()
    return answer, meter.usage


def check_usage(used: Usage, calls: int) -> None:
    assert used.calls == calls, f"{calls} calls were made and {used.calls} metered"
    assert used.prompt_tokens > 0, "no prompt tokens were metered"
    assert 0 <= used.cached_tokens <= used.prompt_tokens, "cached tokens are not between none and all of the prompt's"
    assert used.seconds > 0, "no seconds were metered"


def check_generations(found: Sequence[Sequence[Generation]], prompts: int, n: int) -> None:
    assert [len(row) for row in found] == [n] * prompts, f"{prompts} prompts with n={n} got {[len(row) for row in found]} answers"
    for g in (g for row in found for g in row):
        assert g.finish in {"stop", "length", "refused"}, f"a continuation finished by {g.finish!r}"
        assert bool(g.reason) is (g.finish == "refused"), "a refusal has a reason, and nothing else has"
        assert g.finish != "refused" or not g.text, "a refused prompt has a text"
        assert g.logprob is None or g.logprob <= 0, f"a continuation's log-probability is {g.logprob}"


def same_scores(one: Sequence[Sequence[float]], two: Sequence[Sequence[float]], clause: str) -> None:
    worst = max(abs(a - b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True))
    assert worst <= TOLERANCE_NATS, f"{clause} (by {worst:.2g} nats)"


def all_finite(scores: Scores) -> None:
    assert all(math.isfinite(t) and t <= 0 for row in scores.totals for t in row), "a hostile or overlong text has no finite score"


def texts(rows: Sequence[Sequence[Generation]]) -> list[list[str]]:
    return [[g.text for g in row] for row in rows]


def raises(kind: type[Exception], act: Callable[[], object], clause: str) -> None:
    try:
        act()
    except kind:
        return
    raise AssertionError(clause)
