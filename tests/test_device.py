"""Where networks run and what they may take: environment variables and their refusals; the same on a CUDA device where there is one."""

from __future__ import annotations

import pytest

from fieldguide.errors import ModelError

torch = pytest.importorskip("torch")

from fieldguide.models.device import chosen_device, memory_budget, precision  # noqa: E402
from fieldguide.models.pool import ModelPool  # noqa: E402


def test_the_cpu_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_DEVICE", "CPU")
    assert chosen_device() == torch.device("cpu")
    assert precision(chosen_device()) is torch.float32


@pytest.mark.parametrize("named", ["tpu", "cuda:99", "cuda:x", "gpu"])
def test_a_device_that_is_not_there_is_refused(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_DEVICE", named)
    with pytest.raises(ModelError, match=f"FIELDGUIDE_DEVICE is '{named}'"):
        chosen_device()


@pytest.mark.parametrize(("text", "size"), [("", None), ("512MB", 512 * 10**6), ("1.5 gb", 15 * 10**8), ("2GiB", 2 * 2**30)])
def test_memory_is_read_in_the_usual_units(text: str, size: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_MEMORY", text)
    assert memory_budget() == size


@pytest.mark.parametrize("text", ["much", "4", "0GB", "-1GB", "4TB"])
def test_memory_that_cannot_be_read_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_MEMORY", text)
    with pytest.raises(ModelError, match="512MB or 4GB"):
        memory_budget()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_cuda_device_gives_the_same_within_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = [f"Great films: Alien, Heat.\nBad fruit: durian.\n{text}:" for text in ("Great film", "Bad fruit", "Fruit")]
    options = [[" Alien", " durian", " Heat and dust"]] * 3
    monkeypatch.setenv("FIELDGUIDE_DEVICE", "cuda")
    there = ModelPool().get("smollm2-135m")
    assert there.facts.numerics == "bfloat16"
    monkeypatch.setenv("FIELDGUIDE_DEVICE", "cpu")
    here = ModelPool().get("smollm2-135m")
    assert there.facts.identity == here.facts.identity
    for a, b in zip(there.score(prompts, options).totals, here.score(prompts, options).totals, strict=True):
        assert max(abs(x - y) for x, y in zip(a, b, strict=True)) < 0.5
        assert a.index(max(a)) == b.index(max(b))
    assert len(there.generate(prompts, max_tokens=8, n=3, temperature=1.0)[0]) == 3
