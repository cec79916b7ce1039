"""The engine against plain passes: random networks of many families, windows, precisions and budgets; trees; interruptions."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace

import pytest

from fieldguide.errors import ModelError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from fieldguide.models.engine import decode, kernels  # noqa: E402
from fieldguide.models.engine.decode import Decoder, Limits, Sample  # noqa: E402
from fieldguide.models.engine.kernels import PackedLinears  # noqa: E402
from fieldguide.models.engine.requests import Request  # noqa: E402
from fieldguide.models.engine.scoring import Scorer  # noqa: E402
from fieldguide.models.engine.tree import Tree, common_prefix  # noqa: E402


def tiny(kind: str, **more: object):
    """A random causal network of 3 layers and 97 tokens."""
    torch.manual_seed(0)
    common = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "initializer_range": 0.3}
    if kind == "gpt2":
        config = transformers.GPT2Config(vocab_size=97, n_embd=32, n_layer=3, n_head=4, n_positions=256, initializer_range=0.3)
    elif kind == "gemma2":
        more = {"sliding_window": 4096, **more}
        config = transformers.Gemma2Config(**common, intermediate_size=48, num_key_value_heads=2, head_dim=8, max_position_embeddings=256, **more)
    elif kind == "gemma3":
        config = transformers.Gemma3TextConfig(**common, intermediate_size=48, num_key_value_heads=2, head_dim=8, max_position_embeddings=256, **more)
    elif kind == "qwen2":
        config = transformers.Qwen2Config(**common, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=256, **more)
    elif kind == "opt":
        config = transformers.OPTConfig(
            vocab_size=97, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, ffn_dim=48, max_position_embeddings=256, word_embed_proj_dim=32, init_std=0.3
        )
    elif kind == "gpt-neo":
        config = transformers.GPTNeoConfig(
            vocab_size=97, hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=70, initializer_range=0.3
        )
    elif kind == "cohere":
        config = transformers.CohereConfig(**common, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=256, logit_scale=0.25)
    elif kind == "bloom":
        config = transformers.BloomConfig(vocab_size=97, hidden_size=32, n_layer=3, n_head=4, initializer_range=0.3)
    elif kind == "mistral":
        config = transformers.MistralConfig(**common, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=256, **more)
    else:
        config = transformers.LlamaConfig(**common, intermediate_size=48, num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False)
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager" if kind in {"gemma2", "bloom", "gpt-neo"} else "sdpa").eval()


def plain_scores(model, requests: list[Request]) -> list[list[float]]:
    found = []
    with torch.inference_mode():
        for request in requests:
            logs = model(torch.tensor([request.inputs]), use_cache=False).logits[0, -len(request.targets) :].log_softmax(-1)
            found.append([float(logs[i, t]) for i, t in enumerate(request.targets)])
    return found


def random_requests(seed: int, trunk: int, prompts: int, longest: int) -> list[Request]:
    """Prompts over one trunk, some nested in others, with options of 1 to 4 tokens that share their starts."""
    draw = random.Random(seed)
    shared = [draw.randrange(97) for _ in range(trunk)]
    heads = [[*shared, *(draw.randrange(97) for _ in range(draw.randrange(1, longest)))] for _ in range(prompts)]
    heads += [heads[0][: trunk + 1], heads[0], [*heads[0], 5]]
    made = []
    for head in heads:
        for option in ([1], [1, 2], [1, 2, 3], [4], [draw.randrange(97) for _ in range(4)]):
            tokens = (*head, *option)
            made.append(Request(tokens[:-1], tuple(option)))
    draw.shuffle(made)
    return made


def worst(a: list[list[float]], b: list[list[float]]) -> float:
    return max(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True))


FAMILIES = {
    "llama": ("llama", {}),
    "gpt2": ("gpt2", {}),
    "opt": ("opt", {}),
    "cohere": ("cohere", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral, narrow": ("mistral", {"sliding_window": 24}),
    "mistral, wide": ("mistral", {"sliding_window": 110}),
    "gemma 2": ("gemma2", {}),
    "gemma 2, narrow": ("gemma2", {"sliding_window": 20}),
    "gemma 3, narrow": ("gemma3", {"sliding_window": 20, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}),
    "qwen 2, half narrow": ("qwen2", {"use_sliding_window": True, "sliding_window": 30, "max_window_layers": 1}),
    "qwen 2": ("qwen2", {}),
}
"""Rotary and learned positions, grouped queries, tied and untied embeddings, soft caps, scaled logits, windows in all layers or some."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("most", [32, 512])
def test_packed_scores_equal_plain_passes(family: str, most: int) -> None:
    kind, more = FAMILIES[family]
    model = tiny(kind, **more)
    scorer = Scorer(model)
    scorer.room = replace(scorer.room, most=most)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed, trunk, longest in [(0, 100, 20), (1, 0, 60), (2, 5, 9), (3, 100, 90), (4, 60, 3)]:
            requests = random_requests(seed, trunk, prompts=7, longest=longest)
            assert worst(scorer.score(requests), plain_scores(model, requests)) < 1e-4


