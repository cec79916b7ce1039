"""Calls of tools as text: how they are shown, found in what a model writes, and counted as well formed or not.

    calculator(12 * 34) = 408

A program may also stand between fences, and what it prints behind "Output:". A fault stands in the place of a value, behind "error:".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from fieldguide.approaches.prompting.tools.calculator import CannotCalculate, calculate
from fieldguide.approaches.prompting.tools.toolbox import CALCULATOR, PYTHON, TOOLS, Result

CLOSED = ") ="
"""What ends a call that a model writes; its value comes next."""
CLOSES = r"\) =(?!=)"
"""The same where programs are written, in which `) ==` compares."""
OUTPUT, ERROR = "Output:", "error:"
SAID = "Answer:"
FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n?```|$)", re.S)


class Call(NamedTuple):
    """One call that a model wrote: what it called with, and what came back or why nothing did."""

    expression: str
    value: str | None
    fault: str = ""
    tool: str = CALCULATOR


class Found(NamedTuple):
    """A call to be answered: what was written up to where its value comes, the tool, and what it is called with."""

    written: str
    tool: str
    argument: str


def asked(tool: str, argument: str) -> Found:
    """A call as it is shown: on one line, or a program of several between fences."""
    if tool == PYTHON and ("\n" in argument or re.search(CLOSES, argument)):
        return Found(f"```python\n{argument}\n```\n{OUTPUT}", tool, argument)
    line = " ".join(argument.split("\n"))
    return Found(f"{tool}({line}{CLOSED}", tool, line)


def next_call(text: str, tools: Sequence[str]) -> Found | None:
    """The first call in what a model has just written; what stands behind it, which the model wrote without its value, is left out.

    Where there is a calculator alone, every text is stopped at the end of a call.
    """
    if set(tools) <= {CALCULATOR}:
        end = _unclosed(tuple(tools)).search(text)
        return None if end is None else Found(text + CLOSED, end[1], end[2])
    line, block = _begun(tuple(tools)).search(text), FENCE.search(text) if PYTHON in tools else None
    if block is not None and (line is None or block.start() < line.start()):
        return Found(f"{text[: block.start()]}```python\n{block[1]}\n```\n{OUTPUT}", PYTHON, block[1])
    if line is None:
        return None
    argument = re.split(CLOSES, line[2])[0]
    if argument == line[2].rstrip() and argument.count(")") > argument.count("("):  # closed, without a sign behind it
        argument = argument.rstrip().removesuffix(")")
    return Found(text[: line.start(2)] + argument + CLOSED, line[1], argument)


def value_of(result: Result) -> str:
    """What came back, on one line and without the words that an answer stands behind."""
    return " ".join((f"{ERROR} {result.fault}" if result.fault else result.text).split("\n")).replace(SAID, SAID.rstrip(":"))


def beside_calls(text: str, tools: Sequence[str]) -> str:
    """A text in which what a program printed stands in its place, and nothing in that of a search; calculations are left as they are."""
    return _written(tuple(tool for tool in tools if tool != CALCULATOR)).sub(_printed, text)


def _printed(match: re.Match[str]) -> str:
    parts = match.groupdict()
    return parts.get("output") or (parts.get("value") if parts.get("tool") == PYTHON else "") or ""


def calls_in(text: str, tools: Sequence[str] = TOOLS) -> list[Call]:
    """Every call in what a model wrote, well formed or not, with its value. Nothing but arithmetic is run again."""
    found = []
    for match in _written(tuple(tools)).finditer(text):
        name, argument, value, program, output = (match.groupdict().get(part) for part in ("tool", "argument", "value", "program", "output"))
        if match["sum"] is not None:
            found.append(_calculated(match["sum"]))
        elif program is not None:
            found.append(_filled(PYTHON, program, output))
        elif name is not None:
            found.append(_filled(name, argument or "", value))
    return found


def well_formed(texts: Iterable[str], tools: Sequence[str] = TOOLS) -> tuple[float, int]:
    """(the share of calls in these texts to which a value came back, the number of calls); a share of no calls is 0."""
    calls = [call for text in texts for call in calls_in(text, tools)]
    return sum(call.value is not None for call in calls) / max(len(calls), 1), len(calls)


def _calculated(expression: str) -> Call:
    try:
        return Call(expression, calculate(expression))
    except CannotCalculate as fault:
        return Call(expression, None, str(fault))


def _filled(tool: str, argument: str, value: str | None) -> Call:
    said = (value or "").strip()
    if not said or said.startswith(ERROR):
        return Call(argument, None, said.removeprefix(ERROR).strip() or "was not answered", tool)
    return Call(argument, said, tool=tool)


@lru_cache
def _unclosed(tools: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"({'|'.join(tools)})\(([^\n]*)$")


@lru_cache
def _begun(tools: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"({'|'.join(tools)})\(([^\n]*)")


@lru_cache
def _written(tools: tuple[str, ...]) -> re.Pattern[str]:
    """Blocks between fences, calls whose value takes the rest of the line, and calculations."""
    others = [re.escape(tool) for tool in tools if tool != CALCULATOR]
    parts = [rf"```(?:python|py)?[ \t]*\n(?P<program>(?s:.*?))\n?```(?:\n{OUTPUT}(?P<output>[^\n]*))?"] if PYTHON in tools else []
    parts += [rf"(?P<tool>{'|'.join(others)})\((?P<argument>[^\n]*?)(?:{CLOSES}(?P<value>[^\n]*)|\)?$)"] if others else []
    parts += [rf"{CALCULATOR}\((?P<sum>[^\n]*?)(?:\) =|\)?$)" if CALCULATOR in tools else r"(?P<sum>(?!))"]
    return re.compile("|".join(parts), re.M)
