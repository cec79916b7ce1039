"""Native tool calls: the seam of models that take tools, over real sockets, and the loop that answers a row with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer, Reply, Seen, ToolServer

from fieldguide.approaches.approach import FitContext, Solver, make
from fieldguide.approaches.prompting.tools.tools import ToolSolver, well_formed
from fieldguide.errors import BudgetSpent, Incomplete, ModelError, Unsupported
from fieldguide.models import meter
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.api.pace import Patience
from fieldguide.models.api.wire import MESSAGE_TOKENS, TOOL_TOKENS, most_usage
from fieldguide.models.fake import FakeModel
from fieldguide.models.model import ToolCall
from fieldguide.models.openai_api import OpenAIModel, load_openai
from fieldguide.models.pool import ModelPool
from fieldguide.models.prices import Price
from fieldguide.records import Unparsed, Usage
from fieldguide.tasks.build import read_task
from fieldguide.tasks.task import Role, Task
from fieldguide.testing.check_model import check_model
from fieldguide.testing.model_clauses import TOOL

QUICK = Patience(timeout_s=2.0, first_wait_s=0.01, longest_wait_s=0.05)
PRICE = Price(3.0, 1.0, 7.0, "2026-11-01", "")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "prices.json").write_text(json.dumps({"toy": {"prompt": PRICE.prompt, "cached": PRICE.cached, "completion": PRICE.completion, "date": PRICE.date}}))
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(tmp_path / "prices.json"))


def model_at(server: FaultyServer) -> OpenAIModel:
    return load_openai(f"openai:toy@{server.url}", QUICK)


def chat(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def as_told(question: str) -> list[str]:
    """The calls of a question such as "What is 12 times 34?"."""
    words = question.rstrip("?").split()
    return [f"{words[-3]} * {words[-1]}"] if words[-2:-1] == ["times"] else []


class Calculating(ToolServer):
    asks = staticmethod(as_told)


def test_the_contract_holds_for_a_server_that_calls_tools() -> None:
    with Calculating() as server:
        assert set(check_model(model_at(server)).values()) == {"passed"}
    with pytest.raises(Unsupported, match=r"takes no tools; it can: embed, generate, score"):
        FakeModel().reply([chat("a")], [TOOL])


def test_faults_refusals_and_money_are_those_of_any_request() -> None:
    faults = {"busy": 0.1, "broken": 0.1, "cut": 0.1, "malformed": 0.1, "no_choices": 0.1, "duplicate_choices": 0.1}
    chats = [chat(f"What is {i} times 7?") for i in range(60)]
    with Calculating(faults, seed=2) as server, meter.metering() as total:
        model = model_at(server)
        found = model.reply(chats, [TOOL], max_tokens=20)
        assert {seen.fault for seen in server.asked} == {"", *faults}
        expected = Usage(calls=len(chats))
        for seen in server.asked:
            real = Usage(1, *(seen.billed or (0, 0))[:2], cost_usd=PRICE.cost(*(seen.billed or (0, 0, 0))))
            if seen.fault in ("", "duplicate_choices"):
                expected = expected + Usage(0, real.prompt_tokens, real.completion_tokens, cost_usd=real.cost_usd)
            elif seen.fault != "busy":
                expected = expected + (real if seen.fault == "no_choices" else Usage(calls=1) + most_usage(seen.body, PRICE))
    assert [[(own.name, json.loads(own.arguments)) for own in reply.calls] for reply in found] == [[("calculator", {"expression": f"{i} * 7"})] for i in range(60)]
    assert {reply.finish for reply in found} == {"calls"}
    assert (total.usage.calls, total.usage.prompt_tokens, total.usage.completion_tokens) == (expected.calls, expected.prompt_tokens, expected.completion_tokens)
    assert total.usage.cost_usd == pytest.approx(expected.cost_usd)


def test_what_is_held_counts_messages_tools_and_calls() -> None:
    body: dict[str, Any] = {"messages": chat("é"), "max_tokens": 5}
    bare = most_usage(body, PRICE)
    assert bare.prompt_tokens == 2 + MESSAGE_TOKENS
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}
    whole = most_usage({**body, "messages": [*chat("é"), called], "tools": [TOOL]}, PRICE)
    assert whole.prompt_tokens == bare.prompt_tokens + len('[{"id": "a"}]') + len(json.dumps([TOOL])) + MESSAGE_TOKENS + TOOL_TOKENS


def test_replies_are_remembered_by_everything_that_decides_them() -> None:
    with Calculating() as server, remembering(AnswerStore()) as store:
        model = model_at(server)
        asked: list[tuple[list[list[dict[str, Any]]], list[dict[str, Any]], int]] = [
            ([chat("2 times 3")], [TOOL], 9), ([chat("2 times 3")], [TOOL], 9), ([chat("2 times 4")], [TOOL], 9),
            ([chat("2 times 3")], [{**TOOL, "name": "sum"}], 9), ([chat("2 times 3")], [TOOL], 8), ([[*chat("2 times 3"), *chat("x")]], [TOOL], 9),
        ]  # fmt: skip
        found = [model.reply(chats, tools, max_tokens=room) for chats, tools, room in asked]
        assert (len(store), len(server.asked)) == (5, 5)
        assert found[0] == found[1]
        assert found[0][0].calls == (ToolCall("id0000000", "calculator", '{"expression": "2 * 3"}'),)
        model.generate(["2 times 3"], max_tokens=9)
        assert len(store) == 6, "a reply is no continuation"


def test_what_cannot_be_afforded_is_not_asked() -> None:
    with Calculating() as server, remembering(AnswerStore()) as store:
        model = model_at(server)
        with meter.metering(tokens_limit=1000), pytest.raises(BudgetSpent) as spent:
            model.reply([chat(f"{i} times 3") for i in range(60)], [TOOL], max_tokens=50)
        assert 0 < len(spent.value.answers) == len(store) < 60
        assert model.reply([chat("0 times 3")], [TOOL], max_tokens=50)[0].calls


def refusing(status: int, words: str, where: Callable[[Seen], bool]) -> Callable[[FaultyServer, Seen], Reply | None]:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(status, {"error": {"message": words}}) if isinstance(seen.body, dict) and where(seen) else None

    return script


def test_servers_that_take_no_tools_say_so() -> None:
    with FaultyServer(script=refusing(400, "toy does not support tools", lambda seen: "tools" in seen.body)) as server:
        with pytest.raises(ModelError, match=r"No request was taken by 'toy' .* 'toy does not support tools'"):
            model_at(server).reply([chat("a"), chat("b")], [TOOL])
        assert model_at(server).generate(["a"])[0][0].text
    with FaultyServer(script=refusing(404, "Not Found", lambda seen: seen.path.endswith("/chat/completions"))) as server:
        model = model_at(server)
        with pytest.raises(ModelError, match=r"has no chat, in which tools are called; have 'toy' write its calls as text"):
            model.reply([chat("a")], [TOOL])
    with FaultyServer(script=refusing(500, "broken", lambda seen: "tools" in seen.body)) as server, pytest.raises(Incomplete):
        model_at(server).reply([chat("a")], [TOOL])
    with Calculating(script=refusing(400, "odd row", lambda seen: "odd" in json.dumps(seen.body))) as server:
        good, bad = model_at(server).reply([chat("2 times 3"), chat("odd")], [TOOL])
    assert (good.finish, bad.finish, bad.reason) == ("calls", "refused", "the server answered 400: odd row")


DEVIATIONS: list[tuple[dict[str, Any], str, tuple[ToolCall, ...]]] = [
    ({"content": "", "tool_calls": [{"function": {"name": "a", "arguments": {"x": 1}}}]}, "stop", (ToolCall("call00000", "a", '{"x": 1}'),)),
    ({"content": None, "tool_calls": [{"id": "q", "function": {"name": "a", "arguments": "{"}}]}, "length", (ToolCall("q", "a", "{"),)),
    ({"content": "so", "tool_calls": [None, {"function": None}, {"id": 7, "function": {"name": "b"}}]}, "stop", (ToolCall("7", "b", "null"),)),
    ({"content": "so", "tool_calls": []}, "stop", ()),
    ({"content": "so", "tool_calls": "odd"}, "stop", ()),
]


@pytest.mark.parametrize(("message", "finish", "calls"), DEVIATIONS)
def test_servers_write_calls_in_their_own_ways(message: dict[str, Any], finish: str, calls: tuple[ToolCall, ...]) -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(data={"choices": [{"index": 0, "finish_reason": finish, "message": message}]}) if "tools" in seen.body else None

    with FaultyServer(script=script) as server:
        (found,) = model_at(server).reply([chat("a")], [TOOL])
    assert found.calls == calls
    assert found.finish == ("calls" if calls else finish)
    assert found.text == (message["content"] or "")


@pytest.fixture
def task() -> Task:
    return read_task("ability:multiplication:2?rows=40")


def native(task: Task, server: FaultyServer, shots: int = 2, **params: Any) -> tuple[ToolSolver, ModelPool]:
    reference = f"openai:toy@{server.url}"
    pool = ModelPool({reference: model_at(server)})
    rows: Sequence[Any] = task[Role.TRAIN] if shots else ()
    solver = make("prompt-tools", model=reference, calling="native", shots=shots or 1, **params).fit(task.spec, rows, context=FitContext(models=pool))
    assert isinstance(solver, ToolSolver)
    return solver, pool


def test_rows_are_answered_with_native_calls(task: Task, tmp_path: Path) -> None:
    rows = [row.inputs for row in task[Role.CERTIFY]][:6]
    with Calculating() as server:
        solver, pool = native(task, server)
        found, seen = solver.predict(rows), server.asked
        assert [p.value for p in found] == [row.target for row in task[Role.CERTIFY]][:6]
        assert len(seen) == 12
        first, prompt = seen[0].body, solver.prompts(rows[:1])[0]
        assert {"messages": first["messages"], "tools": [tool["function"] for tool in first["tools"]]} in map(json.loads, solver.prompts(rows))
        kept = Solver.load(solver.save(tmp_path / "kept"), models=pool)
        assert [p.text for p in kept.predict(rows)] == [p.text for p in found]
    messages = json.loads(prompt)["messages"]
    assert [message["role"] for message in messages] == ["system", *["user", "assistant", "tool", "assistant"] * 2, "user"]
    assert "calculator(" not in messages[0]["content"]
    shown = messages[2]["tool_calls"][0]["function"]
    assert json.loads(shown["arguments"])["expression"].count("*") == 1
    assert messages[4]["content"] == f"Answer: {messages[3]['content']}"
    a, b = rows[0]["question"].rstrip("?").split()[-3::2]
    assert found[0].text == f"calculator({a} * {b}) = {int(a) * int(b)}\nAnswer: {int(a) * int(b)}"
    assert well_formed([p.text or "" for p in found]) == (1.0, 6)
    turns = [s.body["messages"] for s in seen if s.body["messages"][-1]["role"] == "tool"]
    assert all(t[-2]["tool_calls"][0]["id"] == t[-1]["tool_call_id"] for t in turns)


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        ("open('x')", "holds more than numbers and signs"),
        ('{"expression": ', "no JSON object"),
        ('{"sum": "1"}', "no JSON object with the text 'expression'"),
        ('{"expression": ["1"]}', "no JSON object"),
        ("9**9**9", "raises to a power"),
        ("(" * 5000, "too long"),
    ],
)
def test_odd_calls_come_back_as_faults(task: Task, argument: str, fault: str) -> None:
    class Odd(ToolServer):
        asks = staticmethod(lambda question: [argument])

    with Odd() as server:
        solver, _ = native(task, server, shots=0)
        (found,) = solver.predict([{"question": "What is 2 times 3?"}])
        sent = [message for message in server.asked[-1].body["messages"] if message["role"] == "tool"]
    assert sent[0]["content"].startswith("error: ")
    assert fault in sent[0]["content"]
    assert isinstance(found.value, Unparsed)
    assert well_formed([found.text or ""])[0] == 0


def test_calls_without_end_are_ended(task: Task) -> None:
    class Endless(ToolServer):
        def _choice(self, seen: Seen, k: int, text: str, chat: bool) -> dict[str, Any]:
            if "tools" not in seen.body:
                return super()._choice(seen, k, text, chat)
            calls = [{"id": f"i{i}", "function": {"name": name, "arguments": '{"expression": "2 + 3"}'}} for i, name in enumerate(["calculator"] * 20 + ["hammer"])]
            return {"index": 0, "finish_reason": "tool_calls", "message": {"content": None, "tool_calls": calls}}

    with Endless() as server:
        solver, _ = native(task, server, shots=0, rounds=2)
        (found,) = solver.predict([{"question": "What is 2 times 3?"}])
        seen = server.asked
    assert (found.value, len(seen)) == (5.0, 3)
    sent = [message["content"] for message in seen[1].body["messages"] if message["role"] == "tool"]
    assert sent == ["5"] * 8 + ["error: more than 8 calls at once"] * 13
    assert well_formed([found.text or ""]) == (24 / 60, 60)


def test_a_refused_row_is_unparsed_and_the_others_are_answered(task: Task) -> None:
    with Calculating(script=refusing(400, "not this", lambda seen: "tools" in seen.body and "bad" in json.dumps(seen.body))) as server:
        solver, _ = native(task, server, shots=0)
        good, bad = solver.predict([{"question": "What is 12 times 34?"}, {"question": "What is bad times 3?"}])
    assert good.value == 408.0
    assert isinstance(bad.value, Unparsed)
    assert "not this" in bad.value.reason
