"""Tools: what each gives, which calls it shows, and what comes back from arguments that mean harm; the loop of calls with programs and passages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_prompt_tools import Writer

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.passages import Passages
from fieldguide.approaches.prompting.tools import programs
from fieldguide.approaches.prompting.tools.lookup import Search, window
from fieldguide.approaches.prompting.tools.programs import Python
from fieldguide.approaches.prompting.tools.tool_calls import asked, calls_in, next_call, well_formed
from fieldguide.approaches.prompting.tools.toolbox import Calculator, Result
from fieldguide.approaches.prompting.tools.tools import ToolSolver
from fieldguide.errors import ApproachError, Unsupported
from fieldguide.models.pool import ModelPool
from fieldguide.records import Row, Unparsed
from fieldguide.sandbox import allow_code
from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing import check_approach, toy_form_task
from fieldguide.testing.toys import WORDS

NUMBERS = TaskSpec("sums", "numeric-answer", ("question",), "answer", metric="numeric_match")
LETTERS = TaskSpec("letters", "exact-answer", ("input",), "targets", metric="exact_text")
QUIZ = TaskSpec("quiz", "short-answer", ("question",), "answers", metric="exact_match")
TEXTS = ["The River Elbe flows through Dresden and Hamburg.", "Mount Etna is a volcano on Sicily, 3,357 metres high.", "Lake Constance lies between three countries."]


@pytest.fixture
def consent() -> Iterator[None]:
    with allow_code():
        yield


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    (tmp_path / "corpus.txt").write_text("\n\n".join(TEXTS), encoding="utf-8")
    return str(tmp_path / "corpus.txt")


def names(count: int) -> list[Row]:
    """Rows whose answer is the last letters of quoted names."""
    found = []
    for i in range(count):
        held = [f"{'abcdefgh'[i % 8]}nn{'aeiou'[(i + k) % 5]}{'rstlmn'[(i * 3 + k) % 6]}" for k in range(3)]
        found.append(Row(f"r{i}", {"input": f'Take the last letters of the words in "{" ".join(held)}".'}, ["".join(word[-1] for word in held)]))
    return found


def tooled(spec: TaskSpec, rows: list[Row], lines: Mapping[str, str], facts: Mapping[str, Any] | None = None, **params: Any) -> tuple[ToolSolver, Writer]:
    model = Writer(lines, **(facts or {}))
    solver = make("prompt-tools", model="fake:", **params).fit(spec, rows, context=FitContext(models=ModelPool({"fake:": model})))
    assert isinstance(solver, ToolSolver)
    return solver, model


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize(
    ("program", "result"),
    [
        ("print(12 * 34)", "408"), ("12 * 34", "408"), ("x = 3; print(x, x + 1)", "3 4"), ("print('a')\n\nprint('b')", "a b"), ("len('abc') == 3", "True"),
        ("for i in range(3):\n    print(i)", "0 1 2"), ("def f(n):\n    return n * f(n - 1) if n else 1\nprint(f(5))", "120"), ("print('x' * 999)", "x" * 300 + "…"),
    ],
)  # fmt: skip
def test_programs_print(program: str, result: str) -> None:
    assert Python(NUMBERS).run(program) == Result(result)


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("", "is empty"), ("x" * 5000, "too long"), ("1 +", "SyntaxError"), ("x = 3", "printed nothing"), ("None", "printed nothing"), ("1/0", "ZeroDivisionError"),
        ("while True: pass", "too long"), ("import time; time.sleep(60)", "too long"), ("print('a' * 10**8)", "too much"), ("x = [0] * 10**10", "memory"),
        ("import os\nwhile True: os.fork()", "Error"), ("import subprocess; subprocess.run(['ls'])", "Error"), ("import socket; socket.create_connection(('127.0.0.1', 80))", "Error"),
        ("open('/etc/passwd').read()", "Error"), ("raise SystemExit", "left early"), ("import os; os._exit(0)", "left early"), ("9**9**9", "too"), ("(" * 3000, "Error"),
        ("-" * 3900 + "1", "Error"), ("a\0b", "Error"), ("'\ud800", "Error"), ("def f(): return f()\nf()", "RecursionError"),
        ("raise ValueError('word ' * 99)", "ValueError"), ("class E(BaseException): pass\nraise E", "E"), ("\n\n", "is empty"),
    ],
)  # fmt: skip
def test_programs_that_go_wrong_say_so_in_a_few_words(program: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "CPU_S", 1)
    monkeypatch.setattr(programs, "WALL_S", 1.5)
    found = Python(NUMBERS).run(program)
    assert found.text == "" or found.fault
    assert fault in found.fault
    assert len(found.fault.split()) <= programs.WORDS


@pytest.mark.usefixtures("consent")
def test_a_program_reads_nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.txt").write_text("the password is swordfish")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "swordfish")
    read = f"import os, glob; print(dict(os.environ)); print(glob.glob({str(tmp_path)!r} + '/*'), open({str(tmp_path / 'secret.txt')!r}).read())"
    for program in (read, "import os; print(os.environ, os.listdir(os.path.expanduser('~')))", f"open({str(tmp_path / 'left')!r}, 'w').write('x')"):
        found = Python(NUMBERS).run(program)
        assert "swordfish" not in found.text + found.fault
        assert str(tmp_path) not in found.text
    assert os.listdir(tmp_path) == ["secret.txt"]


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize(
    ("spec", "text", "target", "program"),
    [
        (NUMBERS, "What is 1234 times 5678?", 7006652.0, "print(1234 * 5678)"),
        (NUMBERS, "8 are dealt out to 16.", 0.5, "print(8 / 16)"),
        (NUMBERS, "((-9 * -5 - 6 + -2) - (-8 - -6 * -3 * 1)) =", 63.0, "print(((-9 * -5 - 6 + -2) - (-8 - -6 * -3 * 1)))"),
        (NUMBERS, "5 and 7", 99.0, None),
        (NUMBERS, "2 and 2", 4.0, None),
        (LETTERS, "True and not not ( not False ) is", ["True"], "print(True and not not ( not False ))"),
        (LETTERS, "9**9**9 =", ["1"], None),
        (LETTERS, "__import__('os').getcwd() =", ["/"], None),
        (LETTERS, 'Take the last letters of "Silvia Carolina Stan Chuck".', ["aank"], 'print("".join(w[-1] for w in "Silvia Carolina Stan Chuck".split()))'),
        (LETTERS, "desserts", ["stressed"], 'print("desserts"[::-1])'),
        (LETTERS, "six words in any order here", ["any here in order six words"], 'print(" ".join(sorted("six words in any order here".split())))'),
        (LETTERS, "abba", ["a"], None),
        (LETTERS, "ubota", ["about"], None),
        (LETTERS, "Add 20 and 35.", ["55"], "print(20 + 35)"),
    ],
)  # fmt: skip
def test_programs_to_show_lead_to_the_answer(spec: TaskSpec, text: str, target: Any, program: str | None) -> None:
    assert Python(spec).example(Row("a", {spec.inputs[0]: text}, target)) == program


def test_the_calculator_shows_what_gives_a_text_exactly() -> None:
    assert Calculator(LETTERS).example(Row("a", {"input": "Add 20 and 35."}, ["55"])) == "20 + 35"
    assert Calculator(LETTERS).example(Row("a", {"input": "Add 20 and 35."}, ["55.0"])) is None
    assert Calculator(LETTERS).example(Row("a", {"input": "Add 20 and 35."}, ["fifty-five"])) is None
    assert Calculator(NUMBERS).run("open('x')").fault


def test_passages_are_searched_and_cut_to_the_query() -> None:
    search = Search(QUIZ, Passages(TEXTS, "bm25"), 1)
    assert search.run("volcano Sicily") == Result(TEXTS[1])
    assert Search(QUIZ, Passages(TEXTS, "bm25"), 2).run("Elbe lake").text == f"{TEXTS[2]} … {TEXTS[0]}"
    for query, fault in (("", "asks for nothing"), ("?! \0", "asks for nothing"), ("zebra", "nothing was found"), ("x" * 10**6, "nothing was found"), ("\ud800", "asks for nothing")):
        assert fault in search.run(query).fault
    long = " ".join([*["far"] * 500, "the", "volcano", "of", "Sicily", *["away"] * 500])
    shown = Search(QUIZ, Passages([long, "rain"], "bm25"), 1).run("volcano sicily").text
    assert "the volcano of Sicily" in shown
    assert len(shown.split()) == 80
    assert window("a b c d e f g", ["d"], 3) == "c d e"


@pytest.mark.parametrize(
    ("spec", "question", "target", "query"),
    [
        (QUIZ, "Which river flows through Dresden?", ["the Elbe", "Elbe"], "river flows through Dresden"),
        (QUIZ, "Which river flows through Dresden?", ["the Rhine"], None),
        (QUIZ, "Which is it?", ["Elbe"], None),
        (QUIZ, "What is between (three) countries?", ["Lake Constance"], "between three countries"),
        (NUMBERS, "How many metres is Mount Etna high?", 3357.0, "metres Mount Etna high"),
        (NUMBERS, "How many metres is Mount Etna high?", 33.0, None),
    ],
)
def test_searches_to_show_find_the_answer(spec: TaskSpec, question: str, target: Any, query: str | None) -> None:
    assert Search(spec, Passages(TEXTS, "bm25")).example(Row("a", {"question": question}, target)) == query


@pytest.mark.parametrize(
    ("text", "tools", "call"),
    [
        ("so calculator(1 + 2", ("calculator", "search"), ("calculator", "1 + 2", "so calculator(1 + 2) =")),
        ("search(a b", ("calculator", "search"), ("search", "a b", "search(a b) =")),
        ("python(print(1)", ("calculator", "search"), None),
        ("python(print(1)", ("python",), ("python", "print(1)", "python(print(1)) =")),
        ("python(print(1)) = 7\nAnswer: 7", ("python",), ("python", "print(1)", "python(print(1)) =")),
        ("python(print(1))\nAnswer: 7", ("python",), ("python", "print(1)", "python(print(1)) =")),
        ("python(print(len('a') == 1)", ("python",), ("python", "print(len('a') == 1)", "python(print(len('a') == 1)) =")),
        ("Well:\n```python\nx = 1\nprint(x)\n```\nIt is 7.", ("python",), ("python", "x = 1\nprint(x)", "Well:\n```python\nx = 1\nprint(x)\n```\nOutput:")),
        ("```\nprint(1)", ("python",), ("python", "print(1)", "```python\nprint(1)\n```\nOutput:")),
        ("Answer: 3", ("python", "calculator"), None),
        ("calculator(2) = 2", ("python", "calculator"), ("calculator", "2", "calculator(2) =")),
    ],
)
def test_the_next_call(text: str, tools: tuple[str, ...], call: tuple[str, str, str] | None) -> None:
    found = next_call(text, tools)
    assert (found and (found.tool, found.argument, found.written)) == call


def test_calls_of_every_tool_are_counted() -> None:
    block = asked("python", "x = 1\n\nprint(x)").written
    text = f"calculator(2 * 3) = 6\nsearch(big cats) = lions (calculator(1) = 1)\npython(len('a') == 1) = True\n{block} 1\npython(1/0) = error: ZeroDivisionError\nsearch(x\nAnswer: 6"
    found = calls_in(text)
    assert [(call.tool, call.expression, call.value) for call in found] == [
        ("calculator", "2 * 3", "6"),
        ("search", "big cats", "lions (calculator(1) = 1)"),
        ("python", "len('a') == 1", "True"),
        ("python", "x = 1\n\nprint(x)", "1"),
        ("python", "1/0", None),
        ("search", "x", None),
    ]
    assert (found[4].fault, found[5].fault) == ("ZeroDivisionError", "was not answered")
    assert well_formed([text]) == (4 / 6, 6)
    assert well_formed([text, "calculator(x) = 3"], ("calculator",)) == (2 / 3, 3)
    assert well_formed(["nothing", ""]) == (0.0, 0)


@pytest.mark.usefixtures("consent")
def test_a_model_that_writes_programs_is_told_what_they_print() -> None:
    lines = {
        '"ab cd".\n': "python(print(x)) = 9\nAnswer: 9",
        "not defined\n": "Again:\n```python\nx = 'bd'\nprint(x if len(x) == 2 else 1)\n```\nIt is xx.",
        "Output: bd\n": "Answer: bd",
        '"Answer: no".\n': "python(print('Answer: no'))",
        "= Answer no\n": "So it is.",
    }
    solver, model = tooled(LETTERS, names(12), lines, tools=("python",), shots=3)
    found = solver.predict([{"input": 'Take the last letters of "ab cd".'}, {"input": 'Print "Answer: no".'}])
    assert found[0].value == "bd"
    assert found[0].text == (
        "python(print(x)) = error: NameError: name 'x' is not defined\nAgain:\n```python\nx = 'bd'\nprint(x if len(x) == 2 else 1)\n```\nOutput: bd\nAnswer: bd"
    )
    assert found[1].value == "Answer no", "what comes back gives no answer by its words alone; the last value does"
    assert well_formed([p.text or "" for p in found]) == (2 / 3, 3)
    prompt = solver.prompts([{"input": "x"}])[0]
    assert "Use python(…) to run a program" in prompt
    assert prompt.count("python(print(") == 3 + 1
    assert {how for _, how, _ in model.written} == {192}


def test_a_model_that_searches_is_shown_passages(corpus: str, tmp_path: Path) -> None:
    rows = [Row(f"r{i}", {"question": f"Which river flows through {place}?"}, ["Elbe"]) for i, place in enumerate(("Dresden", "Hamburg"))]
    lines = {"Sicily?\n": "search(volcano Sicily) = Vesuvius", "high.\n": "Answer: Mount Etna", "zebras?\n": "search(zebras)", "found\n": "Answer: nowhere"}
    solver, model = tooled(QUIZ, rows, lines, tools=("search",), corpus=corpus)
    asked_for = [{"question": "What is the volcano of Sicily?"}, {"question": "Who saw zebras?"}]
    found = solver.predict(asked_for)
    assert solver.demonstrations[0].answer == f"search(river flows through {solver.demonstrations[0].text.split()[-1][:-1]}) = {TEXTS[0]}\nAnswer: Elbe"
    assert found[0].value == "Mount Etna"
    assert found[0].text == f"search(volcano Sicily) = {TEXTS[1]}\nAnswer: Mount Etna"
    assert (found[1].value, found[1].text) == ("nowhere", "search(zebras) = error: nothing was found\nAnswer: nowhere")
    Path(corpus).unlink()
    kept = Solver.load(solver.save(tmp_path / "kept"), models=ModelPool({"fake:": model}))
    assert [p.text for p in kept.predict(asked_for)] == [p.text for p in found]
    model.lines = {"\n": "search(volcano)"}
    assert isinstance(solver.predict(asked_for)[0].value, Unparsed), "a passage is no answer"


def test_passages_are_cut_to_the_room_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(" ".join(f"word{i}" for i in range(170)) + "\n\nElbe Dresden", encoding="utf-8")
    row = Row("r", {"question": "Which river flows through Dresden?"}, ["Elbe"])
    lines = {"?\n": "search(word0)", "\n": "Answer: word"}
    solver, model = tooled(QUIZ, [row], lines, {"context": 320}, tools=("search",), corpus=str(tmp_path / "a.txt"))
    (found,) = solver.predict([{"question": "What is it?"}])
    assert found.value == "word"
    shown = model.written[-1][0].rpartition("search(word0) = ")[2].split()
    assert shown == [f"word{i}" for i in range(len(shown))]
    assert 10 < len(shown) < 80


@pytest.mark.usefixtures("consent")
def test_tools_take_turns_in_the_demonstrations() -> None:
    task = read_task("ability:multiplication:2?rows=40")
    solver, _ = tooled(task.spec, list(task[Role.TRAIN]), {}, tools=("calculator", "python"), shots=6)
    used = [call.tool for shown in solver.demonstrations for call in calls_in(shown.answer)]
    assert sorted(used) == ["calculator"] * 3 + ["python"] * 3
    assert solver.prompts([task[Role.TRAIN][0].inputs])[0].count("Then write Answer: and the number.") == 1


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"tools": ("python",)}, r"off unless you allow it; pass --allow-code"),
        ({"tools": ("search",)}, r"was given none; name a folder of texts"),
        ({"tools": ("search", "hammer")}, r"take some of calculator, python, search"),
        ({"tools": ()}, r"take some of calculator"),
        ({"tools": ("search", "search")}, r"each once"),
        ({"calling": "shouted"}, r"give text or native"),
        ({"calling": "native"}, r"'fake:' has no tool calls of its own; give calling='text', or a model behind an API"),
        ({"tools": ("search",), "corpus": "CORPUS"}, r"No call of search is known to lead to a training row's answer \(24 rows were tried\)"),
    ],
)
def test_it_says_what_it_cannot_do(params: dict[str, Any], words: str, corpus: str) -> None:
    task = toy_form_task("numeric-answer")
    given = {name: corpus if value == "CORPUS" else value for name, value in params.items()}
    with pytest.raises(ApproachError, match=words):
        tooled(task.spec, list(task[Role.TRAIN]), {}, **given)


def test_what_it_serves() -> None:
    tasks = {kind: toy_form_task(kind).spec for kind in ("numeric-answer", "regression", "short-answer", "exact-answer", "summarisation", "classification")}
    served = {tools: [kind for kind, spec in tasks.items() if not make("prompt-tools", tools=tools).unsuited(spec)] for tools in (("calculator",), ("python",), ("search",))}
    assert served == {("calculator",): ["numeric-answer"]} | {(name,): ["numeric-answer", "short-answer", "exact-answer"] for name in ("python", "search")}


def test_a_program_that_was_allowed_once_needs_consent_again() -> None:
    with allow_code():
        solver, _ = tooled(LETTERS, names(8), {"\n": "python(print(1))"}, tools=("python",), shots=2)
    with pytest.raises(ApproachError, match="--allow-code"):
        solver.predict([{"input": "x"}])


def spelled() -> Task:
    rows = names(40)
    return Task(LETTERS, {Role.TRAIN: tuple(rows[:8]), Role.SELECT: (), Role.CALIBRATE: (), Role.CERTIFY: tuple(rows[30:32])})


@pytest.mark.usefixtures("consent")
def test_the_contract_holds_with_programs() -> None:
    slow = "It is tried with searches; programs take a while."
    elsewhere = {"save": "A new process has no consent.", "odd_inputs": slow, "batch_split": slow, "refit": slow}
    outcome = check_approach(make("prompt-tools", model="fake:", tools=("python", "calculator"), shots=1, rounds=1), task=spelled(), exceptions=elsewhere)
    assert outcome["load"] == "passed"


def test_the_contract_holds_with_searches(tmp_path: Path) -> None:
    (tmp_path / "animals.txt").write_text("\n\n".join(f"The {animal} is an animal." for animal in next(iter(WORDS.values()))), encoding="utf-8")
    approach = make("prompt-tools", model="fake:", tools=("search",), corpus=str(tmp_path / "animals.txt"))
    outcome = check_approach(approach, task=toy_form_task("short-answer", train=12, test=5), exceptions={"save": "It is loaded in this process."})
    assert outcome["load"] == "passed"
    solver = approach.fit(toy_form_task("short-answer").spec, toy_form_task("short-answer")[Role.TRAIN])
    with pytest.raises(Unsupported, match="native"):
        _native(solver).answer_log_probabilities([{"question": "x"}], ["y"])


def _native(solver: Solver) -> Solver:
    solver.calling = "native"  # type: ignore[attr-defined]
    return solver
