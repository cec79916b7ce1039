"""Encoder–decoders, as tiny random T5 and BART networks: the contract suite, scores and answers against plain passes, what is metered."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.approaches.approach import FitContext, make
from fieldguide.models import meter
from fieldguide.models.pool import ModelPool
from fieldguide.tasks.task import Role
from fieldguide.testing.check_model import check_model
from fieldguide.testing.toys import toy_task

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from fieldguide.models.encoder_decoder import EncoderDecoderModel  # noqa: E402
from fieldguide.models.engine import batches, seq2seq  # noqa: E402
from fieldguide.models.instrument import halves_of, size_of  # noqa: E402

TEXT = ["Fruit or tool? an apple a hammer Answer: fruit tool", "The capital of France is Paris.", "1 2 3 red blue cat dog yes no", "something else entirely"] * 3
PROMPTS = ["Is it a fruit? a pear\nAnswer:", "What is it? ", "", "1 2 3 " * 20, "red or blue", "naïve 🙂", "red or blue"]
OPTIONS = [[" fruit", " tool", " tool fruit", " tool of another kind"], [" cat", " dog"], ["yes", "no"], ["4"], [" red", " red red", "\n"], [" x"], [" blue", " red"]]
KINDS = ["t5", "t5-untied", "bart", "bart-cnn"]


def tokenizer_of(kind: str) -> Any:
    """Byte-level with a start token for BART; one that drops spaces, and has no start token, for T5."""
    specials = ["<pad>", "</s>", "<unk>"] if kind.startswith("t5") else ["<s>", "<pad>", "</s>", "<unk>"]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>", byte_fallback=False))
    if kind.startswith("t5"):
        made.normalizer = tokenizers.normalizers.Sequence([tokenizers.normalizers.Strip(), tokenizers.normalizers.Replace("\n", " ")])
        made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
        made.decoder = tokenizers.decoders.Metaspace()
        alphabet: list[str] = []
    else:
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXT, tokenizers.trainers.BpeTrainer(vocab_size=330, special_tokens=specials, initial_alphabet=alphabet, show_progress=False))
    ends = [(token, made.token_to_id(token)) for token in ("<s>", "</s>") if token in specials]
    frame = "$A </s>" if kind.startswith("t5") else "<s> $A </s>"
    made.post_processor = tokenizers.processors.TemplateProcessing(single=frame, special_tokens=ends)
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"} | ({} if kind.startswith("t5") else {"bos_token": "<s>"})
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=128, **named)


def network(kind: str, vocabulary: int) -> Any:
    torch.manual_seed(0)
    if kind.startswith("t5"):
        config = transformers.T5Config(
            vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_decoder_layers=3, num_heads=4, decoder_start_token_id=0,
            feed_forward_proj="relu" if kind == "t5" else "gated-gelu", tie_word_embeddings=kind == "t5",
        )
    else:
        config = transformers.BartConfig(
            vocab_size=vocabulary, d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=48, decoder_ffn_dim=48, encoder_attention_heads=4,
            decoder_attention_heads=4, max_position_embeddings=128, bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
            forced_eos_token_id=None, init_std=0.4,
        )
    module = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
    if kind == "t5-untied":  # as in T5 1.1 and FLAN-T5
        module.lm_head.weight = torch.nn.Parameter(torch.randn(vocabulary, 32))
    if kind == "bart-cnn":  # habits that a real model of this kind brings along
        module.generation_config = transformers.GenerationConfig(
            num_beams=4, min_length=20, no_repeat_ngram_size=3, length_penalty=2.0, early_stopping=True, forced_bos_token_id=0, forced_eos_token_id=2,
            bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, max_length=142,
        )
    return module


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for kind in KINDS:
        found[kind] = tmp_path_factory.mktemp("models") / kind
        tokenizer = tokenizer_of(kind)
        tokenizer.save_pretrained(found[kind])
        network(kind, len(tokenizer)).save_pretrained(found[kind])
    return found


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, EncoderDecoderModel]:
    pool = ModelPool()
    return {kind: pool.get(f"hf:{folder}") for kind, folder in folders.items()}  # type: ignore[misc]


def requests(model: EncoderDecoderModel, prompt: str, option: str) -> tuple[list[int], list[int]]:
    """Tokens by the rule itself, one pair at a time."""
    head = prompt.rstrip()
    context = model.tokenizer(head)["input_ids"] if head else [i for i in (model.tokenizer.bos_token_id, model.tokenizer.eos_token_id) if i is not None][:1]
    said = model.tokenizer(prompt[len(head) :] + option, add_special_tokens=False)["input_ids"] or [model.tokenizer.unk_token_id]
    return context[-128:], said


def plain_score(model: EncoderDecoderModel, prompt: str, option: str) -> list[float]:
    context, said = requests(model, prompt, option)
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([context]), labels=torch.tensor([said])).logits[0].log_softmax(-1)
    return [float(logits[k, token]) for k, token in enumerate(said)]


@pytest.mark.parametrize("kind", KINDS)
def test_contract(models: dict[str, EncoderDecoderModel], kind: str) -> None:
    facts = models[kind].facts
    assert (facts.type, facts.context, facts.can) == ("encoder-decoder", 128, {"score", "generate", "weights"})
    assert set(check_model(models[kind]).values()) == {"passed"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small", [False, True])
def test_scores_equal_plain_passes(models: dict[str, EncoderDecoderModel], kind: str, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair at a time and without a cache, as lm-evaluation-harness does it; in one batch, and in batches as small as they get."""
    if small:
        monkeypatch.setattr(batches, "BATCH_TOKENS", 10)
        for name, value in (("COPY_BYTES", 1), ("READ_ROWS", 2)):
            monkeypatch.setattr(seq2seq, name, value)
    model = models[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.score(PROMPTS, OPTIONS)
    expected = [[plain_score(model, p, o) for o in own] for p, own in zip(PROMPTS, OPTIONS, strict=True)]
    for row, own in zip(found.tokens, expected, strict=True):
        for parts, plain in zip(row, own, strict=True):
            assert parts == pytest.approx(plain, abs=1e-4)
    assert model._scorer.trusts()
    assert max(len(parts) for row in found.tokens for parts in row) >= 4


def test_truncation_keeps_the_end_of_a_prompt(models: dict[str, EncoderDecoderModel]) -> None:
    model, long = models["t5"], "cat dog red " * 200 + "an apple"
    assert len(requests(model, long, " fruit")[0]) == 128
    assert model.score([long], [[" fruit"]]).tokens[0][0] == pytest.approx(plain_score(model, long, " fruit"), abs=1e-4)
    assert model.score([long], [[" fruit"]]) != model.score(["an apple"], [[" fruit"]])


def test_a_prompt_is_encoded_once_and_options_share_what_they_begin_with(models: dict[str, EncoderDecoderModel]) -> None:
    model = models["t5"]
    model.score(["warm"], [["up"]])
    prompts, options = ["red or blue", "red or blue", "cat"], [[" red", " red cat", " red cat dog"], [" blue", " red"], [" red"]]
    tokens = [[requests(model, p, o) for o in own] for p, own in zip(prompts, options, strict=True)]
    scorer = model._scorer
    before = scorer.encoded, scorer.decoded, scorer.projected
    with meter.metering() as total:
        model.score(prompts, options)
    encoded, decoded, projected = (after - earlier for after, earlier in zip((scorer.encoded, scorer.decoded, scorer.projected), before, strict=True))
    assert encoded == len(tokens[0][0][0]) + len(tokens[2][0][0])
    paths = {(tuple(context), tuple(said[:k])) for own in tokens for context, said in own for k in range(len(said))}
    assert projected == len(paths), "one projection for each prompt and beginning"
    assert 2 + len(tokens[0][2][1]) - 1 <= decoded <= len(paths)
    sent = sum(len(own[0][0]) + sum(len(said) for _, said in own) for own in tokens)
    assert (total.usage.prompt_tokens, total.usage.cached_tokens) == (sent, sent - encoded - decoded)
    halves = halves_of(model.module)
    assert total.usage.forward_flops == 2 * (halves.encoder * encoded + halves.decoder * decoded + size_of(model.module).head * projected)


def test_options_that_cannot_share_a_cache_are_decoded_from_the_start(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that mixes up its cache is found out before the first score, and says so once."""
    selected = seq2seq._selected
    for fault in ("wrong", "fails"):
        model: Any = ModelPool().get(f"hf:{folders['t5']}")

        def faulty(cache: Any, index: Any, fault: str = fault) -> Any:
            if fault == "fails":
                raise AttributeError("no layers")
            return selected(cache, index.flip(0))

        monkeypatch.setattr(seq2seq, "_selected", faulty)
        with pytest.warns(UserWarning, match="decoded from the start"):
            found = model.score(PROMPTS, OPTIONS)
        for p, own, row in zip(PROMPTS, OPTIONS, found.tokens, strict=True):
            for o, parts in zip(own, row, strict=True):
                assert parts == pytest.approx(plain_score(model, p, o), abs=1e-4)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.score(PROMPTS, OPTIONS)
        monkeypatch.undo()


# Writing.


def plain_greedy(model: EncoderDecoderModel, prompt: str, most: int) -> tuple[list[int], float]:
    """Arg-max by whole passes, one token at a time."""
    context = requests(model, prompt + ".", "x")[0] if prompt else requests(model, "", "x")[0]
    context = model.tokenizer(prompt)["input_ids"][-128:] if prompt else context
    written, logprob = [model._scorer.start], 0.0
    forced = model.module.generation_config.forced_bos_token_id
    with torch.inference_mode():
        for step in range(most):
            logits = model.module(input_ids=torch.tensor([context]), decoder_input_ids=torch.tensor([written])).logits[0, -1].log_softmax(-1)
            token = forced if forced is not None and step == 0 else int(logits.argmax())
            logprob += 0.0 if forced is not None and step == 0 else float(logits[token])
            written.append(token)
            if token == model.tokenizer.eos_token_id:
                break
    return written[1:], logprob


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_answers_equal_plain_passes(models: dict[str, EncoderDecoderModel], kind: str) -> None:
    """Whatever beams, length penalties or forced ends the model brings along."""
    model = models[kind]
    for prompt, [one] in zip(PROMPTS, model.generate(PROMPTS, max_tokens=9), strict=True):
        tokens, logprob = plain_greedy(model, prompt, 9)
        ended = tokens[-1] == model.tokenizer.eos_token_id
        assert one.text == model.tokenizer.decode(tokens, skip_special_tokens=True)
        assert (one.tokens, one.finish) == (len(tokens), "stop" if ended else "length")
        assert one.logprob == pytest.approx(logprob, abs=1e-3)
    assert model.module.generation_config.num_beams == (4 if kind == "bart-cnn" else None) or kind != "bart-cnn"


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_sample_depends_on_its_prompt_seed_and_number_alone(models: dict[str, EncoderDecoderModel], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fieldguide.models import encoder_decoder

    model = models[kind]
    how: dict[str, Any] = {"max_tokens": 7, "temperature": 1.0, "seed": 3}
    whole = model.generate(PROMPTS, n=4, **how)
    texts = [[g.text for g in row] for row in whole]

    def same(found: list[list[Any]], expected: list[list[Any]]) -> bool:
        pairs = [pair for rows in zip(found, expected, strict=True) for pair in zip(*rows, strict=True)]
        return all((a.text, a.tokens, a.finish) == (b.text, b.tokens, b.finish) and abs(a.logprob - b.logprob) < 1e-4 for a, b in pairs)

    assert same(model.generate(PROMPTS[::-1], n=4, **how)[::-1], whole)
    assert same(model.generate(PROMPTS, n=2, **how), [row[:2] for row in whole])
    monkeypatch.setattr(encoder_decoder, "ROWS", 3)
    assert same([model.generate([p], n=4, **how)[0] for p in PROMPTS], whole)
    assert texts[4] == texts[6], "equal prompts get equal samples"
    assert len(set(texts[0])) > 1
    state = torch.random.get_rng_state()
    model.generate(PROMPTS[:1], n=2, **how)
    assert torch.equal(state, torch.random.get_rng_state()), "the caller's random numbers are left alone"


def test_samples_follow_the_distribution(models: dict[str, EncoderDecoderModel]) -> None:
    model, prompt, n, warmth = models["t5-untied"], "red or blue", 1500, 1.5
    context, _ = requests(model, prompt, "x")
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([context]), decoder_input_ids=torch.tensor([[model._scorer.start]])).logits[0, -1]
    expected = (logits / warmth).softmax(-1).numpy()
    found = model.generate([prompt], max_tokens=1, n=n, temperature=warmth, seed=0)[0]
    top = expected.argsort()[-6:]
    plain = logits.log_softmax(-1).numpy()
    drawn = np.array([np.abs(plain - g.logprob).argmin() for g in found])  # the token, told by its log-probability
    counts = np.array([(drawn == token).mean() for token in top])
    assert np.abs(counts - expected[top]).max() < 4 * np.sqrt(expected[top].max() / n)
    assert expected[top].max() > 0.05


def test_stop_strings_cut_text_tokens_and_log_probability(models: dict[str, EncoderDecoderModel]) -> None:
    model, cut_short = models["t5-untied"], 0
    for prompt, [whole] in zip(PROMPTS, model.generate(PROMPTS, max_tokens=12), strict=True):
        letters = [c for i, c in enumerate(whole.text) if i > 1 and c.strip() and c not in whole.text[:i]]
        if not letters:
            continue
        [[cut]] = model.generate([prompt], max_tokens=12, stop=["not there", letters[0]])
        assert (cut.text, cut.finish) == (whole.text[: whole.text.index(letters[0])], "stop")
        assert cut.tokens <= whole.tokens
        assert cut.tokens == whole.tokens or whole.logprob < cut.logprob < 0
        cut_short += cut.tokens < whole.tokens
    assert cut_short


def test_what_is_written_is_metered(models: dict[str, EncoderDecoderModel]) -> None:
    model = models["t5"]
    halves, head = halves_of(model.module), size_of(model.module).head
    prompts = ["red or blue", "cat", "red or blue"]
    lengths = [len(model.tokenizer(p)["input_ids"]) for p in prompts]
    with meter.metering() as total:
        rows = model.generate(prompts, max_tokens=4)
    written = sum(rows[i][0].tokens for i in (0, 1))
    assert total.usage.prompt_tokens == sum(lengths)
    assert total.usage.cached_tokens == lengths[2], "equal prompts are asked once"
    assert total.usage.completion_tokens == written + rows[2][0].tokens
    assert total.usage.forward_flops == 2 * (halves.encoder * sum(lengths[:2]) + (halves.decoder + head) * written)
    with meter.metering() as total:
        rows = model.generate(prompts[:1], max_tokens=4, n=3, temperature=1.0)
    written = sum(g.tokens for g in rows[0])
    assert total.usage.prompt_tokens == lengths[0]
    repeated = halves.across * 2 * lengths[0]
    assert total.usage.forward_flops == 2 * (halves.encoder * lengths[0] + repeated + (halves.decoder + head) * written)


# Weights.


@pytest.mark.parametrize("kind", ["t5", "t5-untied", "bart"])
def test_sizes_count_shared_embeddings_once(models: dict[str, EncoderDecoderModel], kind: str) -> None:
    module = models[kind].module
    size, halves = size_of(module), halves_of(module)
    width, vocabulary = 32, module.config.vocab_size
    assert size.total == sum(p.numel() for p in module.parameters())
    assert size.head == width * vocabulary
    tables = {id(m.weight): m.weight.numel() for m in module.modules() if isinstance(m, torch.nn.Embedding)}
    assert size.body == size.total - sum(tables.values()) - (size.head if kind == "t5-untied" else 0)
    assert halves.encoder + halves.decoder == size.body
    inner = 2 * 3 * 32 * 32 if kind.startswith("t5") else 2 * 2 * (32 * 32 + 32)
    assert halves.across == inner, "keys and values of the decoder's layers"


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_training_counts_encoder_and_decoder_tokens(models: dict[str, EncoderDecoderModel], kind: str) -> None:
    model = models[kind]
    lent = model.weights().train()
    batch = model.tokenizer(["red or blue", "cat"], padding=True, return_tensors="pt", return_token_type_ids=False)
    labels = torch.tensor([[5, 6, 7], [8, -100, -100]])
    halves, head = halves_of(model.module), size_of(model.module).head
    real = int(batch["attention_mask"].sum())
    with meter.metering() as total:
        lent(**batch, labels=labels).loss.backward()
    assert (total.usage.calls, total.usage.prompt_tokens) == (2, real + 4)
    assert total.usage.forward_flops == 2 * (halves.encoder * real + (halves.decoder + head) * 4)
    assert total.usage.backward_flops == 2 * total.usage.forward_flops
    starts = torch.tensor([[3, 4, 1], [3, 1, 1]])
    with meter.metering() as total, torch.inference_mode():
        lent.eval()(**batch, decoder_input_ids=starts, decoder_attention_mask=torch.tensor([[1, 1, 0], [1, 0, 0]]))
        hidden = lent.get_encoder()(batch["input_ids"], attention_mask=batch["attention_mask"])
        lent(encoder_outputs=hidden, attention_mask=batch["attention_mask"], decoder_input_ids=starts)
    assert total.usage.calls == 4
    assert total.usage.prompt_tokens == real + 3 + 6, "encoder outputs that were given are not computed again"


# In approaches and references.


def roomy(model: EncoderDecoderModel) -> EncoderDecoderModel:
    """The same network, said to read longer prompts than its toy tokeniser's bytes leave room for."""
    found = copy.copy(model)
    found.facts = replace(model.facts, context=100_000)
    return found


@pytest.mark.parametrize("name", ["prompt-zero-shot", "prompt-few-shot"])
def test_prompting_runs_on_it(models: dict[str, EncoderDecoderModel], folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    reference = f"hf:{folders['t5']}"
    approach, task = make(name, model=reference), toy_task()
    pool = ModelPool({reference: roomy(models["t5"])})
    solver = approach.fit(task.spec, task[Role.TRAIN], context=FitContext(seed=0, workdir=tmp_path, models=pool))
    found = solver.predict([row.inputs for row in task[Role.CERTIFY]])
    assert all(p.value in task.spec.labels and p.probabilities and abs(sum(p.probabilities.values()) - 1) < 1e-6 for p in found)


def test_tuning_an_encoder_is_not_offered_to_it(models: dict[str, EncoderDecoderModel], folders: dict[str, Path]) -> None:
    from fieldguide.study.settings import Settings
    from fieldguide.study.setup import chosen_approaches

    reference = f"hf:{folders['t5']}"
    names: Sequence[str] = ("fine-tune", "prompt-zero-shot", "linear-probe")
    chosen = chosen_approaches(Settings(data=Path("toy"), approaches=names, models=(reference,)), ModelPool({reference: models["t5"]}))
    assert {a.name: getattr(a, "model", "") == reference for a in chosen} == {"fine-tune": False, "prompt-zero-shot": True, "linear-probe": False}


def test_identity_is_told_without_loading_and_changes_with_the_weights(folders: dict[str, Path], models: dict[str, EncoderDecoderModel]) -> None:
    identities = {kind: ModelPool().identity(f"hf:{folder}") for kind, folder in folders.items()}
    assert len(set(identities.values())) == len(KINDS)
    assert all(models[kind].facts.identity == identity for kind, identity in identities.items())


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_scores_equal_those_of_lm_evaluation_harness(models: dict[str, EncoderDecoderModel], kind: str) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed; install the extra lm-eval")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = models[kind]
    harness = HFLM(pretrained=model.module, tokenizer=model.tokenizer, backend="seq2seq", max_length=128, batch_size=4)
    pairs = [(p, o) for p, own in zip(PROMPTS, OPTIONS, strict=True) for o in own if o.strip()]
    asked = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(pairs)]
    expected = [total for total, _ in harness.loglikelihood(asked, disable_tqdm=True)]
    found = [model.score([p], [[o]]).totals[0][0] for p, o in pairs]
    assert found == pytest.approx(expected, abs=1e-4)