def test_every_shared_token_is_computed_once() -> None:
    scorer = Scorer(tiny("llama"))
    requests = random_requests(0, trunk=100, prompts=8, longest=10)
    tree = Tree()
    for request in requests:
        tree.add(request.inputs)
    scorer.score(requests)
    assert scorer.network.computed == len(tree)


def test_the_trunk_is_kept_for_the_next_call() -> None:
    scorer = Scorer(tiny("llama"))
    one, two = (random_requests(0, 120, 3, 12)[:4] for _ in range(2))
    model, before = scorer.network.model, scorer.score(one)
    spent = scorer.network.computed
    assert worst(scorer.score(two), before) < 1e-5
    assert scorer.network.computed - spent < 60
    for request in random_requests(0, 120, 3, 12):
        assert worst(scorer.score([request]), plain_scores(model, [request])) < 1e-4


@pytest.mark.parametrize("kind", ["bloom", "gpt-neo"])
def test_a_network_that_cannot_be_packed_is_scored_plainly_and_says_so_once(kind: str) -> None:
    """Bloom has positions in its masks, GPT-Neo windows over the cache."""
    model = tiny(kind)
    scorer, requests = Scorer(model), random_requests(0, 90, 3, 9)
    with pytest.warns(UserWarning, match="one text at a time"):
        found = scorer.score(requests)
    assert worst(found, plain_scores(model, requests)) < 1e-4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scorer.score(requests)


def test_the_probe_narrows_windows_and_widens_them_again() -> None:
    model = tiny("gemma2", sliding_window=200)
    scorer = Scorer(model)
    assert scorer.trusts()
    assert model.config.sliding_window == 200


