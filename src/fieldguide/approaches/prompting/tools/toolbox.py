"""Tools that a prompted model may call: a calculator, Python in the sandbox, search over a corpus; each finds calls to show by itself.

A call is shown in a demonstration only if it leads to that row's right answer (Schick et al. 2023, arXiv:2302.04761, section 2, keep calls that make
what follows likelier; here the answer is known, so that it decides). What a model writes into a call is never trusted: a fault comes back in words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from fieldguide.approaches.prompting.reasoning.rationales import right
from fieldguide.approaches.prompting.tools.calculator import NAME, CannotCalculate, calculate, expression_for
from fieldguide.errors import ApproachError
from fieldguide.records import Row, Unparsed
from fieldguide.tasks.task import TaskSpec

if TYPE_CHECKING:
    from fieldguide.approaches.prompting.passages import Passages

CALCULATOR, PYTHON, SEARCH = NAME, "python", "search"
TOOLS = (CALCULATOR, PYTHON, SEARCH)
PLAIN = re.compile(r"-?\d+(?:\.\d+)?")


class Result(NamedTuple):
    """What a call gave: a text, or the fault in a few words."""

    text: str = ""
    fault: str = ""


class Tool(Protocol):
    """Something that a model may call with one text."""

    name: ClassVar[str]
    hint: ClassVar[str]
    """When to call it, and what comes back, as a prompt says it where calls are written in the text."""
    about: ClassVar[str]
    """What it does, for a model that is told of its tools."""
    argument: ClassVar[str]
    """What it is called with."""
    tokens: ClassVar[int]
    """Of one call."""
    answers: ClassVar[bool]
    """Whether what comes back may itself be the answer."""
    mends: ClassVar[bool]
    """Whether a fault is told to a model that writes calls, which may then call again; else the row ends there."""

    def example(self, row: Row) -> str | None:
        """A call that leads to a training row's right answer; None where none is known."""
        ...

    def run(self, argument: str) -> Result:
        """What a call gives. No argument raises."""
        ...


@dataclass(frozen=True)
class Calculator:
    """The exact value of an expression; examples are the one expression of the row's own numbers that gives the target."""

    name: ClassVar[str] = CALCULATOR
    hint: ClassVar[str] = f"Use {CALCULATOR}(…) for every calculation; its value is filled in for you."
    about: ClassVar[str] = "The exact value of an expression of numbers, + - * / // % ** and brackets."
    argument: ClassVar[str] = "expression"
    tokens: ClassVar[int] = 64
    answers: ClassVar[bool] = True
    mends: ClassVar[bool] = False

    task: TaskSpec

    def example(self, row: Row) -> str | None:
        wanted = wanted_number(self.task, row)
        found = None if wanted is None else expression_for(self.task.reader.show(self.task, row.inputs), wanted)
        return found if found is not None and (self.task.reader.answer == "number" or leads(self.task, row, calculate(found))) else None

    def run(self, argument: str) -> Result:
        try:
            return Result(calculate(argument))
        except CannotCalculate as fault:
            return Result(fault=str(fault))


def toolbox(names: Sequence[str], task: TaskSpec, passages: Passages | None, shown: int) -> tuple[Tool, ...]:
    """The tools of these names, in their order. `passages`, of which each search shows `shown`, are needed by search alone."""
    from fieldguide.approaches.prompting.tools.lookup import Search
    from fieldguide.approaches.prompting.tools.programs import Python

    found: list[Tool] = []
    for name in names:
        if name == SEARCH:
            assert passages is not None, "search has passages"
            found.append(Search(task, passages, shown))
        else:
            found.append(Calculator(task) if name == CALCULATOR else Python(task))
    return tuple(found)


def check_tools(names: Sequence[str]) -> None:
    """Raise `ApproachError` unless these are tools, each once."""
    if not names or len(set(names)) != len(names) or not set(names) <= set(TOOLS):
        raise ApproachError(f"The tools {', '.join(names) or 'named are none, which'} cannot be given; take some of {', '.join(TOOLS)}, each once.")


def wanted_number(task: TaskSpec, row: Row) -> float | None:
    """The number that a training row asks for; None where its answer is no number in digits."""
    if task.reader.answer == "number":
        return float(row.target)
    said = task.reader.say(task, row.target)
    return float(said) if PLAIN.fullmatch(said) else None


def leads(task: TaskSpec, row: Row, text: str) -> bool:
    """Whether a text, read as an answer, is wholly right for a training row."""
    found = task.reader.parse(task, text, row.inputs)
    return not isinstance(found, Unparsed) and right(task, row.target, found)
