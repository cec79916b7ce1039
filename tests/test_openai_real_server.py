"""The `openai:` backend against two real servers that the test starts on this machine, with SmolLM2-135M: `transformers serve` and the server
of llama-cpp-python, which echoes log-probabilities. Neither needs a network. Minutes long."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from real_servers import needs, served

from fieldguide.errors import MissingExtra, ModelError
from fieldguide.models import meter
from fieldguide.models.api.pace import Patience
from fieldguide.models.api.wire import most_usage
from fieldguide.models.gguf import prepare
from fieldguide.models.openai_api import OpenAIModel, load_openai
from fieldguide.models.packaged import _smollm2
from fieldguide.models.pool import ModelPool
from fieldguide.models.prices import FREE
from fieldguide.testing.check_model import check_model

pytestmark = pytest.mark.slow

PATIENT = Patience(timeout_s=300, cap=4)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FIELDGUIDE_PRICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return _smollm2()
    except MissingExtra as missing:
        pytest.skip(str(missing))


def priced(name: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Give a local model a price, so that the clause on work can be checked."""
    (folder / "prices.json").write_text(json.dumps({name: {"prompt": 1.0, "completion": 2.0}}))
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(folder / "prices.json"))


def test_transformers_serve(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("fastapi", "uvicorn", "openai", "pydantic")
    folder = str(prepare(weights, "SmolLM2-135M", "15 s"))
    priced(folder, monkeypatch, tmp_path)
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", folder]
    command += ["--device", "cpu", "--dtype", "float32"]
    with served(command, tmp_path) as url:
        model = load_openai(f"openai:{folder}@{url}", PATIENT)
        assert (model.facts.can, model.facts.local) == ({"generate", "tools"}, True)
        said = model.generate(["The capital of France is"], max_tokens=8)
        greedy = "It takes a temperature and decodes greedily all the same, unless the model's own settings say to sample."
        check_model(model, exceptions={"seed": greedy})
        held_back(model)
        choices = model.choose(["Is an apple a fruit or a tool?", "Is a hammer a fruit or a tool?"], [[" fruit", " tool"]] * 2)
        assert {" fruit", " tool"} & {g.text for [g] in choices}, "a model this small answers the question now and then"
        assert "response_format" in model.manners.dropped, "it takes a schema and pays it no heed, which is found out"
        with pytest.raises(ModelError, match="pinned to"):
            load_openai(f"openai:another@{url}", PATIENT).generate(["a"])
    own = ModelPool().get("smollm2-135m")
    asked = [{"role": "user", "content": "The capital of France is"}]
    chat = own.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)  # type: ignore[attr-defined]
    assert own.generate([chat], max_tokens=8)[0][0].text == said[0][0].text, "the same weights say the same, over HTTP and here"


def test_the_server_of_llama_cpp_python(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings")
    priced("smollm2", monkeypatch, tmp_path)
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(weights), "--model_alias", "smollm2", "--logits_all", "true"]
    command += ["--n_ctx", "512", "--n_threads", "1", "--verbose", "false"]
    with served(command, tmp_path) as url:
        model = load_openai(f"openai:smollm2@{url}", PATIENT)
        assert model.facts.can == {"generate", "tools"}, "for a model that begins no text with a token, its log-probabilities stand a place too late"
        held_back(model)
        [[one], [two]] = model.choose(["Is an apple a fruit or a tool?", "What colour is grass?"], [[" fruit", " tool"], ["Red", "Green"]])
        assert one.text in (" fruit", " tool")
        assert two.text in ("Red", "Green")
        assert model.manners.dropped == {"json_schema"}, "it holds answers to a schema, given in its own way"
        with pytest.raises(ModelError, match="it lists smollm2"):
            load_openai(f"openai:smollm3@{url}", PATIENT)
    with served([*command, "--kv_overrides", "tokenizer.ggml.add_bos_token=bool:true"], tmp_path) as url:
        model = load_openai(f"openai:smollm2@{url}", PATIENT)
        assert model.facts.can == {"generate", "score", "tools"}
        own = ModelPool().get("smollm2-135m")
        prompts = ["One", "Fruit or tool?\n\nan apple\nAnswer: fruit\n\na hammer\nAnswer: tool\n\na ripe pear\nAnswer:", "日本の首都は"]
        options = [[" two three four"], [" fruit", " tool"], ["東京", "大阪"]]
        there, here = model.score(prompts, options), own.score([f"<|im_start|>{p}" for p in prompts], options)
        for far, near in zip(there.tokens, here.tokens, strict=True):
            for a, b in zip(far, near, strict=True):
                assert a == pytest.approx(b, abs=1.0), "4-bit weights multiplied in 8 bits there, in float32 here"
        reuse = "it goes on from the prefix that it shares with the request before, and that moves the last digits"
        check_model(model, exceptions={"score_batches": f"Not checked, for it takes minutes: {reuse}.", "seed": f"A sample may change: {reuse}."})


def held_back(model: OpenAIModel) -> None:
    """What is held of the budget for a request is no less than what it turns out to take."""
    for prompt in ("Hi", "3.14159265358979323846264338327950288", "日本の首都は東京です。 🙂"):
        with meter.metering() as total:
            model.generate([prompt], max_tokens=4)
        held = most_usage({"messages": [{"content": prompt}], "max_tokens": 4}, FREE)
        assert 0 < total.usage.prompt_tokens <= held.prompt_tokens
        assert total.usage.completion_tokens <= held.completion_tokens
