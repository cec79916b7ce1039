"""The contract of a model, checked from outside, as one named clause each.

    check_model(MyModel())

Every backend that ships passes it; a backend of your own should too. It asks a few dozen short texts of the model. Abilities
that `facts.can` does not name are checked to be refused. A model that cannot keep a clause (an API whose samples no seed
decides, say) is passed with `exceptions={"seed": "why"}`; one that knows only certain prompts, with `prompts=`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fieldguide.errors import Unsupported
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.model import Model, Scores
from fieldguide.testing import model_clauses as answers
from fieldguide.testing.model_clauses import (
    ASKED,
    HOSTILE,
    OPTIONS,
    PROMPTS,
    TEXTS,
    Subject,
    all_finite,
    check_generations,
    check_usage,
    metered,
    raises,
    texts,
)

LONG_CONTEXT = 4096
"""Longer contexts are not overfilled: that would take minutes and show nothing new."""


def check_model(model: Model, *, prompts: Sequence[str] | None = None, exceptions: Mapping[str, str] | None = None) -> dict[str, str]:
    """Run every clause; returns its name → "passed" or the reason of its exception. The first that fails raises `AssertionError`.

    `prompts` (two or more different ones) replace those that are continued and chosen for, for a model that knows only certain prompts.
    `exceptions` names the clauses that this model cannot keep and says why; an unknown name, or no reason, is an error.
    """
    excepted = dict(exceptions or {})
    unknown = set(excepted) - set(CLAUSES)
    assert not unknown, f"There are no clauses called {', '.join(sorted(unknown))}; the clauses are {', '.join(CLAUSES)}."
    assert all(reason.strip() for reason in excepted.values()), "Every exception needs a written reason."
    subject = Subject(model, tuple(prompts or PROMPTS))
    assert len(set(subject.prompts)) == len(subject.prompts) >= 2, f"check_model needs 2 or more different prompts; {list(subject.prompts)} came."
    outcome: dict[str, str] = {}
    for name, clause in CLAUSES.items():
        if name in excepted:
            outcome[name] = f"excepted: {excepted[name]}"
            continue
        try:
            clause(subject)
        except AssertionError as broken:
            raise AssertionError(f"{model.facts.reference} breaks the clause {name!r}: {broken}") from broken
        outcome[name] = "passed"
    return outcome


def clause_facts(subject: Subject) -> None:
    """What the model says of itself is complete."""
    facts = subject.model.facts
    assert facts.reference, "facts.reference is empty"
    assert facts.identity, "facts.identity is empty"
    assert facts.can, "facts.can names no ability"
    assert facts.can <= {"score", "generate", "tools", "embed", "weights"}, f"facts.can names unknown abilities: {sorted(facts.can)}"
    assert facts.type in {"encoder", "causal", "encoder-decoder", "api"}, f"facts.type is {facts.type!r}"
    assert facts.context is None or facts.context > 0, "facts.context is not positive"
    assert facts.licence, 'facts.licence is empty; say "unknown" if it is'
    assert facts.dims or not subject.can("embed"), "facts.dims is missing from a model that embeds"
    if subject.can("weights"):
        assert facts.parameters, "facts.parameters is missing from a model that lends weights"
        assert facts.compute_parameters, "facts.compute_parameters is missing from a model that lends weights"
        assert getattr(subject.model, "tokenizer", None) is not None, "a model that lends weights needs a tokenizer"


def clause_refused(subject: Subject) -> None:
    """An ability that facts.can does not name raises `Unsupported`."""
    model = subject.model
    calls: dict[str, Callable[[], object]] = {
        "score": lambda: model.score(["a"], [["b"]]),
        "generate": lambda: model.generate(["a"]),
        "embed": lambda: model.embed(["a"]),
        "tools": lambda: model.reply([[{"role": "user", "content": "a"}]], [answers.TOOL]),
        "weights": model.weights,
    }
    for ability, call in calls.items():
        if not subject.can(ability):
            raises(Unsupported, call, f"{ability} is not among facts.can, but is not refused")
    if not model.facts.can & {"score", "generate"}:
        raises(Unsupported, lambda: model.choose(["a"], [["b"]]), "it can neither score nor generate, but choose is not refused")


def clause_hostile(subject: Subject) -> None:
    """Blank, broken and foreign texts are answered like any other."""
    model = subject.model
    if subject.can("score"):
        all_finite(model.score(HOSTILE, [[" yes", "\n", "é🙂"]] * len(HOSTILE)))
    if subject.can("generate"):
        check_generations(model.generate([*HOSTILE, ""], max_tokens=2), len(HOSTILE) + 1, 1)
    if subject.can("embed"):
        assert np.isfinite(model.embed([*HOSTILE, ""])).all(), "the embedding of a hostile text is not finite"


def clause_overlong(subject: Subject) -> None:
    """A text beyond the context is cut, not refused."""
    model, context = subject.model, subject.model.facts.context
    if not context or context > LONG_CONTEXT:
        return
    long = "many words " * context
    if subject.can("score"):
        all_finite(model.score([long, long + " end:"], [[" yes", " no"]] * 2))
    if subject.can("generate"):
        check_generations(model.generate([long], max_tokens=2), 1, 1)
    if subject.can("embed"):
        assert np.isfinite(model.embed([long])).all(), "the embedding of an overlong text is not finite"


def clause_nothing(subject: Subject) -> None:
    """Nothing asked is nothing answered; uneven calls and empty options are errors of the caller."""
    model = subject.model
    if subject.can("embed"):
        assert model.embed([]).shape == (0, model.facts.dims), "embed of nothing has shape (0, dims)"
    if subject.can("generate"):
        assert model.generate([]) == [], "generate of nothing is nothing"
    if subject.can("score"):
        assert model.score([], []) == Scores((), ()), "score of nothing is nothing"
        assert model.choose([], []) == [], "choose of nothing is nothing"
        for name, ask in (("score", model.score), ("choose", model.choose)):
            raises(ValueError, partial(ask, ["a"], []), f"{name} takes an uneven call")
            raises(ValueError, partial(ask, ["a"], [[]]), f"{name} takes a prompt without options")
            raises(ValueError, partial(ask, ["a"], [[""]]), f"{name} takes an empty option")


def clause_weights(subject: Subject) -> None:
    """Lent weights are copies whose passes are metered."""
    if not subject.can("weights"):
        return
    import torch

    model: Any = subject.model
    one, two = model.weights(), model.weights()
    assert isinstance(one, torch.nn.Module), "weights gives no torch module"
    shared = {p.data_ptr() for p in one.parameters()} & {p.data_ptr() for p in two.parameters()}
    assert not shared, "two copies of the weights share memory"
    batch = model.tokenizer(["a short text", "a text"], padding=False)["input_ids"]
    ids = torch.tensor([batch[0][:2], batch[1][:2]], device=next(one.parameters()).device)
    decoded = {"decoder_input_ids": ids[:, :1]} if model.facts.type == "encoder-decoder" else {}
    tokens = ids.numel() + sum(more.numel() for more in decoded.values())
    for train in (False, True):
        one.train(train)
        _, used = metered(lambda: one(input_ids=ids, attention_mask=torch.ones_like(ids), **decoded))
        check_usage(used, 2)
        assert used.prompt_tokens == tokens, f"a pass over {tokens} real tokens is counted as {used.prompt_tokens}"
        assert (used.backward_flops > 0) is train, "backward operations are counted in training and only there"


def clause_store(subject: Subject) -> None:
    """Remembered answers are those of the model itself: one of another identity or precision, sharing the store, is asked anew."""
    model = subject.model
    abilities: dict[str, Callable[[Model], object]] = {
        "score": lambda m: m.score(ASKED[:2], OPTIONS[:2]),
        "generate": lambda m: texts(m.generate(subject.prompts[:2], max_tokens=3)),
        "embed": lambda m: m.embed(TEXTS[:2]).tobytes(),
    }
    for ability, ask in abilities.items():
        if not subject.can(ability):
            continue
        store, said = AnswerStore(), []
        with remembering(store):
            for asked, changes in ((2, {}), (2, {}), (4, {"identity": "another"}), (6, {"numerics": "another"})):
                other = copy.copy(model)
                other.facts = replace(model.facts, **changes)  # type: ignore[arg-type]
                said.append(ask(other))
                assert len(store) == asked, f"{ability} left {len(store)} answers in the store instead of {asked}"
        assert said[0] == said[1], f"{ability}: a remembered answer is not the answer that was given"


def clause_work(subject: Subject) -> None:
    """A call that computes or is billed says so: operations or dollars are metered, or all its tokens were cached."""
    asks: dict[str, Callable[[], object]] = {
        "score": lambda: subject.model.score(ASKED[:1], OPTIONS[:1]),
        "generate": lambda: subject.model.generate(subject.prompts[:1], max_tokens=3),
        "embed": lambda: subject.model.embed(TEXTS[:1]),
    }
    for ability, ask in asks.items():
        if subject.can(ability):
            _, used = metered(ask)
            assert used.forward_flops > 0 or used.cost_usd > 0 or used.cached_tokens > 0, f"{ability} metered neither operations nor dollars"


CLAUSES: dict[str, Callable[[Subject], None]] = {
    "facts": clause_facts,
    "refused": clause_refused,
    "score": answers.clause_score,
    "score_batches": answers.clause_score_batches,
    "embed": answers.clause_embed,
    "generate": answers.clause_generate,
    "greedy_repeats": answers.clause_greedy_repeats,
    "seed": answers.clause_seed,
    "stop": answers.clause_stop,
    "choose": answers.clause_choose,
    "tools": answers.clause_tools,
    "hostile": clause_hostile,
    "overlong": clause_overlong,
    "nothing": clause_nothing,
    "weights": clause_weights,
    "store": clause_store,
    "work": clause_work,
}
"""Name → check, in the order in which they run."""
