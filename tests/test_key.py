"""The key: where answers lead, what is measured and what is never read, the verb, and the picture."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from fieldguide import api
from fieldguide.cli.main import run
from fieldguide.errors import ApproachError, DataError, UserError
from fieldguide.records import Row, plain
from fieldguide.registry import names
from fieldguide.report.dress import THEMES
from fieldguide.report.key_picture import FINE_TUNED, LLM, key_svg
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.verdict import key, key_facts
from fieldguide.verdict.key import advice_as_approach, walk, with_verdict
from fieldguide.verdict.key_facts import KeyFacts, facts_of, read
from fieldguide.verdict.verdict import KeyPath, KeyStep

PLENTY = KeyFacts("label", 900, 3, 300.0)
EASY = replace(PLENTY, surface=(0.8, 0.75, 0.4))
STILL = replace(EASY, new="the rows of test.csv", new_rows=200, shift=(0.52, 0.47, 0.57), mix=(0.03, 0.03, 0.6))
SVG = "{http://www.w3.org/2000/svg}"


class Poison:
    """A target that must not be read."""

    def _read(self, *_: object) -> str:
        raise AssertionError("a target outside train was read")

    __str__ = __repr__ = __hash__ = __eq__ = __iter__ = __len__ = __float__ = __bool__ = _read  # type: ignore[assignment]


def end_of(path: KeyPath) -> int:
    return next(step.number for step in path.steps if step.leads_to in ("LLM", "fine-tuned", "undecided"))


def topics(n: int, words: Sequence[str], seed: int = 0) -> list[tuple[str, str]]:
    """(text, label): two cue words a label among filler words."""
    rng, cues = np.random.default_rng(seed), {"fruit": ("apple", "pear"), "tool": ("hammer", "saw"), "sky": ("cloud", "moon")}
    rows = []
    for i in range(n):
        label = sorted(cues)[i % 3]
        rows.append((f"{' '.join(rng.choice(words, size=6))} {rng.choice(cues[label])} {' '.join(rng.choice(words, size=3))}", label))
    return rows


HERE = ("river", "bridge", "window", "garden", "letter", "street", "winter", "music", "paper", "coat")
THERE = ("quark", "lepton", "boson", "vacuum", "photon", "tensor", "gauge", "plasma", "muon", "axion")


def task_of(train: list[tuple[str, str]], test: list[tuple[str, str]] = [], poisoned: bool = True) -> Task:  # noqa: B006
    spec = TaskSpec("toy", "classification", ("text",), "label", ("fruit", "sky", "tool"))
    known = tuple(Row(f"train.csv:{i}", {"text": text}, label) for i, (text, label) in enumerate(train))
    other = tuple(Row(f"test.csv:{i}", {"text": text}, Poison() if poisoned else label) for i, (text, label) in enumerate(test))
    return Task(spec, {Role.TRAIN: known, Role.SELECT: other[::2], Role.CERTIFY: other[1::2]})


def write(path: Path, columns: str, rows: Sequence[Sequence[object]]) -> Path:
    path.write_text("\n".join([columns, *(",".join(f'"{cell}"' for cell in row) for row in rows)]) + "\n", encoding="utf-8")
    return path


def test_questions_and_where_they_lead_are_the_surveys() -> None:
    assert [(q.number, q.yes, q.no) for q in key.QUESTIONS] == [
        *((i, "LLM", "") for i in (1, 2, 3)),
        (4, "fine-tuned", ""),
        *((i, "LLM", "") for i in (5, 6, 7)),
        *((i, "fine-tuned", "") for i in (8, 9)),
        (10, "undecided", "LLM"),
    ]


ENDS = {
    "arithmetic": (KeyFacts("number", 7_000, several_numbers=0.8, found=0.05, words=1.0), 2, "LLM"),
    "regression": (KeyFacts("number", 7_000, several_numbers=0.1, found=0.0, words=1.0), 4, "fine-tuned"),
    "ranking": (KeyFacts("ranking", 7_000), 4, "fine-tuned"),
    "few labels": (replace(STILL, rows=99), 5, "LLM"),
    "few a label": (replace(STILL, per_label=15.9), 5, "LLM"),
    "one label": (KeyFacts("label", 1, 1, 1.0), 5, "LLM"),
    "shift": (replace(STILL, shift=(0.7, 0.65, 0.75)), 6, "LLM"),
    "another mix of labels": (replace(STILL, mix=(0.3, 0.05, 0.001)), 6, "LLM"),
    "translation": (KeyFacts("text", 900, several_numbers=0.0, found=0.0, words=11.0), 7, "LLM"),
    "code": (KeyFacts("code", 900), 7, "LLM"),
    "surface text suffices": (STILL, 8, "fine-tuned"),
    "pairs": (replace(PLENTY, pair=True, surface=(0.5, 0.45, 0.5)), 8, "fine-tuned"),
    "reading": (KeyFacts("text", 900, several_numbers=0.0, found=0.9, words=2.0), 9, "fine-tuned"),
    "closed-book questions": (KeyFacts("text", 900, several_numbers=0.0, found=0.01, words=2.0), 10, "LLM"),
    "hard labels": (replace(PLENTY, surface=(0.45, 0.4, 0.4)), 10, "LLM"),
    "nothing known": (PLENTY, 10, "LLM"),
}


@pytest.mark.parametrize("name", ENDS)
def test_each_way_out(name: str) -> None:
    facts, number, advice = ENDS[name]
    path = walk(facts)
    assert (end_of(path), path.advice) == (number, advice)
    assert [step.number for step in path.steps] == list(range(1, 11))
    assert all(step.leads_to == "" for step in path.steps[: number - 1])
    assert all(step.leads_to == "not reached" for step in path.steps[number:])
    assert path.agrees is None
    for text in (path.sentence, *(step.evidence for step in path.steps)):
        assert re.fullmatch(r"[A-Z0-9].*\.", text), text
        assert "None" not in text
        assert len(text) < 320
    assert {step.answer for step in path.steps} <= {"yes", "no", "not measured"}


def test_knowledge_that_contradicts_the_world_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    *others, last = key.QUESTIONS
    answer = key.Answer("yes", "Symbols are redefined.", "symbols are redefined")
    monkeypatch.setattr(key, "QUESTIONS", (*others, replace(last, ask=lambda facts: answer)))
    path = walk(PLENTY)
    assert path.advice == "undecided"
    assert "undecided" in path.sentence
    assert with_verdict(path, "tuning").agrees is None


def test_thresholds_decide_where_they_say() -> None:
    assert end_of(walk(replace(STILL, rows=100, per_label=16.0))) == 8
    assert end_of(walk(replace(STILL, shift=(0.70, key.SHIFT_AUC, 0.76)))) == 8, "the interval must lie above the limit, not touch it"
    assert end_of(walk(replace(STILL, mix=(0.3, 0.05, 0.2)))) == 8, "a mix that chance may give is no shift"
    assert end_of(walk(replace(STILL, mix=(0.3, 0.15, 0.001)))) == 8, "what chance gives is taken off"
    assert end_of(walk(replace(PLENTY, surface=(0.5, 0.46, 0.4)))) == 8
    assert end_of(walk(replace(PLENTY, surface=(0.5, 0.455, 0.4)))) == 10


def test_the_sentence_gives_the_reason_and_what_was_not_measured() -> None:
    assert walk(STILL).sentence == (
        "The key says: fine-tune a model, since there are 900 labels, no shift was found and counting pieces of words already answers 80 % of "
        "held-out training rows (question 8); question 2 could not be measured and counts as no."
    )
    assert "questions 2, 6, 8, 9 and 10 could not be measured and count as no" in walk(PLENTY).sentence
    assert "one label" in walk(KeyFacts("label", 1, 1, 1.0)).sentence


@pytest.mark.parametrize(
    ("family", "agrees", "said"),
    [
        ("tuning", True, "The evidence agrees: tune"),
        ("embedding", True, "agrees"),
        ("baseline", True, "agrees"),
        ("prompting", False, "The evidence parts from it: prompt a language model."),
        ("cascade", None, "both"),
        ("", None, "No route is recommended"),
    ],
)
def test_evidence_and_key(family: str, agrees: bool | None, said: str) -> None:
    path = with_verdict(walk(STILL), family)
    assert path.agrees is agrees
    assert said in path.sentence
    assert path.steps == walk(STILL).steps
    assert with_verdict(walk(PLENTY), "prompting", "prompting measured 3 points better").agrees is True


def test_what_was_measured_joins_the_sentence() -> None:
    assert with_verdict(walk(STILL), "prompting", "prompting measured 3 points better").sentence.endswith(
        "The evidence parts from it: prompt a language model (prompting measured 3 points better)."
    )


def test_advice_as_an_approach() -> None:
    every = names("approach")
    assert advice_as_approach(walk(STILL), every) == "fine-tune"
    assert advice_as_approach(walk(STILL), ["majority", "linear-probe"]) == "linear-probe"
    assert advice_as_approach(walk(PLENTY), every) == "prompt-few-shot"
    assert advice_as_approach(walk(PLENTY), every, labels=0) == "prompt-zero-shot"
    assert advice_as_approach(walk(PLENTY), ["prompt-zero-shot", "fine-tune"]) == "prompt-zero-shot"
    undecided = replace(walk(PLENTY), advice="undecided")
    assert advice_as_approach(undecided, every) == "prompt-few-shot"
    with pytest.raises(ApproachError, match="none of"):
        advice_as_approach(walk(PLENTY), ["fine-tune"])
    assert {name for group in key.PREFERENCES.values() for name in group} <= set(every)


def test_facts_of_one_file_have_no_shift_to_measure() -> None:
    task = task_of(topics(240, HERE))
    facts = facts_of(replace(task, rows={Role.TRAIN: task[Role.TRAIN][:200], Role.CERTIFY: task[Role.TRAIN][200:]}))
    assert (facts.rows, facts.labels, facts.per_label, facts.new, facts.shift, facts.mix) == (200, 3, 67.0, "", None, None)
    assert facts.surface is not None
    assert facts.surface[0] > 0.9
    assert walk(facts).steps[5].answer == "not measured"


def test_rows_of_another_file_are_compared_without_their_targets() -> None:
    same = facts_of(task_of(topics(240, HERE), topics(120, HERE, seed=1)))
    assert same.new == "the rows of test.csv"
    assert walk(same).steps[5].answer == "no"
    other = facts_of(task_of(topics(240, HERE), topics(120, THERE, seed=1)))
    assert other.shift is not None
    assert other.shift[1] > 0.9
    assert walk(other).advice == "LLM"
    assert facts_of(task_of(topics(240, HERE), topics(120, THERE, seed=1))) == other, "the same rows give the same facts"


def test_unlabelled_rows_come_before_a_test_file() -> None:
    task = task_of(topics(240, HERE), topics(120, HERE, seed=1))
    facts = facts_of(task, [{"text": text} for text, _ in topics(100, THERE, seed=2)])
    assert facts.new == "the unlabelled rows"
    assert walk(facts).steps[5].answer == "yes"
    few = facts_of(task, [{"text": "quark"}] * 5)
    assert few.shift is None
    assert walk(few).steps[5].answer == "not measured"


def test_another_mix_of_labels_is_seen_in_the_inputs_alone() -> None:
    fruit = [row for row in topics(600, HERE, seed=1) if row[1] == "fruit"]
    facts = facts_of(task_of(topics(240, HERE), fruit))
    assert facts.mix is not None
    assert facts.mix[0] - facts.mix[1] > 0.5
    assert facts.mix[2] < 0.01


def test_copies_in_one_file_are_no_shift() -> None:
    """A hundred texts, four times each: a classifier would know by heart which file each came from."""
    train, test = topics(60, HERE) * 4, topics(60, HERE, seed=7) * 4
    facts = facts_of(task_of(train, test))
    assert facts.shift is not None
    assert facts.shift[1] < 0.5 < facts.shift[2]


def test_rows_that_share_a_passage_belong_together() -> None:
    rows = [["a passage that many questions share", "who"], ["a passage that many questions share", "when"], ["another passage of its own", "who"]]
    assert key_facts._families(rows).tolist() == [0, 0, 1]
    assert key_facts._families([["short", "x y"], ["short", "z"]]).tolist() == [0, 1], "a short text that two rows share joins nothing"
    assert key_facts._families([["one text here, long enough"], ["one text here, long enough"], ["elsewhere"]]).tolist() == [0, 0, 1]


def test_tiny_and_odd_tasks_are_walked() -> None:
    for train in (topics(1, HERE), topics(4, HERE), [("?", "fruit"), ("!", "sky")] * 30, [("same text", "fruit")] * 60 + [("same text", "sky")] * 60):
        assert walk(facts_of(task_of(train, topics(40, HERE)))).advice in ("LLM", "fine-tuned")
    assert walk(facts_of(task_of([]))).advice == "LLM"


def test_quantities_and_free_text_are_walked_too(tmp_path: Path) -> None:
    scores = write(tmp_path / "scores.csv", "sentence,score", [(f"{text} {i}", i / 7) for i, (text, _) in enumerate(topics(150, HERE))])
    path = api.key(scores, target="score")
    assert (end_of(path), path.advice) == (4, "fine-tuned")
    sums = write(tmp_path / "sums.csv", "question,result", [(f"Add {i} apples to {3 * i + 1} pears of {i % 5}.", 4 * i + 1) for i in range(20, 170)])
    assert end_of(api.key(sums, target="result", inputs="question")) == 2
    spans = write(tmp_path / "spans.csv", "passage,span", [(f"{text} number{i}", f"number{i}") for i, (text, _) in enumerate(topics(150, HERE))])
    assert end_of(api.key(spans, target="span", inputs=["passage"])) == 9
    longer = write(tmp_path / "long.csv", "note,summary", [(f"{i} {text}", f"a summary of {text}") for i, (text, _) in enumerate(topics(150, HERE))])
    assert end_of(api.key(longer, target="summary", inputs="note")) == 7


def test_open_tasks_hold_no_target_outside_train(tmp_path: Path) -> None:
    rows = [(f"{text} {i}", f"a summary of {text} {i}", i / 7) for i, (text, _) in enumerate(topics(150, HERE))]
    write(tmp_path / "train.csv", "sentence,summary,score", rows[:100])
    write(tmp_path / "test.csv", "sentence,summary,score", rows[100:])
    task = read(tmp_path, target="summary", inputs="sentence")
    assert {row.target for row in task[Role.CERTIFY]} == {None}
    assert len(task[Role.TRAIN]) == 100
    assert facts_of(task).new == "the rows of test.csv"
    with pytest.raises(DataError):
        read(tmp_path, target="score", inputs="sentence", kind="classification")
    assert read(tmp_path, target="score", inputs="sentence").spec.kind == "regression", "quantities have a kind of their own"


def test_what_is_no_task_is_refused_as_ever(tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", "text,label", [(f"{text} {i}", "fruit") for i, (text, _) in enumerate(topics(60, HERE))])
    with pytest.raises(DataError, match="at least two labels"):
        api.key(one)
    with pytest.raises(DataError, match="no column"):
        api.key(one, target="lable")
    with pytest.raises(UserError, match="no kind called"):
        api.key(one, kind="poetry")


def test_the_verb_prints_ten_questions_and_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write(tmp_path / "rows.csv", "text,label", topics(400, HERE))
    new = write(tmp_path / "new.csv", "text", [(text,) for text, _ in topics(90, THERE)])
    assert run(["key", str(data), "--target", "label"]) == 0
    said = capsys.readouterr()
    shown = " ".join(said.out.split())
    assert shown.startswith("The key says: fine-tune a model")
    assert all(question.text.split("?")[0].split(",")[0] in shown for question in key.QUESTIONS)
    assert "yes → fine-tuned" in shown
    assert "The kind of task is classification" in said.err
    picture = tmp_path / "path.svg"
    assert run(["key", str(data), "--unlabelled", str(new), "--json", "--picture", str(picture)]) == 0
    path = json.loads(capsys.readouterr().out)
    assert path["advice"] == "LLM"
    assert [step["number"] for step in path["steps"]] == list(range(1, 11))
    assert path["steps"][5]["leads_to"] == "LLM"
    assert ElementTree.parse(picture).getroot().tag == f"{SVG}svg"
    assert plain(api.key(data, unlabelled=[text for text, _ in topics(90, THERE)])) == path


def test_options_do_not_grow_unnoticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["key", "--help"]) == 0
    shown = {word.rstrip(",") for word in capsys.readouterr().out.split() if word.startswith("--")}
    assert sorted(shown) == ["--help", "--inputs", "--json", "--kind", "--picture", "--target", "--unlabelled"]


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(write(tmp_path / "rows.csv", "text,label", topics(60, HERE)))
    other = str(write(tmp_path / "other.csv", "body", [("text",)] * 3))
    for argv, word in (
        (["none.csv"], "no file"),
        ([data, "--unlabelled", "none.csv"], "no file"),
        ([data, "--unlabelled", other], "no column 'text'"),
        ([data, "--picture", "path.png"], "end the name in .svg"),
        ([data, "--picture", str(tmp_path / "nowhere" / "path.svg")], "cannot be written"),
        ([data, "--target", "tex"], "no column 'tex'"),
    ):
        assert run(["key", *argv]) == 2, argv
        said = capsys.readouterr().err.strip().splitlines()
        assert word in said[-1]
        assert said[-1].endswith(".")
        assert "Traceback" not in "".join(said)


def test_the_key_loads_no_model(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.csv", "text,label", topics(60, HERE))
    code = f"import sys; from fieldguide.cli.main import run; assert run(['key', {str(data)!r}]) == 0; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


HOSTILE = '<script>alert(1)</script> & "quoted" ]]> \x1b[31m \u202e'


def pictures(path: KeyPath) -> list[str]:
    return [key_svg(path, theme, wide) for theme, wide in itertools.product(("light", "dark"), (True, False))]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*ENDS, "undecided", "hostile"])
def test_pictures_are_whole_titled_and_fetch_nothing(name: str) -> None:
    path = walk(ENDS[name][0]) if name in ENDS else walk(PLENTY)
    if name == "undecided":
        path = replace(path, advice="undecided", steps=(*path.steps[:-1], replace(path.steps[-1], answer="yes", leads_to="undecided")))
    elif name == "hostile":
        path = KeyPath(tuple(replace(step, question=HOSTILE * 3, evidence=HOSTILE * 9) for step in path.steps), "LLM", HOSTILE)
    for svg in pictures(path):
        root = ElementTree.fromstring(svg)
        assert [child.tag for child in root[:2]] == [f"{SVG}title", f"{SVG}desc"]
        assert root.get("role") == "img"
        assert "<script" not in svg
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|href|\x1b|\u202e|nan", svg)
        ids = re.findall(r' id="([^"]+)"', svg)
        assert len(ids) == len(set(ids))
        width, height = map(float, root.get("viewBox", "").split()[2:])
        for text in root.iter(f"{SVG}text"):
            assert 0 <= float(text.get("x", "-1")) <= width
            assert 0 <= float(text.get("y", "-1")) <= height


def test_the_picture_shows_the_questions_in_order_and_marks_the_end() -> None:
    for advice, facts, colour in ((FINE_TUNED, STILL, 0), (LLM, replace(STILL, rows=60), 1)):
        for theme in ("light", "dark"):
            root = ElementTree.fromstring(key_svg(walk(facts), theme, True))  # type: ignore[arg-type]
            texts = [text.text or "" for text in root.iter(f"{SVG}text")]
            assert [t for t in texts if t.endswith("?")] == [question.text for question in key.QUESTIONS]
            filled = [r for r in root.iter(f"{SVG}rect") if r.get("fill") == THEMES[theme].palette[colour] and r.get("fill-opacity") is None]
            assert len(filled) == 1, "one pill marks the end"
            assert texts.count(advice) == 2, "the bank's name, and the end"
    narrow = " ".join(text.text or "" for text in ElementTree.fromstring(key_svg(walk(STILL), wide=False)).iter(f"{SVG}text"))
    assert all(question.text in narrow for question in key.QUESTIONS)
    assert narrow.count("not measured, so no") == 1


def test_the_path_survives_json() -> None:
    path = with_verdict(walk(STILL), "tuning")
    data = json.loads(json.dumps(plain(path)))
    assert KeyPath(tuple(KeyStep(**step) for step in data.pop("steps")), **data) == path
