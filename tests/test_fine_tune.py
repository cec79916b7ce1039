"""Fine-tuning small random encoders of several kinds, made on the spot: no weights are needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.tuning.training import buckets, hold_out
from fieldguide.tasks.task import Role
from fieldguide.testing import larger_toy_task, toy_pair_spec, toy_pair_task, toy_pairs

SIZES = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 66},
}


def tiny_encoder(architecture: str, words: Iterable[str], folder: Path, *, pieces: bool = False) -> str:
    """The reference of an encoder with one layer and a vocabulary of these words; with `pieces`, of their letters too, so that any word can be read."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    known = sorted(set(words) | ({piece for word in words for letter in word for piece in (letter, f"##{letter}")} if pieces else set()))
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known])}
    raw = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]") if pieces else models.WordLevel(vocabulary, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=False) if pieces else None  # it leaves control characters out
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=64, **special)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(architecture, vocab_size=len(vocabulary), pad_token_id=0, **SIZES[architecture])
        model = AutoModel.from_config(config)
    model.config.architectures = [type(model).__name__]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"hf:{folder}"


@pytest.fixture(scope="module", params=sorted(SIZES))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An encoder of toy words."""
    rows = [*larger_toy_task()[Role.TRAIN], *toy_pairs(60)]
    words = {w for row in rows for text in row.inputs.values() for w in text.replace(",", " ").split()}
    return tiny_encoder(request.param, words, tmp_path_factory.mktemp(request.param))


PARAMS = {"learning_rate": 3e-3, "head_learning_rate": 1e-2, "steps": 90, "max_tokens": 64}


def test_any_encoder_learns_and_loads_alone(tiny: str, tmp_path: Path) -> None:
    task = larger_toy_task()
    approach = make("fine-tune", model=tiny, **PARAMS)
    told: list[float] = []
    solver = approach.fit(task.spec, task[Role.TRAIN], context=FitContext(seed=3, progress=lambda message, done: told.append(done)))
    rows = task[Role.CERTIFY]
    found = solver.predict([row.inputs for row in rows])
    assert np.mean([p.value == row.target for p, row in zip(found, rows, strict=True)]) > 0.7
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert solver.trainable_parameters > 1000
    loaded = Solver.load(solver.save(tmp_path / "solver"))
    again = loaded.predict([row.inputs for row in rows])
    assert [p.probabilities for p in again] == [p.probabilities for p in found]
    assert sum(p.usage.calls for p in again) == len(rows)


def test_pairs_are_read_as_two_segments(tiny: str) -> None:
    task = toy_pair_task()
    solver = make("fine-tune", model=tiny, **PARAMS).fit(toy_pair_spec(), task[Role.TRAIN])
    a, b = solver.predict([{"first": "we saw a cat", "second": "we saw a dog"}, {"first": "we saw a dog", "second": "we saw a cat"}])
    assert a.probabilities != b.probabilities


def test_held_out_rows_are_a_share_of_every_label_and_never_its_last_row() -> None:
    numbers = np.array([0] * 60 + [1] * 30 + [2] * 9 + [3])
    mask = hold_out(numbers, 0.2, seed=0)
    assert np.bincount(numbers[mask], minlength=4).tolist() == [12, 6, 2, 0]
    assert (hold_out(numbers, 0.2, seed=0) == mask).all()
    assert not (hold_out(numbers, 0.2, seed=1) == mask).all()
    assert not hold_out(np.arange(5), 0.2, seed=0).any()


def test_buckets_hold_every_row_once_in_batches_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=300)
    batches = buckets(np.arange(300), lengths, 16, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == list(range(300))
    assert np.mean([np.ptp(lengths[batch]) for batch in batches]) < 30


@pytest.mark.parametrize(("n_labels", "epochs"), [(8, 30), (64, 30), (400, 12), (1500, 3), (5000, 3)])
def test_few_labels_are_passed_more_often(n_labels: int, epochs: int) -> None:
    assert make("fine-tune").epochs(n_labels) == epochs  # type: ignore[attr-defined]
    assert make("fine-tune").calls(n_labels, 10, toy_pair_spec()) == n_labels * epochs + 10
