"""Labels in plain words: names taken apart and spelt out, descriptions that a model writes, answers by name or by description, what fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.described import HEAD, DescribedSolver
from fieldguide.approaches.prompting.fit_text import TokenCounter
from fieldguide.approaches.prompting.label_words import distinct, expanded, one_line, spelt_out
from fieldguide.errors import ApproachError
from fieldguide.models.fake import FakeModel
from fieldguide.models.meter import metering
from fieldguide.models.model import Generation, Scores
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed, Usage
from fieldguide.tasks.task import Role, TaskSpec
from fieldguide.testing import check_approach, toy_form_task, toy_task

MEANT = {"card_arrival": "the card has not come,  or is late", "topUp": "putting money in"}
BANK = TaskSpec("bank", "classification", ("text",), "intent", ("card_arrival", "pin", "topUp"))
KNOWN = replace(BANK, descriptions=MEANT)
ROWS = [
    Row("c1", {"text": "Where is my card?"}, "card_arrival"),
    Row("c2", {"text": "It has still not come."}, "card_arrival"),
    Row("c3", {"text": "My new one is late"}, "card_arrival"),
    Row("t1", {"text": "How do I add money?"}, "topUp"),
]


class Scripted(FakeModel):
    """Writes what `says` gives for a prompt, scores by `score` of an option, and keeps what it was asked."""

    def __init__(self, says: Callable[[str], str] = lambda prompt: "", score: Callable[[str], float] = lambda option: -1.0, **facts: Any) -> None:
        super().__init__()
        self.says, self.by, self.facts = says, score, replace(self.facts, **facts)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.scored: list[tuple[str, tuple[str, ...]]] = []

    def _generate(self, prompts: Sequence[str], **how: Any) -> tuple[list[list[Generation]], Usage]:
        self.asked += [(prompt, how) for prompt in prompts]
        return [[Generation(self.says(prompt), 1, "stop")] for prompt in prompts], Usage()

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self.scored += [(p, tuple(own)) for p, own in zip(prompts, options, strict=True)]
        totals = tuple(tuple(map(self.by, own)) for own in options)
        return Scores(totals, tuple(tuple((t,) for t in own) for own in totals)), Usage()


def fitted(model: FakeModel, spec: TaskSpec = BANK, train: Sequence[Row] = (), **params: Any) -> DescribedSolver:
    found = make("prompt-described", model="fake:", **params).fit(spec, train, context=FitContext(models=ModelPool({"fake:": model})))
    assert isinstance(found, DescribedSolver)
    return found


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("card_arrival", "card arrival"), ("CardArrival", "card arrival"), ("getHTTPResponse", "get HTTP response"), ("HUM:desc", "HUM, desc"),
        ("rec.sport.hockey", "rec, sport, hockey"), ("Sci/Tech", "Sci, Tech"), ("reverted_card_payment?", "reverted card payment"), ("World", "World"),
        ("New York", "New York"), ("n/a", "n/a"), ("10:30", "10:30"), ("4.5", "4.5"), ("a-b", "a-b"), ("新闻", "新闻"), ("?", "?"), ("__x__", "x"),
    ],
)  # fmt: skip
def test_names_are_taken_apart(label: str, words: str) -> None:
    assert expanded(label) == words


def test_capitals_say_nothing_where_all_labels_have_them() -> None:
    assert expanded("HUM:desc", ["HUM:desc", "NUM"]) == "HUM, desc"
    assert expanded("VERY_GOOD", ["VERY_GOOD", "BAD"]) == "very good"


def test_what_is_cut_short_is_spelt_out_from_rows_of_the_label() -> None:
    names = {"NUM:temp": "NUM, temp", "NUM:count": "NUM, count", "LOC": "LOC", "exp": "exp"}
    rows = [
        (["NUM:temp"], {"what", "temperature", "number"}),
        (["NUM:temp"], {"temperature", "numbers"}),
        (["NUM:count"], {"number", "of", "count"}),
        (["LOC"], {"number", "of", "expert", "located"}),
        (["LOC"], {"local", "expert"}),
        (["exp"], {"expert", "expired", "exp"}),
    ]
    found = spelt_out(names, rows)
    assert found["NUM:temp"] == "number, temperature"
    assert found["NUM:count"] == "number, count", "a part that several labels have is looked up in the rows of all of them"
    assert found["LOC"] == "LOC", "one row is not enough"
    assert found["exp"] == "exp", "it is a word of the rows"
    others = [(["LOC"], {"located"}), (["LOC"], {"located"}), (["exp"], {"located"})]
    assert spelt_out({"LOC": "LOC", "exp": "exp"}, others)["LOC"] == "LOC", "it stands as often elsewhere"
    assert spelt_out({"card": "card"}, [(["card"], {"cards"}), (["card"], {"cards"})]) == {"card": "card"}, "a plural is no word cut short"


def test_descriptions_of_the_task_go_into_the_prompt() -> None:
    model = Scripted(score=lambda option: {" card arrival": -3.0, " pin": -2.0, " topUp": -1.0}[option])
    solver = fitted(model, KNOWN)
    assert solver.descriptions == {"card_arrival": "the card has not come, or is late", "pin": "pin", "topUp": "putting money in"}
    (prompt,) = solver.prompts([{"text": "hm"}])
    assert prompt == (
        "Give the label of each text. The labels are: - card arrival: the card has not come, or is late\n- pin\n- topUp: putting money in\n\nText: hm\nLabel:"
    )
    (answer,) = solver.predict(["hm"])
    assert answer.value == "topUp"
    assert model.scored == [(prompt, (" card arrival", " pin", " topUp"))]
    assert answer.probabilities["pin"] == pytest.approx(np.exp(-2) / np.exp([-3, -2, -1]).sum())  # type: ignore[index]


def test_without_descriptions_names_are_expanded() -> None:
    (prompt,) = fitted(Scripted(), BANK).prompts([{"text": "hm"}])
    assert prompt.startswith("Give the label of each text. The labels are: - card arrival\n- pin\n- topUp: top up\n\n")
    plain = replace(BANK, labels=("card_arrival", "pin"))
    zero = make("prompt-zero-shot", model="fake:").fit(plain, [])
    assert fitted(FakeModel(), plain).prompts([{"text": "hm"}]) == zero.prompts([{"text": "hm"}])  # type: ignore[attr-defined]


def test_answering_by_description_scores_its_bytes() -> None:
    totals = {" the card has not come, or is late": -6.0, " pin": -1.2, " putting money in": -4.0}
    model = Scripted(score=totals.__getitem__)
    (answer,) = fitted(model, KNOWN, answer_by="description").predict(["hm"])
    prompt, options = model.scored[0]
    assert prompt.startswith("Give the label of each text. The labels are: - the card has not come, or is late\n- pin\n- putting money in\n\n")
    assert options == tuple(totals)
    lengths = np.array([33, 3, 16])
    a, b, c = np.array([-6.0, -1.2, -4.0]) / lengths * lengths.mean()
    assert answer.value == "card_arrival", "-6/33 is more than -1.2/3 and -4/16"
    assert answer.probabilities["card_arrival"] == pytest.approx(1 / (1 + np.exp(b - a) + np.exp(c - a)))  # type: ignore[index]
    (plain,) = fitted(Scripted(score=totals.__getitem__), KNOWN, answer_by="description", normalise="none").predict(["hm"])
    assert plain.value == "pin"


def test_a_model_that_only_writes_may_answer_with_either() -> None:
    for said, value in ((" putting money in", "topUp"), (" Pin.", "pin"), (" topUp", "topUp"), (" a dog", None)):
        model = Scripted(lambda prompt, said=said: said, can=frozenset({"generate"}))  # type: ignore[misc]
        (answer,) = fitted(model, KNOWN, answer_by="description").predict(["hm"])
        assert (answer.value == value) if value else isinstance(answer.value, Unparsed)
        assert answer.text == said


def test_the_model_describes_labels_from_their_own_rows() -> None:
    said = {"card arrival": ' "Cards that are late."\nText: other', "topUp": " "}
    model = Scripted(lambda prompt: said[prompt.rsplit("Label: ", 1)[1].split("\n")[0]])
    with metering() as meter:
        solver = fitted(model, KNOWN, ROWS, describe="model", examples=2)
    assert meter.usage.calls == 2 <= make("prompt-described", describe="model").calls(4, 0, KNOWN) == 3
    assert solver.descriptions == {"card_arrival": "Cards that are late", "pin": "pin", "topUp": "top up"}, "no row, or nothing said: the name"
    (card, _), (top, how) = model.asked
    assert top == f"{HEAD}\n\nText: How do I add money?\n\nLabel: topUp\nDescription:"
    assert how["stop"] == ("\n\n", "\n")
    assert solver.asked == {"card_arrival": card, "topUp": top}
    assert sum(row.inputs["text"] in card for row in ROWS[:3]) == 2
    assert "money" not in card


def test_a_description_that_repeats_a_row_is_none() -> None:
    for said in ("Text: How do I add money?", "how do i add money", HEAD):
        assert fitted(Scripted(lambda prompt, said=said: said), BANK, ROWS, describe="model").descriptions["topUp"] == "top up"  # type: ignore[misc]


def test_rows_spell_out_names() -> None:
    spec = replace(BANK, labels=("LOC", "NUM"))
    rows = [Row(f"r{i}", {"text": text}, label) for i, (text, label) in enumerate([("Where is it located?", "LOC"), ("What is located here", "LOC"), ("How many?", "NUM")])]
    solver = fitted(Scripted(), spec, rows, describe="rows")
    assert solver.descriptions == {"LOC": "located", "NUM": "num"}
    assert "- LOC: located\n- NUM\n" in solver.prompts([{"text": "hm"}])[0]


def test_same_words_get_their_names_back() -> None:
    assert distinct({"a": "Late", "b": "late", "c": "soon"}, {"a": "A", "b": "B", "c": "C"}) == {"a": "A: Late", "b": "B: late", "c": "soon"}
    same = replace(BANK, descriptions={"pin": "money", "topUp": "Money"})
    (prompt,) = fitted(Scripted(), same, answer_by="description").prompts([{"text": "hm"}])
    assert "card arrival, pin: money, topUp: Money" in prompt


def test_descriptions_that_do_not_fit_are_cut_and_then_dropped() -> None:
    def shown(context: int, **params: Any) -> Mapping[str, str]:
        model, long = Scripted(context=context), replace(BANK, descriptions=dict.fromkeys(BANK.labels, " ".join(f"word{i}" for i in range(100))))
        solver = fitted(model, long, **params)
        count = TokenCounter.of(model)
        assert count(solver.template.render("")) <= context // 2 or solver.descriptions["topUp"] in ("topUp", "top up")
        return solver.descriptions

    sizes = [len(shown(context)["pin"].split()) for context in (4096, 320, 240, 160, 120, 80)]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (100, 1)
    assert {24, 12, 6, 3} & set(sizes)
    assert shown(80)["topUp"] == "topUp"
    assert shown(80, answer_by="description")["topUp"] == "top up"
    with pytest.raises(ApproachError, match="leaves no room for a row"):
        fitted(Scripted(context=48), KNOWN)


def test_several_labels_are_described_too() -> None:
    task = toy_form_task("multi-label")
    spec = replace(task.spec, descriptions={task.spec.labels[0]: "what barks"})
    solver = fitted(FakeModel(), spec)
    assert f"- {task.spec.labels[0]}: what barks" in solver.prompts([task[Role.TRAIN][0].inputs])[0]
    assert "take answer_by='name'" in (make("prompt-described", answer_by="description").unsuited(spec) or "")
    described = fitted(Scripted(lambda prompt: " some words"), spec, task[Role.TRAIN], describe="model")
    assert set(described.descriptions.values()) == {"some words"}


def test_solvers_come_back_from_disk(tmp_path: Path) -> None:
    pool = ModelPool({"fake:": Scripted(lambda prompt: " late cards, and more")})
    for answer_by in ("name", "description"):
        approach = make("prompt-described", model="fake:", describe="model", answer_by=answer_by)
        solver = approach.fit(BANK, ROWS, context=FitContext(models=pool))
        back = Solver.load(solver.save(tmp_path / answer_by), pool)
        assert isinstance(back, DescribedSolver)
        assert isinstance(solver, DescribedSolver)
        assert (back.descriptions, back.asked) == (solver.descriptions, solver.asked)
        assert back.prompts([{"text": "hm"}]) == solver.prompts([{"text": "hm"}])
        assert back.predict(["hm"])[0].probabilities == solver.predict(["hm"])[0].probabilities


def test_other_ways_keep_the_contract() -> None:
    elsewhere = {"save": "The default is loaded in a new process.", "beats_majority": "The fake model describes nothing."}
    for params in ({"describe": "model", "answer_by": "description"}, {"describe": "rows"}):
        outcome = check_approach(make("prompt-described", model="fake:", **params), task=toy_task(), exceptions=elsewhere)
        assert [name for name, how in outcome.items() if how != "passed"] == ["save", "beats_majority"]
    spec, rows = toy_form_task("multi-label").spec, toy_form_task("multi-label")[Role.TRAIN]
    none = fitted(FakeModel(), spec, [replace(row, target=[]) for row in rows], describe="model")
    assert none.asked == {}


def test_one_line() -> None:
    assert one_line('\n  "Late cards, and more."\nText: x', 24) == "Late cards, and more"
    assert one_line("one two, three", 2) == "one two"
    assert one_line(" -- \n", 5) == ""


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"describe": "people"}, "takes no describe='people'; give given or rows or model."),
        ({"answer_by": "number"}, "takes no answer_by='number'; give name or description."),
        ({"describe": "rows"}, "come from labelled rows; give one at least"),
        ({"describe": "model", "examples": 0}, "takes no examples=0"),
    ],
)
def test_what_is_refused(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApproachError, match=sentence):
        fitted(Scripted(), **params)
    with pytest.raises(ApproachError, match="cannot write descriptions"):
        fitted(Scripted(can=frozenset({"score"})), BANK, ROWS, describe="model")


def test_label_counts_follow_what_is_used() -> None:
    ladder = (8, 16, 64, 256)
    assert make("prompt-described").label_counts(ladder) == (0,)
    assert make("prompt-described", describe="rows").label_counts(ladder) == ladder
    assert make("prompt-described", describe="model").label_counts(ladder) == (8, 16, 64)
    assert make("prompt-described").on_request
    assert [make("prompt-described", describe=how).repeats() for how in ("given", "rows", "model")] == [False, True, True]
