"""Native tool calls: a chat in which a model is told of its tools, calls them as its server has it, and is sent what they give."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fieldguide.approaches.prompting.prompt import Demonstration
from fieldguide.approaches.prompting.tools.tool_calls import SAID, asked, calls_in, value_of
from fieldguide.approaches.prompting.tools.toolbox import Result, Tool
from fieldguide.models.model import Model, Reply, ToolCall

REPLY_TOKENS, AT_ONCE = 256, 8
"""Tokens of one message, and calls in it that are answered."""
Message = dict[str, Any]


def declared(tool: Tool) -> Message:
    """A tool as a model is told of it."""
    schema = {"type": "object", "properties": {tool.argument: {"type": "string"}}, "required": [tool.argument]}
    return {"name": tool.name, "description": tool.about, "parameters": schema}


def opening(instruction: str, shown: Sequence[Demonstration], text: str, tools: Mapping[str, Tool]) -> list[Message]:
    """The messages before a row's first reply: the instruction, each demonstration with its call and what came back, and the row."""
    messages: list[Message] = [{"role": "system", "content": instruction}] if instruction else []
    for k, demonstration in enumerate(shown):
        messages.append({"role": "user", "content": demonstration.text})
        for call in calls_in(demonstration.answer, tuple(tools)):
            own = ToolCall(f"shown{k:04d}", call.tool, json.dumps({tools[call.tool].argument: call.expression}, ensure_ascii=False))
            messages += [_calling("", [own]), _answering(own, call.value or "")]
        messages.append({"role": "assistant", "content": f"{SAID}{demonstration.answer.rpartition(SAID)[2]}"})
    return [*messages, {"role": "user", "content": text}]


def converse(model: Model, chats: Sequence[list[Message]], tools: Mapping[str, Tool], rounds: int) -> list[tuple[str, str | None]]:
    """(all that was written, calls as `asked` shows them with what came back; why the model refused, or None) of each chat.

    After `rounds` rounds of calls a model may call once more, and is asked no further.
    """
    functions, written, refused = [declared(tool) for tool in tools.values()], [""] * len(chats), dict[int, str]()
    chats, going = [list(chat) for chat in chats], list(range(len(chats)))
    for _ in range(rounds + 1):
        replies = model.reply([chats[i] for i in going], functions, max_tokens=REPLY_TOKENS) if going else []
        asked_on = []
        for i, reply in zip(going, replies, strict=True):
            if reply.finish == "refused":
                refused[i] = reply.reason
                continue
            written[i] += "\n" * bool(written[i] and reply.text) + reply.text
            if reply.calls:
                chats[i].append(_calling(reply.text, reply.calls))
                for line, message in _answered(reply, tools):
                    written[i] += "\n" * bool(written[i]) + line
                    chats[i].append(message)
                asked_on.append(i)
        going = asked_on
    return [(text, refused.get(i)) for i, text in enumerate(written)]


def _answered(reply: Reply, tools: Mapping[str, Tool]) -> list[tuple[str, Message]]:
    """Each call of a message as text with what came back, and the message that tells the model."""
    found = []
    for place, call in enumerate(reply.calls):
        argument, result = _run(call, tools) if place < AT_ONCE else (call.arguments, Result(fault=f"more than {AT_ONCE} calls at once"))
        value = value_of(result)
        found.append((f"{asked(call.name, argument).written} {value}", _answering(call, value)))
    return found


def _run(call: ToolCall, tools: Mapping[str, Tool]) -> tuple[str, Result]:
    """(what a tool was called with, what it gave)."""
    if call.name not in tools:
        return call.arguments, Result(fault=f"there is no tool {call.name[:40]}; call {' or '.join(tools)}")
    tool = tools[call.name]
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = None
    argument = given.get(tool.argument) if isinstance(given, dict) else None
    if isinstance(argument, bool) or not isinstance(argument, (str, int, float)):
        return call.arguments, Result(fault=f"the arguments are no JSON object with the text {tool.argument!r}")
    return str(argument), tool.run(str(argument))


def _calling(text: str, calls: Sequence[ToolCall]) -> Message:
    entries = [{"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in calls]
    return {"role": "assistant", "content": text, "tool_calls": entries}


def _answering(call: ToolCall, value: str) -> Message:
    return {"role": "tool", "tool_call_id": call.id, "content": value}
