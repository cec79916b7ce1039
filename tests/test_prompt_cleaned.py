"""A cleaner before a specialist: which rewritings are kept, which columns are touched, what training and serving see, requests that are split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.cleaned import CleanedSolver, texts_of
from fieldguide.approaches.prompting.cleaning import EXAMPLES, INSTRUCTIONS, against, asked, cleaner, parted, rewritten, room, shared
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation
from fieldguide.models.pool import ModelPool
from fieldguide.records import Inputs, Row, Usage
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import toy_form_task

TOPIC = TaskSpec("topic", "classification", ("text",), "topic", ("animals", "food"))
BOTH = TaskSpec("both", "multi-label", ("text",), "topics", ("animals", "food"), metric="micro_f1")
TOLD = [("the cat and the dog", "animals"), ("bread and cheese", "food"), ("a dog and a cat", "animals"), ("cheese on bread", "food")]
TRAIN = [Row(f"t:{i}", {"text": text}, topic) for i, (text, topic) in enumerate(TOLD * 3)]


class Cleaner(FakeModel):
    """Writes what `says` has for the last text of a prompt, else the text itself; keeps what it was asked."""

    def __init__(self, says: dict[str, str] | None = None, **facts: Any) -> None:
        super().__init__()
        self.says, self.facts = says or {}, replace(self.facts, **facts)
        self.asked: list[str] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += prompts
        texts = [prompt.rsplit("Text: ", 1)[1].rsplit("\n", 1)[0] for prompt in prompts]
        return [[Generation(f" {self.says.get(text, text)}", 1, "refused" if text == "bomb" else "stop")] for text in texts], Usage()


def fitted(model: FakeModel, spec: TaskSpec, train: Sequence[Row] = TRAIN, **params: Any) -> CleanedSolver:
    context = FitContext(models=ModelPool({"fake:": model}))
    solver = make("prompt-cleaned", model="fake:", **params).fit(spec, train, context=context)
    assert isinstance(solver, CleanedSolver)
    return solver


def test_which_rewritings_are_kept() -> None:
    def why(text: str, said: str, finish: str = "stop") -> str:
        return against(text, said, Generation(said, 1, finish))

    assert why("teh cat sat on teh mat", "The cat sat on the mat.") == ""
    assert why("i wnat my mony bakc", "I want my money back.") == ""
    assert why("the cat sat on the mat", "Stock markets fell by much in June.") == "shares too little"
    assert why("the cat sat on the mat", "I'm sorry, but I can't help with that cat.") == "refused"
    assert why("Sorry, I can not log in to this", "Sorry, I cannot log in to this.") == "", "a text may begin like a refusal itself"
    assert why("i cant log in to this", "I can't log in to this.") == "", "and so may what it should have said"
    assert why("the cat sat on the mat and slept", "the cat") == "far shorter"
    assert why("the cat", "", "stop") == why("the cat", " -- ") == "empty"
    assert why("the cat", "", "refused") == "refused"
    assert why("the cat", "the cat " * 5) == why("the cat", "the cat", "length") == "far longer"
    assert why("pay 100 now", "Pay 1000 now.") == why("pay 100 now", "Pay now.") == why("pay now", "Pay 100 now.") == "other numbers"
    assert shared("abcd", "abcd") == 1.0
    assert shared("abcd", "ABxx") == 1 / 4, "of ' ab', 'abc', 'bcd', 'cd ' the first"
    assert shared("abcd", "ab") == 1 / 2, "of ' ab' and 'ab ' the first"


def test_what_is_read_of_what_was_written() -> None:
    assert rewritten("teh cat", Generation("\n The cat \nText: more", 1, "stop")).after == "The cat"
    same = rewritten("the  cat\nsat", Generation(" the cat sat", 1, "stop"))
    assert (same.after, same.how) == ("the  cat\nsat", "unchanged")
    two = parted("buy bread, and feed the cat", Generation("\n- buy bread\n2. feed the cat\n", 1, "stop"), 4)
    assert (two.parts, two.how) == (("buy bread", "feed the cat"), "rewritten")
    assert parted("buy bread", Generation("\n- buy bread\n- buy bread", 1, "stop"), 4).parts == ()
    strange = parted("buy bread, and feed the cat", Generation("\n- buy bread, and feed the cat\n- who won?", 1, "stop"), 4)
    assert (strange.parts, strange.how) == ((), "shares too little")
    assert parted("buy bread, milk, eggs", Generation("- bread\n- milk\n- eggs", 1, "stop"), 2).how == "unchanged", "more parts than are told apart"
    assert [room(tokens, 1) for tokens in (1, 8, 9, 30)] == [16, 16, 32, 64]


def test_training_and_served_rows_are_cleaned_alike() -> None:
    says = {"the cat and the dog": "The cats and the dogs", "teh cat": "the cat", "a dog and a cat": "Nothing of this kind", "cheese": ""}
    model = Cleaner(says)
    solver = fitted(model, TOPIC)
    assert solver.training == {"rewritten": 3, "shares too little": 3, "unchanged": 6}
    assert solver.fit_usage.calls == 4, "a text that comes again is asked once"
    assert len(solver.solver.vectorisers["word"].vocabulary_) > 0
    assert "cats" in solver.solver.vectorisers["word"].vocabulary_
    assert solver.cleaned(["teh cat", "cheese", " ", "bomb"]) == [{"text": text} for text in ("the cat", "cheese", " ", "bomb")]
    assert [own["text"].how for own in solver.cleanings(["teh cat", "cheese", " ", "bomb"])] == ["rewritten", "empty", "unchanged", "refused"]
    first, second = solver.predict(["teh cat", "bread"])
    assert (first.value, first.text, second.value, second.text) == ("animals", "the cat", "food", None)
    raw = fitted(model, TOPIC, clean_training=False)
    assert (raw.training, raw.fit_usage.calls) == ({}, 0)
    assert "cats" not in raw.solver.vectorisers["word"].vocabulary_
    assert first.probabilities is not None
    assert first.probabilities != raw.predict(["teh cat"])[0].probabilities


@pytest.mark.parametrize("way", sorted(INSTRUCTIONS))
def test_the_literal_prompts(way: str) -> None:
    model = Cleaner()
    solver = fitted(model, TOPIC, way=way)
    model.asked.clear()
    rows: list[Inputs] = [{"text": "teh\n\n cat"}]
    solver.predict(rows)
    assert model.asked == solver.prompts(rows)
    (prompt,) = model.asked
    assert prompt.startswith(INSTRUCTIONS[way])
    assert prompt.split("\n\n")[-1].startswith("Text: teh cat\n")
    assert prompt.count("\n\n") == 1 + len(EXAMPLES[way])
    for text, said in EXAMPLES[way]:
        assert against(text, " ".join(said.split("\n- ")), Generation(said, 1, "stop")) == "", "examples keep the rules themselves"


def test_only_texts_that_no_answer_points_into_are_touched() -> None:
    columns = {"multiple-choice": ["question"], "ranking": ["query"], "preference": ["prompt"], "pair-classification": ["first", "second"]}
    for kind, own in columns.items():
        task = toy_form_task(kind)
        assert texts_of(task.spec) == own
        solver = fitted(Cleaner(), task.spec, task[Role.TRAIN])
        row = task[Role.CERTIFY][0].inputs
        assert list(solver.cleanings([row])[0]) == own
        (cleaned,) = solver.cleaned([row])
        assert [cleaned[column] for column in row if column not in own] == [cell for column, cell in row.items() if column not in own]
    for kind in ("span-extraction", "tagging", "dependency-parsing"):
        why = make("prompt-cleaned").unsuited(toy_form_task(kind).spec)
        assert why is not None
        assert "A rewritten text is another text" in why
    assert "gives no text" in str(make("prompt-cleaned").unsuited(toy_form_task("summarisation").spec))
    pairs = toy_form_task("pair-classification").spec
    assert "Requests are split where a row is one text" in str(make("prompt-cleaned", way="split").unsuited(pairs))
    assert "nothing to clean" in str(make("prompt-cleaned").unsuited(TaskSpec("p", "preference", ("responses",), "preferred")))


SPLIT = {"cats and bread": "- cats\n- bread", "the dog, then maybe cheese": "- the dog\n- then maybe cheese", "cats and dogs": "- cats and dogs"}


def test_labels_of_requests_are_put_together_and_the_surest_label_is_given() -> None:
    train = [Row(row.id, row.inputs, [row.target]) for row in TRAIN]
    solver = fitted(Cleaner(SPLIT), BOTH, train, way="split")
    assert solver.fit_usage.calls == 0, "parts of training texts have no answers of their own"
    joined, one = solver.predict(["the dog, then maybe cheese", "a cat"])
    assert (joined.value, joined.text, one.value) == (["animals", "food"], "the dog\nthen maybe cheese", ["animals"])
    apart = solver.solver.predict(["the dog", "then maybe cheese"])
    assert joined.probabilities == {label: max(part.probabilities[label] for part in apart) for label in BOTH.labels}
    topic = fitted(Cleaner(SPLIT), TOPIC, way="split")
    (surest,) = topic.predict(["the dog, then maybe cheese"])
    parts = topic.solver.predict(["the dog", "then maybe cheese"])
    best = max(parts, key=lambda part: max(part.probabilities.values()))
    assert (surest.value, surest.probabilities) == (best.value, best.probabilities)
    with metering() as meter:
        topic.predict(["cats and dogs"])
    assert meter.usage.calls == 1
    probe = '{"name": "linear-probe", "params": {"model": "fake:1"}}'
    assert make("prompt-cleaned", way="split", solver=probe).calls(8, 10, TOPIC) == 10 + 8 + 4 * 10


def test_calls_count_the_specialists_too() -> None:
    approach = make("prompt-cleaned", model="fake:", solver=json.dumps({"name": "prompt-zero-shot", "params": {"model": "fake:"}}))
    assert approach.models() == ("fake:",)
    assert approach.label_counts((16, 64)) == (0,)
    assert approach.calls(0, 10, TOPIC) == 20
    assert make("prompt-cleaned").calls(64, 30, TOPIC) == 94
    assert make("prompt-cleaned", clean_training=False).calls(64, 30, toy_form_task("pair-classification").spec) == 60
    solver = approach.fit(TOPIC, TRAIN, context=FitContext(models=ModelPool({"fake:": Cleaner()})))
    assert solver.fit_usage.calls == 0, "a specialist that uses no labels needs no cleaned ones"


def test_texts_that_do_not_fit_are_left_and_batches_do_not_matter(tmp_path: Path) -> None:
    model = Cleaner({"teh cat": "the cat"}, context=200)
    pool = ModelPool({"fake:": model})
    solver = make("prompt-cleaned", model="fake:").fit(TOPIC, TRAIN, context=FitContext(models=pool))
    assert isinstance(solver, CleanedSolver)
    texts = ["cat " * 500, "teh cat", "bread"]
    assert [own["text"].how for own in solver.cleanings(texts)] == ["does not fit", "rewritten", "unchanged"]
    assert max(len(prompt.split()) for prompt in model.asked) < 200
    whole = solver.predict(texts)
    assert [p.probabilities for p in whole] == [solver.predict([text])[0].probabilities for text in texts]
    back = Solver.load(solver.save(tmp_path), pool)
    assert isinstance(back, CleanedSolver)
    assert [p.probabilities for p in back.predict(texts)] == [p.probabilities for p in whole]
    assert back.training == solver.training


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"way": "shout"}, "takes no way='shout'; give spelling, restate, split."),
        ({"parts": 1}, "takes no parts=1; give a whole number, at least 2."),
        ({"solver": "span-overlap"}, "It gives no label"),
    ],
)
def test_parameters_that_do_not_exist_are_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Cleaner(), TOPIC, **params)
    mute = Cleaner(can=frozenset({"score"}))
    with pytest.raises(ApproachError, match="cannot write, so it cannot clean"):
        fitted(mute, TOPIC)


def test_a_prompt_is_worked_examples_and_the_text() -> None:
    assert asked(cleaner("split"), "a  b").endswith("\n\nText: a b\nRequests:")
    assert "when the refund comes\nRequests:\n- please cancel my order\n- tell me" in asked(cleaner("split"), "x")
