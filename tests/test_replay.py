"""Recorded answers replayed: whole real recordings, and small files with every field, every fault and every way to ask."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from fieldguide.errors import BudgetSpent, ModelError, Unsupported
from fieldguide.models import meter
from fieldguide.models.pool import ModelPool
from fieldguide.models.recordings import QuestionFinder
from fieldguide.models.replay import Recording, ReplayModel, recorded
from fieldguide.testing.check_model import check_model

MODELS = ["mixtral-8x7b-instruct", "gpt-4-1106-preview"]
EXCEPTIONS = {
    "seed": "One answer a question is recorded; no seed can change it.",
    "hostile": "A prompt without a recorded question is refused.",
}


@pytest.fixture
def real() -> Any:
    """A function from the name of a real file of recordings to its path; skips, saying so, where the data are absent."""
    base = Path(os.environ.get("FIELDGUIDE_DATA", ROOT.parent / "shared" / "data")) / "replay"

    def find(name: str) -> Path:
        if not (base / name).is_file():
            pytest.skip(f"the recordings {name} are not at {base}; set FIELDGUIDE_DATA to the folder that holds replay/")
        return base / name

    return find


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "recorded.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


HEAD = {"models": {"big": {"price": {"prompt": 10, "cached": 5, "completion": 30, "date": "2023-11-06"}, "licence": "closed"}}}
ROWS = [
    {"question": "What is 2 + 2?", "answer": 4, "responses": {"big": "It is 4, of course.\nSure.", "small": "5"}, "correct": {"big": True, "small": False}},
    {"prompt": " What is 3 + 3?\n", "responses": {"big": "6", "small": None}, "correct": {"small": False}, "subject": "sums"},
    {
        "question": "Bob asks: What is 2 + 2?",
        "responses": {"big": "He asks it badly"},
        "usage": {"big": {"prompt_tokens": 100, "completion_tokens": 8, "cost_usd": 0.5}},
    },
]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path, HEAD, *ROWS)


def load(path: Path, name: str = "big") -> ReplayModel:
    model = ModelPool().get(f"replay:{path}#{name}")
    assert isinstance(model, ReplayModel)
    return model


# Real recordings.


@pytest.mark.parametrize("name", MODELS)
def test_every_question_of_gsm8k_is_answered_as_recorded(real: Any, name: str) -> None:
    path = real("gsm8k_responses.jsonl")
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(rows) == 1319
    expected = [row["responses"][name] for row in rows]
    model = load(path, name)
    bare = [row["question"] for row in rows]
    draw = random.Random(0)
    shots = [draw.sample(rows, 5) for _ in rows]
    few = [
        "Solve each problem.\n\n" + "".join(f"Question: {s['question']}\nAnswer: {s['answer']}\n\n" for s in own) + f"Question: {row['question']}\nAnswer:"
        for row, own in zip(rows, shots, strict=True)
    ]
    chat = [f"<|user|>\n{row['question'].strip()} Think step by step, and end with a number.<|assistant|>" for row in rows]
    for prompts in (bare, few, chat):
        began = time.perf_counter()
        assert [found[0].text for found in model.generate(prompts, max_tokens=10_000)] == expected
        assert time.perf_counter() - began < 10
        right = [model.correct(prompt) for prompt in prompts]
        assert right == [row["correct"][name] for row in rows]
    assert sum(map(bool, right)) == {"mixtral-8x7b-instruct": 842, "gpt-4-1106-preview": 1130}[name]


@pytest.mark.parametrize("name", MODELS)
def test_the_real_recordings_meet_the_contract(real: Any, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = real("gsm8k_responses.jsonl")
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({name: {"prompt": 1, "completion": 2, "date": "2024-01-01"}}))
    questions = [recording.question for recording in recorded(path)[::400]]
    free = load(path, name)
    assert free.facts.price_date == ""
    outcome = check_model(free, prompts=questions, exceptions={**EXCEPTIONS, "work": "Its price is not known, and nothing is computed."})
    assert {clause for clause, found in outcome.items() if found != "passed"} == {"seed", "hostile", "work"}
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(prices))
    priced = load(path, name)
    assert (priced.facts.price_date, priced.facts.local, priced.facts.open) == ("2024-01-01", False, False)
    check_model(priced, prompts=questions, exceptions=EXCEPTIONS)


def test_the_real_correctness_is_read_and_cannot_be_prompted(real: Any) -> None:
    path = real("mmlu_correctness.jsonl")
    found = recorded(path)
    assert len(found) == 2 * 10776
    shares = {name: sum(bool(r.correct) for r in found if r.model == name) / 10776 for name in MODELS}
    assert shares == pytest.approx({"mixtral-8x7b-instruct": 0.65479, "gpt-4-1106-preview": 0.78675}, abs=1e-5)
    assert all(r.text is None and r.answer is None and r.completion_tokens == 0 for r in found)
    with pytest.raises(ModelError, match=r"right on 10,776 questions, but not what it answered.*cascades and routers.*recorded\(path\)"):
        load(path, "gpt-4-1106-preview")


# What a file says.


def test_recordings_are_read_whole(small: Path) -> None:
    found = recorded(small)
    assert found[0] == Recording("What is 2 + 2?", "4", "It is 4, of course.\nSure.", True, "big", 4, 7, pytest.approx((4 * 10 + 7 * 30) / 1e6), False)
    assert found[1] == Recording("What is 2 + 2?", "4", "5", False, "small", 4, 1, None, False)
    assert (found[3].text, found[3].correct, found[3].answer) == (None, False, None)
    assert found[4] == Recording("Bob asks: What is 2 + 2?", None, "He asks it badly", None, "big", 100, 8, 0.5, True)
    assert recorded(str(small)) == found


def test_facts_are_those_of_the_recorded_model(small: Path, tmp_path: Path) -> None:
    big, little = load(small).facts, load(small, "small").facts
    assert (big.type, big.can, big.local, big.open, big.licence, big.context) == ("api", {"generate"}, False, False, "closed", None)
    assert (big.usd_per_million_prompt, big.usd_per_million_cached, big.usd_per_million_completion, big.price_date) == (10, 5, 30, "2023-11-06")
    assert (little.usd_per_million_prompt, little.price_date, little.licence) == (0, "", "unknown")
    assert big.identity != little.identity
    pool = ModelPool()
    assert pool.identity(f"replay:{small}#big") == big.identity
    (tmp_path / "other").mkdir()
    other = write(tmp_path / "other", {"models": {"big": {"local": True, "open": True}}}, *ROWS)
    assert load(other).facts.identity != big.identity
    assert (load(other).facts.local, load(other).facts.open) == (True, True)


def test_it_says_what_it_cannot_do(small: Path) -> None:
    model = load(small)
    with pytest.raises(Unsupported):
        model.score(["What is 2 + 2?"], [["4"]])
    with pytest.raises(ModelError, match=r"no question that this prompt contains.*'What is 4 \+ 4\?'"):
        model.generate(["What is 2 + 2?", "What is 4 + 4?"])
    with pytest.raises(ModelError, match=r"'Some instructions.*\.\.\. |'Some instructions.* … .*What is 5 \+ 5\?'"):
        model.generate(["Some instructions, at length. " * 20 + "What is 5 + 5?"])
    with pytest.raises(ModelError, match="no question that this prompt contains"):
        model.correct("")
    with pytest.raises(ModelError, match=r"holds the question ' What is 3 \+ 3\?\\n', but not what small answered"):
        load(small, "small").generate(["What is 3 + 3?"])


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("replay:{path}", r"does not say which model.*the file holds big, small: write replay:.*#big"),
        ("replay:{path}#", r"does not say which model.*holds big, small"),
        ("replay:{path}#bigg", r"no answers of 'bigg'; did you mean big\? The file holds big, small: write replay:.*#big"),
        ("replay:{path}#gpt", r"no answers of 'gpt'; the file holds big, small"),
        ("replay:", "names no file; write replay:FILE#MODEL"),
        ("replay:#big", "names no file; write replay:FILE#MODEL"),
        ("replay:{path}.gone#big", "cannot be read .No such file"),
    ],
)
def test_a_wrong_reference_is_answered_with_a_right_one(small: Path, reference: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ModelPool().get(reference.format(path=small))


def test_the_identity_of_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        ModelPool().identity(f"replay:{tmp_path / 'gone.jsonl'}#big")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([""], "holds no recorded answers"),
        ([{"question": "a"}], "holds no recorded answers"),
        ([HEAD], "holds no recorded answers"),
        ([ROWS[0], "{"], "line 2: one JSON object a line is expected"),
        ([ROWS[0], [1]], "line 2: an object with a text"),
        ([ROWS[0], {"question": " "}], "line 2: an object with a text"),
        ([ROWS[0], HEAD], "line 2: an object with a text"),
        ([{"question": "a", "responses": ["b"]}], 'line 1: "responses" is expected to be an object of model names'),
        ([{"question": "a", "responses": {"m": 3}}], "line 1: the response of 'm' should be a text or null"),
        ([{"question": "a", "correct": {"m": 1}}], "line 1: the response of 'm' should be"),
        ([{"question": "a", "responses": {"m": "b"}, "usage": {"m": {"cost_usd": -1}}}], '"cost_usd" is expected to be a number, 0 or more; -1'),
        ([{"models": {"m": {"prise": 3}}}, {"question": "a", "responses": {"m": "b"}}], "line 1, 'm': an object with some of price"),
        ([{"models": {"m": {"price": 3}}}, {"question": "a", "responses": {"m": "b"}}], "line 1, 'm': the price is expected to be an object"),
        ([{"models": {"m": {"price": {"prompt": "1", "completion": 2}}}}, {"question": "a", "responses": {"m": "b"}}], '"prompt" is expected to be a number'),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        recorded(write(tmp_path, *rows))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes('{"question": "é"}'.encode("latin-1"))
    with pytest.raises(ModelError, match="not UTF-8"):
        recorded(path)


# Finding the question.


def test_the_last_question_in_the_prompt_is_meant_and_the_longest_of_those_that_end_there(small: Path) -> None:
    model = load(small)
    asked = {
        "What is 2 + 2?": "It is 4, of course.\nSure.",
        "Q: What is 3 + 3? A:": "6",
        "What is 2 + 2?\n4\n\nWhat is 3 + 3?\n": "6",
        "What is 3 + 3?\n6\n\nWhat is 2 + 2?": "It is 4, of course.\nSure.",
        "Bob asks: What is 2 + 2? Go.": "He asks it badly",
        "Bill asks: What is 2 + 2? Go.": "It is 4, of course.\nSure.",
    }
    assert [found[0].text for found in model.generate(list(asked))] == list(asked.values())


def test_the_finder_agrees_with_a_plain_search() -> None:
    draw = random.Random(0)
    for _ in range(200):
        questions = ["".join(draw.choice("ab ") for _ in range(draw.choice([1, 2, 3, 5, 40, 45]))) for _ in range(12)]
        prompt = "".join(draw.choice(["a", "b", " ", draw.choice(questions)]) for _ in range(12))
        inside = [q for q in questions if q.strip() and q.strip() in prompt]
        found = QuestionFinder(questions).find(prompt)
        assert (found is None) is (not inside)
        if found:
            best = max((prompt.rfind(q.strip()) + len(q.strip()), len(q.strip())) for q in inside)
            assert (prompt.rfind(found.strip()) + len(found.strip()), len(found.strip())) == best


# Answering.


def test_stop_and_length_cut_the_recorded_text(small: Path) -> None:
    model, prompt = load(small), "What is 2 + 2?"
    [[whole]] = model.generate([prompt])
    assert (whole.text, whole.tokens, whole.finish) == ("It is 4, of course.\nSure.", 7, "stop")
    [[line]] = model.generate([prompt], stop=["\n"])
    assert (line.text, line.tokens, line.finish) == ("It is 4, of course.", 5, "stop")
    [[short]] = model.generate([prompt], max_tokens=2, stop=["\n"])
    assert (short.text, short.tokens, short.finish) == ("It is 4,", 2, "length")
    [[exact]] = model.generate([prompt], max_tokens=7)
    assert (exact.text, exact.finish) == (whole.text, "stop")
    [[measured]] = model.generate(["Bob asks: What is 2 + 2?"], max_tokens=4)
    assert (measured.text, measured.tokens, measured.finish) == ("He asks ", 4, "length"), "16 characters in 8 recorded tokens"


def test_samples_are_the_one_recorded_answer(small: Path) -> None:
    model = load(small)
    [row] = model.generate(["What is 2 + 2?"], n=3, temperature=0.7, seed=5)
    assert [g.text for g in row] == ["It is 4, of course.\nSure."] * 3


def test_a_choice_is_the_option_that_the_recorded_text_means_or_that_text(small: Path) -> None:
    model = load(small)
    asked = ["What is 3 + 3?", "What is 2 + 2?", "What is 2 + 2?"]
    found = model.choose(asked, [[" 5", " 6"], ["4", "5"], ["red", "blue"]])
    assert [row[0].text for row in found] == [" 6", "4", "It is 4, of course.\nSure."]
    assert len(model.choose(["What is 3 + 3?"], [["6"]], n=2)[0]) == 2


def test_tokens_and_dollars_are_metered_as_if_it_were_asked_now(small: Path) -> None:
    model = load(small)
    with meter.metering() as total:
        model.generate(["What is 2 + 2?", "Please: What is 3 + 3?"], n=2)
    assert (total.usage.calls, total.usage.prompt_tokens, total.usage.completion_tokens) == (4, 4 + 6, 2 * 7 + 2 * 1)
    assert total.usage.cost_usd == pytest.approx((10 * 10 + 16 * 30) / 1e6)
    with meter.metering() as total:
        model.generate(["Bob asks: What is 2 + 2?"])
    assert (total.usage.prompt_tokens, total.usage.completion_tokens, total.usage.cost_usd) == (100, 8, 0.5)
    with meter.metering(usd_limit=0.4) as total, pytest.raises(BudgetSpent):
        model.generate(["Bob asks: What is 2 + 2?"])
    assert total.usage.cost_usd == 0


def test_a_small_file_meets_the_contract(small: Path) -> None:
    outcome = check_model(load(small), prompts=["What is 2 + 2?", "What is 3 + 3?"], exceptions=EXCEPTIONS)
    assert sum(found != "passed" for found in outcome.values()) == 2
