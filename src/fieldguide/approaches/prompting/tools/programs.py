"""Python as a tool (PAL: Gao et al. 2023, arXiv:2211.10435): a program runs in the sandbox, and what it prints comes back.

Nothing runs unless the user has allowed it. Programs to show are tried in the sandbox like those of a model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import ClassVar

from fieldguide import sandbox
from fieldguide.approaches.prompting.tools.calculator import expression_for
from fieldguide.approaches.prompting.tools.toolbox import PYTHON, Result, leads, wanted_number
from fieldguide.errors import ApproachError
from fieldguide.records import Row
from fieldguide.tasks.task import TaskSpec

LONGEST, PRINTED, WORDS = 4_000, 300, 12
"""Characters of a program, of what it prints, and of the fault's own words."""
CPU_S, WALL_S, MEMORY = 2, 6.0, 256 << 20
ENDED = {
    "time": "took too long", "memory": "took too much memory", "output": "printed too much", "files": "wrote too much", "exit": "left early",
    "killed": "was killed",
}  # fmt: skip
NOTHING = "printed nothing; print the result, in a program without blank lines"
QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”")
LETTERS = (
    '"".join(w[-1] for w in {}.split())', '"".join(w[0] for w in {}.split())', "{}[::-1]", '" ".join({}.split()[::-1])',
    '" ".join(sorted({}.split()))', "{}.upper()", "len({}.split())", "len({})", "{}[0]", "{}[-1]",
)  # fmt: skip
"""What may be done with a text; examples take the one that gives the answer."""
TRIED = """
import json
found = []
for text in {}:
    try:
        found.append(str(eval(text)))
    except Exception:
        found.append(None)
print(json.dumps(found))
"""
PRINTING = """
_text = {}
try:
    _code = compile(_text, "program", "eval")
except SyntaxError:
    exec(compile(_text, "program", "exec"))
else:
    _value = eval(_code)
    if _value is not None:
        print(_value)
"""


@dataclass(frozen=True)
class Python:
    """A program in one line, or in a block between fences."""

    name: ClassVar[str] = PYTHON
    hint: ClassVar[str] = f"Use {PYTHON}(…) to run a program in one line, such as {PYTHON}(print(2 + 3)); what it prints is filled in for you."
    about: ClassVar[str] = "Runs a Python program with the standard library and without files or network; gives what it prints."
    argument: ClassVar[str] = "program"
    tokens: ClassVar[int] = 192
    answers: ClassVar[bool] = True
    mends: ClassVar[bool] = True

    task: TaskSpec

    def example(self, row: Row) -> str | None:
        """A program that prints the one expression, of the row's own or over its text, that gives the right answer; None for none and for several."""
        texts = expressions(self.task, row)
        run = _run(TRIED.format(repr(texts))) if texts else Result()
        try:
            values = json.loads(run.text)
        except ValueError:
            return None
        found = [text for text, value in zip(texts, values, strict=True) if value is not None and leads(self.task, row, value)]
        return f"print({found[0]})" if len(found) == 1 else None

    def run(self, argument: str) -> Result:
        """What the program prints, on one line; of an expression alone its value."""
        program = argument.strip().strip("\n")
        if not program or len(program) > LONGEST:
            return Result(fault="is empty or too long")
        found = _run(_printing(program))
        printed = " ".join(found.text.split())
        if not printed and not found.fault:
            return Result(fault=NOTHING)
        return Result(printed if len(printed) <= PRINTED else f"{printed[:PRINTED]}…", found.fault)


def need_python() -> None:
    """Raise `UserError` unless programs may run here: the user has allowed it, and the machine has a sandbox."""
    if not sandbox.allowed():
        raise ApproachError(
            "The tool python runs programs that a model wrote, in a sandbox, and that is off unless you allow it; "
            "pass --allow-code, or allow_code=True in Python."
        )
    sandbox.layers()


def expressions(task: TaskSpec, row: Row) -> list[str]:
    """Expressions whose value could be the answer: one that the row itself holds, one of its numbers, and what may be done with its text."""
    text = "\n".join(task.reader.segments(task, row.inputs)).strip()
    own = text.rstrip(" \t\n=?:").removesuffix(" is").rstrip()
    if _is_expression(own):
        return [own]
    wanted = wanted_number(task, row)
    numbers = expression_for(task.reader.show(task, row.inputs), wanted) if wanted is not None else None
    if numbers is not None or task.reader.answer == "number":
        return [numbers] if numbers is not None else []
    quoted = [a or b for a, b in QUOTED.findall(text)]
    about = quoted[0] if len(quoted) == 1 else text
    return [done.format(json.dumps(about, ensure_ascii=False)) for done in LETTERS]


def _is_expression(text: str) -> bool:
    """Whether a text is an expression of numbers, truth values and signs, and no name or bare number."""
    words = re.findall(r"[^\W\d]\w*", text)
    return (
        "\n" not in text
        and set(words) <= {"True", "False", "and", "or", "not"}
        and not re.search(r"\*\*|[^\w\s.()+\-*/%<>=!]", text)
        and (bool(words) or bool(re.search(r"\d.*[-+*/%].*\d", text)))
    )


def _printing(program: str) -> str:
    """The program; where it is an expression, one that prints its value."""
    return PRINTING.format(repr(program))


def _run(program: str) -> Result:
    """What a program printed up to its end, and the fault where it has one."""
    need_python()
    limits = sandbox.Limits(cpu_s=CPU_S, wall_s=WALL_S, memory_bytes=MEMORY, file_bytes=1 << 20, output_bytes=64 << 10)
    found = sandbox.run(program, limits=limits)
    if found.finished:
        return Result(found.output)
    return Result(fault=ENDED.get(found.ended) or " ".join(found.why.split()[:WORDS]) or "failed")
