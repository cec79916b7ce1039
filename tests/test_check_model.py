"""The contract suite of models: every fault it promises to find is found, and its exceptions are spelled out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fieldguide.models.fake import FakeModel
from fieldguide.models.model import Generation, Scores
from fieldguide.records import Usage
from fieldguide.testing.check_model import CLAUSES, check_model

count = itertools.count()


def facts(**changes: Any) -> Any:
    class Changed(FakeModel):
        def __init__(self) -> None:
            super().__init__()
            self.facts = replace(self.facts, **changes)

    return Changed


class Positive(FakeModel):
    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        scores, usage = super()._score(prompts, options)
        return Scores(scores.totals, tuple(tuple(tuple(-t for t in parts) for parts in row) for row in scores.tokens)), usage


class Uneven(FakeModel):
    """Its scores depend on the number of prompts in the call."""

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        scores, usage = super()._score(prompts, options)
        return Scores(scores.totals, tuple(tuple(tuple(t - len(prompts) for t in parts) for parts in row) for row in scores.tokens)), usage


class Drifting(FakeModel):
    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        rows, usage = super()._generate(prompts, **how)
        return [[replace(g, text=f"{g.text} {next(count)}") for g in row] for row in rows], usage


class Seedless(FakeModel):
    def _generate(self, prompts: Sequence[str], *, seed: int, **how: Any) -> Any:
        return super()._generate(prompts, seed=0, **how)


class Endless(FakeModel):
    def _generate(self, prompts: Sequence[str], *, stop: tuple[str, ...], **how: Any) -> Any:
        return super()._generate(prompts, stop=(), **how)


class Wordy(FakeModel):
    def _generate(self, prompts: Sequence[str], *, max_tokens: int, **how: Any) -> Any:
        return super()._generate(prompts, max_tokens=max_tokens + 1, **how)


class Silent(FakeModel):
    """Refuses a prompt without saying why."""

    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        return [[Generation("", 0, "refused")] * how["n"] for _ in prompts], Usage(prompt_tokens=1, forward_flops=1.0)


class Stubborn(FakeModel):
    """Takes the least likely option."""

    def _choose(self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, n: int, temperature: float, seed: int) -> Any:
        scores, usage = self._score(prompts, options)
        return [
            [Generation(own[row.index(min(row))], 1, "stop")] * n for own, row in zip(options, scores.totals, strict=True)
        ], usage


class Fixed(FakeModel):
    """Takes the likeliest option at any temperature."""

    def _choose(self, *asked: Any, n: int, temperature: float, seed: int) -> Any:
        return super()._choose(*asked, n=n, temperature=0.0, seed=0)


class Frail(FakeModel):
    """Fails on half a surrogate pair."""

    def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
        assert all(p.encode("utf-8", "ignore") == p.encode("utf-8", "surrogatepass") for p in prompts), "the text cannot be encoded"
        return super()._generate(prompts, **how)


class Long(FakeModel):
    def _embed(self, texts: Sequence[str]) -> tuple[np.ndarray, Usage]:
        vectors, usage = super()._embed(texts)
        return 2 * vectors, usage


class Forgetful(FakeModel):
    """Keeps the answers of every model under one name."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        kept, self.facts = self.facts, replace(self.facts, identity="all", numerics="any")
        try:
            return super().embed(texts)
        finally:
            self.facts = kept


class Idle(FakeModel):
    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        scores, usage = super()._score(prompts, options)
        return scores, replace(usage, forward_flops=0.0)


FAULTS = {
    "facts": facts(licence=""),
    "refused": type("Open", (facts(can=frozenset({"generate"})),), {"score": lambda self, *asked: Scores((), ())}),
    "score": Positive,
    "score_batches": Uneven,
    "embed": Long,
    "generate": Wordy,
    "greedy_repeats": Drifting,
    "seed": Seedless,
    "stop": Endless,
    "choose": Stubborn,
    "hostile": Frail,
    "store": Forgetful,
    "work": Idle,
}


@pytest.mark.parametrize("clause", FAULTS)
def test_each_fault_is_found_and_named(clause: str) -> None:
    with pytest.raises(AssertionError, match=f"breaks the clause '{clause}'"):
        check_model(FAULTS[clause]())


@pytest.mark.parametrize(("model", "clause"), [(Silent, "generate"), (Fixed, "choose")])
def test_more_faults(model: Any, clause: str) -> None:
    with pytest.raises(AssertionError, match=f"breaks the clause '{clause}'"):
        check_model(model())


def test_a_declared_exception_is_left_out_and_reported() -> None:
    outcome = check_model(Seedless(), exceptions={"seed": "Its server takes no seed."})
    assert outcome["seed"] == "excepted: Its server takes no seed."
    assert set(outcome) == set(CLAUSES)
    assert {found for name, found in outcome.items() if name != "seed"} == {"passed"}


def test_an_exception_needs_a_known_name_and_a_reason() -> None:
    with pytest.raises(AssertionError, match=r"no clauses called sead; the clauses are facts, .*seed"):
        check_model(FakeModel(), exceptions={"sead": "?"})
    with pytest.raises(AssertionError, match="needs a written reason"):
        check_model(FakeModel(), exceptions={"seed": " "})


def test_given_prompts_are_the_ones_continued() -> None:
    seen: set[str] = set()

    class Noting(facts(can=frozenset({"generate"}))):
        def _generate(self, prompts: Sequence[str], **how: Any) -> Any:
            seen.update(prompts)
            return super()._generate(prompts, **how)

    check_model(Noting(), prompts=["red cats", "blue dogs"], exceptions={"hostile": "It knows two prompts."})
    assert seen == {"red cats", "blue dogs"}
    with pytest.raises(AssertionError, match="2 or more different prompts"):
        check_model(Noting(), prompts=["red cats", "red cats"])


def test_the_suites_can_be_imported_in_either_way() -> None:
    import fieldguide.testing.check_approach
    import fieldguide.testing.check_model  # noqa: F401
    from fieldguide.testing import check_approach, check_model

    assert callable(check_model)
    assert callable(check_approach)
