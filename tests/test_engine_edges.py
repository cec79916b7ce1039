"""The engine at its edges: unusual configurations, numbers that are none, memory, long prompts, samples that enter late."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import warnings

import pytest
from test_engine import decoder, greedy, plain_scores, random_requests, tiny, worst

from fieldguide.errors import ModelError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from fieldguide.models import causal  # noqa: E402
from fieldguide.models.causal import CausalModel  # noqa: E402
from fieldguide.models.engine import decode  # noqa: E402
from fieldguide.models.engine.decode import Decoder, Limits, Sample, pick  # noqa: E402
from fieldguide.models.engine.kernels import PackedLinears  # noqa: E402
from fieldguide.models.engine.requests import Request  # noqa: E402
from fieldguide.models.engine.room import Room  # noqa: E402
from fieldguide.models.engine.scoring import Scorer  # noqa: E402
from fieldguide.models.engine.tree import Tree  # noqa: E402
from fieldguide.models.model import ModelFacts  # noqa: E402

SMALL = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "initializer_range": 0.3}
HEADS = {**SMALL, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 256}
LAYERED = {"head_dim": 8, "sliding_window": 20, "vocab_size_per_layer_input": 97, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2}
KINDS = ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention"]
LONG = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [3.0] * 4, "rope_theta": 10000.0, "original_max_position_embeddings": 64}
UNUSUAL = {
    "gemma3n_text": {**HEADS, **LAYERED, "num_hidden_layers": 5, "layer_types": KINDS, "laurel_rank": 4, "altup_num_inputs": 2, "activation_sparsity_pattern": [0.0] * 5},
    "gemma4_text": {**HEADS, **LAYERED, "num_hidden_layers": 5, "layer_types": KINDS},
    "gpt_oss": {**HEADS, "head_dim": 8, "sliding_window": 20, "num_local_experts": 4, "num_experts_per_tok": 2, "layer_types": KINDS[:3]},
    "smollm3": {**HEADS, "no_rope_layers": [1, 1, 0], "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    "phi3": {**HEADS, "original_max_position_embeddings": 64, "rope_parameters": LONG, "pad_token_id": 0},
    "mamba": {**SMALL, "state_size": 8},
    "rwkv": {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "context_length": 256},
}
"""Settings that differ between layers, keys and values shared by layers, experts, rotations that change with length, no attention at all."""


def unusual(kind: str):
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **UNUSUAL[kind])).eval()


def lettered(model, context: int = 256) -> CausalModel:
    """A causal model whose tokens are letters, `a` being 1."""
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, **{c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz", 1)}}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    return CausalModel(model, tokenizer, ModelFacts("tiny", "tiny", frozenset({"score", "generate", "weights"}), context=context))


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_families_score_as_plain_passes_do(kind: str) -> None:
    model = unusual(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if kind in {"mamba", "rwkv"} else "error")
        scorer = Scorer(model)
        assert scorer.trusts() is (kind not in {"mamba", "rwkv"})
    for seed, trunk, longest in [(0, 40, 50), (1, 100, 9)]:
        requests = random_requests(seed, trunk, prompts=3, longest=longest)
        assert worst(scorer.score(requests), plain_scores(model, requests)) < 1e-4


def test_texts_that_grow_longer_than_in_pre_training_are_continued_plainly_where_rotations_change() -> None:
    model = unusual("phi3")
    own = lettered(model)
    short, long = ("a b c", " ".join(random.Random(0).choices("abcdefgh", k=50)))
    for text in (short, long):
        ids = tuple(own.tokenizer(text)["input_ids"])
        written = own.tokenizer.decode(greedy(model, ids, 24), skip_special_tokens=True)
        assert own.generate([text], max_tokens=24)[0][0].text == written


def test_predictions_that_are_not_numbers_are_refused() -> None:
    model = tiny("llama")
    with torch.no_grad():
        model.lm_head.weight[5] = float("nan")
    with pytest.warns(UserWarning, match="nan nats"), pytest.raises(ModelError, match="not numbers"):
        Scorer(model).score(random_requests(0, 20, 2, 9))
    with pytest.raises(ModelError, match="not numbers"):
        decoder(model).run([(1, 2, 3)], [Sample(0, None)], Limits(3, frozenset()))


def test_a_layer_that_was_wrapped_keeps_its_own_forward() -> None:
    model = tiny("llama")
    packed, (wrapped, other) = PackedLinears.of(model), [layer.mlp.gate_proj for layer in model.base_model.layers[:2]]
    wrapped.forward = own = lambda x: x
    with packed.in_use(), packed.in_use():
        pass
    with packed.in_use():
        with packed.in_use():
            assert wrapped.forward is own
        assert "forward" in other.__dict__
    assert wrapped.__dict__["forward"] is own
    assert "forward" not in other.__dict__


def test_what_a_pass_needs_is_told_by_the_network() -> None:
    def room(config) -> Room:
        return Room.of(transformers.AutoModelForCausalLM.from_config(config))

    fused, held = (
        Room.of(transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**HEADS), attn_implementation=kind)) for kind in ("sdpa", "eager")
    )
    assert held.mask - fused.mask >= 3 * 4 * 4
    assert room(transformers.MixtralConfig(**HEADS, num_local_experts=4, num_experts_per_tok=4)).token > 2 * room(transformers.MistralConfig(**HEADS)).token
    even, uneven = fused.corrected([(2, 8, 8)] * 3, 4), fused.corrected([(4, 12, 8)] * 3, 4)
    assert (even.slot, even.mask) == (fused.slot, fused.mask)
    assert uneven.slot == 3 * 4 * 20 * 4
    assert uneven.mask > fused.mask


def test_a_long_call_leaves_no_large_buffers_to_short_ones() -> None:
    scorer = Scorer(tiny("llama"))
    first = random_requests(0, 3000, 2, 9)
    scorer.score(first)
    held = scorer.network._cache.layers[0].keys.shape[2]  # type: ignore[union-attr]
    shared = first[0].inputs[:2]
    scorer.score([Request((*shared, 5, 6), (7,))])
    assert scorer.network.trunk[:2] == shared
    assert scorer.network._cache.layers[0].keys.shape[2] < 1024 < 3000 <= held  # type: ignore[union-attr]


def test_prompts_that_fit_alone_are_not_refused_together_and_no_pass_exceeds_the_budget() -> None:
    model = tiny("llama")
    for seed in (10, 11, 19, 45):  # each was refused once
        draw = random.Random(seed)
        prompts = [tuple(draw.randrange(97) for _ in range(draw.randrange(1, 120))) for _ in range(8)]
        own = decoder(model)
        own.memory_bytes = own.room.needs(max(map(len, prompts)) + 4, 16) + draw.randrange(100_000)
        inner, sizes = own.network.push, list[int]()
        own.network.push = lambda tokens, *rest: (sizes.append(own.room.needs(own.network.slots, len(tokens))), inner(tokens, *rest))[1]  # type: ignore[method-assign]  # noqa: B023
        samples = [Sample(i, k) for i in range(len(prompts)) for k in range(4)]
        own.run(prompts, samples, Limits(4, frozenset(), temperature=1.0))
        assert max(sizes) <= own.memory_bytes


def test_samples_that_enter_later_find_their_prompt_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "ROWS", 8)
    model, prompts = tiny("llama"), [tuple(random.Random(i).choices(range(97), k=60)) for i in range(3)]
    own, samples = decoder(model), [Sample(i, k) for i in range(3) for k in range(21)]
    own.run(prompts, samples, Limits(5, frozenset(), temperature=1.0))
    assert own.network.computed == 3 * 60 + 3 * 21 * 4
    for i, prompt in enumerate(prompts):
        alone = [Sample(0, k) for k in range(21)]
        decoder(model).run([prompt], alone, Limits(5, frozenset(), temperature=1.0))
        assert [s.tokens for s in alone] == [s.tokens for s in samples if s.prompt == i]


def test_beginnings_that_some_prompts_share_are_computed_once() -> None:
    draw = random.Random(0)
    some = [tuple(draw.choices(range(97), k=k)) for k in (150, 150, 90)]
    heads = [begin + tuple(draw.choices(range(97), k=30)) for begin in some for _ in range(20)]
    requests = [Request((*head, *option)[:-1], option) for head in heads for option in ((1,), (2, 3), (2, 4, 5))]
    draw.shuffle(requests)
    model, tree = tiny("llama"), Tree()
    for request in requests:
        tree.add(request.inputs)
    scorer = Scorer(model)
    assert worst(scorer.score(requests), plain_scores(model, requests)) < 1e-4
    assert scorer.network.computed <= len(tree) + 6


@pytest.mark.parametrize("count", [0, 256, 4000])
def test_a_continuation_must_leave_room_for_its_prompt(count: int) -> None:
    with pytest.raises(ModelError, match="ask for 1 to 255 tokens"):
        lettered(tiny("llama")).generate(["a b"], max_tokens=count)


def test_a_prompt_as_long_as_the_context_and_many_samples_of_one_token() -> None:
    own = lettered(tiny("gpt2"))
    text = " ".join(random.Random(0).choices("abcdefgh", k=700))
    assert own.generate([text, "", "a"], max_tokens=255)[0][0].finish == "length"
    assert len(own.generate([text], max_tokens=1, n=100, temperature=1.0)[0]) == 100
    assert own.score([text], [["a", "b " * 300]]).totals[0][1] < 0


@pytest.mark.parametrize("temperature", [1e-310, 1e-6, 1e6])
def test_no_temperature_breaks_the_draw(temperature: float) -> None:
    import numpy as np

    logits = torch.tensor([[0.0, 3.0, -30.0, float("-inf")]])
    drawn = {pick(logits, [np.random.default_rng(i)], temperature)[0][0] for i in range(50)}
    assert drawn == ({1} if temperature < 1 else {0, 1, 2})


def test_many_prompts_are_scored_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    own, draw = lettered(tiny("llama")), random.Random(0)
    prompts = [" ".join(draw.choices("abcdef", k=draw.randrange(1, 30))) for _ in range(30)]
    options = [["a", "b c", "d"][: 1 + i % 3] for i in range(30)]
    whole = own.score(prompts, options)
    monkeypatch.setattr(causal, "BLOCK_CHARS", 200)
    assert worst([list(t) for t in own.score(prompts, options).totals], [list(t) for t in whole.totals]) < 1e-4


def test_a_budget_changes_between_calls_and_not_within_one() -> None:
    own = lettered(tiny("llama"))
    with own._turn:
        other = threading.Thread(target=lambda: setattr(own, "memory_bytes", 2**28))
        other.start()
        other.join(0.2)
        assert own.memory_bytes != 2**28
    other.join()
    assert own.memory_bytes == 2**28


@pytest.mark.slow
@pytest.mark.parametrize("work", ["score", "generate"])
@pytest.mark.parametrize("megabytes", [120, 400])
def test_a_process_keeps_to_its_memory_budget(work: str, megabytes: int) -> None:
    """On Linux: the most that the process held at once, beyond what it held with the weights loaded."""
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is read from /proc, which Linux has")
    done = subprocess.run([sys.executable, __file__, work, str(megabytes)], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= megabytes * 2**20


def _spend(work: str, megabytes: int) -> int:
    def held(name: str) -> int:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

    torch.manual_seed(0)
    config = transformers.LlamaConfig(**{**HEADS, "vocab_size": 32000, "hidden_size": 512, "intermediate_size": 1408, "num_attention_heads": 8})
    scorer = Scorer(transformers.AutoModelForCausalLM.from_config(config).eval(), 8192, megabytes * 2**20)
    scorer.score([Request((1, 2, 3), (4,))])
    scorer.network.forget()
    before = held("VmRSS")
    prompts = [tuple(random.Random(i).choices(range(32000), k=3000)) for i in range(2)]
    if work == "score":
        scorer.score([Request((*p, k, k + 1), (k, k + 1, 7)) for p in prompts for k in range(20)])
    else:
        samples = [Sample(i, k) for i in range(2) for k in range(8)]
        Decoder(scorer.network, scorer.room, scorer.memory_bytes).run(prompts, samples, Limits(16, frozenset(), temperature=1.0))
    return held("VmHWM") - before


if __name__ == "__main__":
    print(_spend(sys.argv[1], int(sys.argv[2])))