def test_half_precision_gives_the_same_within_its_rounding() -> None:
    model = tiny("llama").to(torch.bfloat16)
    requests = random_requests(0, 100, 5, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert worst(Scorer(model).score(requests), plain_scores(model, requests)) < 0.25


def test_a_memory_budget_makes_passes_smaller_and_is_refused_when_nothing_fits() -> None:
    model = tiny("llama")
    roomy, requests = Scorer(model), random_requests(0, 100, 6, 40)
    sizes: list[int] = []
    tight = Scorer(model, memory_bytes=roomy.room.needs(160, 64))
    inner = tight.network.push
    tight.network.push = lambda tokens, *rest: (sizes.append(len(tokens)), inner(tokens, *rest))[1]  # type: ignore[method-assign]
    assert worst(tight.score(requests), roomy.score(requests)) < 1e-4
    assert max(sizes) <= 128
    with pytest.raises(ModelError, match="FIELDGUIDE_MEMORY"):
        Scorer(model, memory_bytes=1000).score(requests)


def test_an_interrupted_pass_leaves_no_broken_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    scorer, requests = Scorer(model), random_requests(0, 100, 4, 9)
    scorer.score(requests[:1])
    layer = model.base_model.layers[1]
    with monkeypatch.context() as patch:
        patch.setattr(layer, "forward", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            scorer.score(random_requests(1, 100, 4, 9))
    assert worst(scorer.score(requests), plain_scores(model, requests)) < 1e-4


def test_tree_and_common_prefix() -> None:
    tree = Tree()
    assert tree.add([1, 2, 3]) == [0, 1, 2]
    assert tree.add([1, 2, 4]) == [0, 1, 3]
    assert tree.sight().sum(1).tolist() == [1, 2, 3, 3]
    tree.cut(2)
    assert tree.add([1, 2, 9]) == [0, 1, 2]
    assert common_prefix([(1, 2, 3), (1, 2), (1, 2, 4)]) == (1, 2)


def greedy(model, prompt: tuple[int, ...], count: int) -> list[int]:
    """What the model itself writes, one whole pass a token."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(int(model(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
    return tokens[len(prompt) :]


def decoder(model, memory_bytes: int | None = None) -> Decoder:
    scorer = Scorer(model, memory_bytes=memory_bytes)
    return Decoder(scorer.network, scorer.room, scorer.memory_bytes)


def random_prompts(trunk: int, count: int, longest: int, seed: int = 0) -> list[tuple[int, ...]]:
    draw = random.Random(seed)
    shared = [draw.randrange(97) for _ in range(trunk)]
    made = [(*shared, *(draw.randrange(97) for _ in range(draw.randrange(1, longest)))) for _ in range(count)]
    return [*made, made[0], (*made[0], 7)]


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt", "mistral, narrow", "gemma 2, narrow"])
def test_greedy_continuations_equal_plain_passes_while_prompts_enter_and_leave(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "ROWS", 4)
    kind, more = FAMILIES[family]
    model = tiny(kind, **more)
    for trunk, most in ((30, 512), (0, 32)):
        prompts = random_prompts(trunk, 9, 60)
        own = decoder(model)
        own.room = replace(own.room, most=most)
        samples = [Sample(i, None) for i in range(len(prompts))]
        own.run(prompts, samples, Limits(12, frozenset({3, 4, 5, 6})))
        for sample in samples:
            told = greedy(model, prompts[sample.prompt], 12)
            end = next((k + 1 for k, token in enumerate(told) if token in {3, 4, 5, 6}), 12)
            assert sample.tokens == told[:end]
            assert sample.ended == (told[end - 1] in {3, 4, 5, 6})
            whole = (*prompts[sample.prompt], *sample.tokens)
            parts = plain_scores(model, [Request(whole[:-1], tuple(sample.tokens))])[0]
            assert abs(sum(parts) - sample.logprob) < 1e-3


def test_samples_of_a_prompt_share_its_slots_and_follow_the_distribution() -> None:
    model = tiny("llama")
    prompt = random_prompts(50, 1, 9)[0]
    own = decoder(model)
    samples = [Sample(0, seed) for seed in range(1500)]
    own.run([prompt], samples, Limits(1, frozenset(), temperature=0.7))
    assert own.network.computed < len(prompt) + 1500 / decode.ROWS * 10
    wanted = torch.softmax(model(torch.tensor([prompt])).logits[0, -1] / 0.7, dim=-1)
    seen = torch.bincount(torch.tensor([s.tokens[0] for s in samples]), minlength=97) / 1500
    assert float((seen - wanted).detach().abs().max()) < 0.05
    alone = [Sample(0, seed) for seed in range(3)]
    decoder(model).run([prompt], alone, Limits(9, frozenset(), temperature=1.0))
    among = [Sample(0, 2), Sample(1, 9), Sample(0, 0), Sample(0, 1)]
    decoder(model).run([prompt, prompt[:20]], among, Limits(9, frozenset(), temperature=1.0))
    assert [among[2].tokens, among[3].tokens, among[0].tokens] == [s.tokens for s in alone]


def test_generation_keeps_to_a_memory_budget_and_leaves_the_trunk_for_scoring() -> None:
    model = tiny("llama")
    scorer = Scorer(model)
    prompts = random_prompts(60, 12, 60)
    sizes: list[int] = []
    tight = decoder(model, memory_bytes=scorer.room.needs(200, 32))
    inner = tight.network.push
    tight.network.push = lambda tokens, *rest: (sizes.append(tight.network.slots + len(tokens)), inner(tokens, *rest))[1]  # type: ignore[method-assign]
    samples = [Sample(i, None) for i in range(len(prompts))]
    tight.run(prompts, samples, Limits(8, frozenset()))
    assert [s.tokens for s in samples] == [greedy(model, p, 8) for p in prompts]
    assert max(sizes) < sum(map(len, prompts))
    assert tight.network.slots == len(tight.network.trunk) >= 60
    with pytest.raises(ModelError, match="FIELDGUIDE_MEMORY"):
        decoder(model, memory_bytes=1000).run(prompts, samples, Limits(8, frozenset()))


def test_an_interrupted_continuation_leaves_nothing_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prompts = tiny("llama"), random_prompts(20, 4, 30)
    own = decoder(model)
    with monkeypatch.context() as patch:
        patch.setattr(model.base_model.layers[2], "forward", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            own.run(prompts, [Sample(0, None)], Limits(8, frozenset()))
    again = [Sample(i, None) for i in range(len(prompts))]
    own.run(prompts, again, Limits(5, frozenset()))
    assert [s.tokens for s in again] == [greedy(model, p, 5) for p in prompts]


def test_packed_layers_give_what_the_layers_give_and_leave_no_trace() -> None:
    model = tiny("llama")
    packed = PackedLinears.of(model)
    x = torch.randn(5, 32)
    layer = model.base_model.layers[0].mlp.gate_proj
    with torch.inference_mode():
        own = layer(x)
        with packed.in_use():
            assert "forward" in layer.__dict__
            assert torch.allclose(layer(x), own, atol=1e-5)
    assert "forward" not in layer.__dict__


def test_layers_are_left_alone_where_packing_fails_or_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    monkeypatch.setattr(kernels, "_free_memory", lambda: 1000.0)
    assert not PackedLinears.of(model)._forwards
    monkeypatch.undo()
    monkeypatch.setattr(kernels, "_packed", lambda layer: lambda x: layer.weight.new_zeros(len(x), layer.out_features))
    assert not PackedLinears.of(model)._forwards
    assert not PackedLinears.of(tiny("llama").to(torch.bfloat16))._forwards
