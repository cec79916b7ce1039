"""The `openai:` backend against servers that err, refuse, deviate and echo, over real sockets: one right answer a row, none lost, none mixed up."""

from __future__ import annotations

import asyncio
import json
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from faulty_server import EchoServer, FaultyServer, Reply, Script, Seen, answer_to, nats

from fieldguide.errors import Incomplete, ModelError
from fieldguide.models import meter
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.api.pace import Gate, Patience
from fieldguide.models.api.wire import most_usage
from fieldguide.models.openai_api import OpenAIModel, load_openai
from fieldguide.models.prices import Price
from fieldguide.records import Usage
from fieldguide.testing.check_model import check_model

QUICK = Patience(timeout_s=2.0, first_wait_s=0.01, longest_wait_s=0.05)
PRICE = Price(3.0, 1.0, 7.0, "2026-11-01", "")
FAULTS = {
    "busy": 0.008,
    "busy_says_when": 0.006,
    "broken": 0.05,
    "hang": 0.0015,
    "cut": 0.05,
    "malformed": 0.05,
    "not_json": 0.02,
    "no_choices": 0.02,
    "no_text": 0.02,
    "duplicate_choices": 0.05,
    "body_twice": 0.03,
    "reply_twice": 0.05,
    "length_too_long": 0.03,
    "length_too_short": 0.03,
}
HARMLESS, FREE, TOLD = {"", "duplicate_choices", "reply_twice"}, {"busy", "busy_says_when"}, {"no_choices", "no_text"}
"""Faults that leave a right answer; that bill nothing; that say what they bill. The others leave the bill unknown."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no address of this machine's user; a price for the model that the servers serve."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"toy": {"prompt": PRICE.prompt, "cached": PRICE.cached, "completion": PRICE.completion, "date": PRICE.date}}))
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(prices))


def model_at(server: FaultyServer, patience: Patience = QUICK) -> OpenAIModel:
    return load_openai(f"openai:toy@{server.url}", patience)


def refusing(*refusals: tuple[str, int, Any]) -> Script:
    """A server that refuses each request whose body has the parameter, with this status and error."""

    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        for name, status, data in refusals:
            if isinstance(seen.body, dict) and name in seen.body and not seen.body.get("echo"):
                return Reply(status, data)
        return None

    return script


def test_two_thousand_requests_to_a_faulty_server_lose_nothing() -> None:
    prompts = [f"row {i}: what is it?" for i in range(2000)]
    with FaultyServer(FAULTS, seed=1) as server, meter.metering() as total:
        model = model_at(server)
        found = model.generate(prompts, max_tokens=20)
    assert [[g.text for g in row] for row in found] == [[answer_to(prompt)] for prompt in prompts]
    assert all(g.finish == "stop" and g.tokens == 3 and g.logprob is not None and g.logprob < 0 for row in found for g in row)
    struck = Counter(seen.fault for seen in server.asked)
    assert set(struck) == {"", *FAULTS}, "some fault never struck"

    expected = Usage(calls=len(prompts))
    billed = Usage()
    for seen in server.asked:
        told = seen.billed or (0, 0, 0)
        real = Usage(1, *told[:2], cost_usd=PRICE.cost(*told))
        lost = Usage(calls=1) + most_usage(seen.body, PRICE)
        billed = billed + (real if seen.billed else Usage())
        if seen.fault in HARMLESS:
            expected = expected + Usage(0, *told[:2], cost_usd=real.cost_usd)
        elif seen.fault not in FREE:
            expected = expected + (real if seen.fault in TOLD else lost)
    used = total.usage
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (expected.calls, expected.prompt_tokens, expected.completion_tokens)
    assert math.isclose(used.cost_usd, expected.cost_usd)
    assert used.calls >= billed.calls
    assert used.prompt_tokens >= billed.prompt_tokens
    assert used.completion_tokens >= billed.completion_tokens
    assert used.cost_usd >= billed.cost_usd > 0


def test_the_contract_holds_for_a_server_that_generates() -> None:
    with FaultyServer() as server:
        model = model_at(server)
        assert model.facts.can == {"generate", "tools"}
        assert set(check_model(model).values()) == {"passed"}


@pytest.mark.parametrize("start", ["", "<s>"])
def test_the_contract_holds_for_a_server_that_echoes(start: str) -> None:
    with EchoServer() as server:
        server.start = start
        model = model_at(server)
        assert model.facts.can == {"generate", "score", "tools"}
        assert set(check_model(model).values()) == {"passed"}


def test_scores_are_those_of_the_text_as_it_is_read() -> None:
    with EchoServer() as server, meter.metering() as total:
        model = model_at(server)
        scores = model.score(["the cat", "the dog  ", ""], [[" sat", " sat down"], ["ran"], ["Yes"]])
        sent = len([s for s in server.seen if s.body.get("echo")]) - 2  # two to see whether it echoes
    wanted = ((nats("the cat", " sat"), nats("the cat", " sat down")), (nats("the dog", "  ran"),), (nats("\n", "Yes"),))
    for row, own in zip(scores.totals, wanted, strict=True):
        assert row == pytest.approx(own)
    assert [len(parts) for parts in scores.tokens[0]] == [1, 2]
    assert (total.usage.calls, sent) == (3, 4), "a prompt is one call, and each option one request"
    assert total.usage.cached_tokens > 0
    assert total.usage.cost_usd == pytest.approx(PRICE.cost(total.usage.prompt_tokens, total.usage.completion_tokens, total.usage.cached_tokens))


def test_a_server_that_gives_each_token_the_next_ones_probability_is_not_believed() -> None:
    with EchoServer() as server:
        server.shift = 1
        assert model_at(server).facts.can == {"generate", "tools"}


def test_choosing_on_a_server_that_echoes_scores() -> None:
    with EchoServer() as server:
        model = model_at(server)
        options = [" one", " two", " three"]
        [[choice]] = model.choose(["which"], [options])
        assert choice.text == max(options, key=lambda option: nats("which", option))
        assert not server.asked, "no chat was needed"


def test_concurrency_doubles_then_grows_slowly_and_halves_once_a_round_trip() -> None:
    async def act() -> list[float]:
        gate, limits = Gate(4, 64), []
        for _ in range(8):
            gate.succeeded()
        limits.append(gate.limit)
        began = time.monotonic()
        gate.overloaded(began)
        gate.overloaded(began)  # from the same round trip
        limits.append(gate.limit)
        gate.succeeded()
        limits.append(gate.limit)
        gate.overloaded(time.monotonic())
        limits.append(gate.limit)
        for _ in range(1000):
            gate.succeeded()
        assert 40 < gate.limit < 50  # about the square root of twice the successes
        return [*limits, gate.narrowest]

    assert asyncio.run(act()) == pytest.approx([12, 6, 6 + 1 / 6, (6 + 1 / 6) / 2, 3])


def test_concurrency_rises_to_what_a_server_bears_and_falls_when_it_is_overloaded() -> None:
    def bears_ten(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(503, {"error": {"message": "overloaded"}}) if seen.together > 10 and not seen.body.get("echo") else None

    with FaultyServer(script=bears_ten, delay=0.01) as server:
        model = model_at(server)
        model.generate([f"{i}" for i in range(200)], max_tokens=4)
        together = [seen.together for seen in server.asked]
    assert max(together[:4]) <= 4, "it begins gently"
    assert 10 < max(together) <= 24, "it rises until the server says no, and no further"
    assert sum(t > 10 for t in together) < 0.2 * len(together), "it falls after that"
    assert sorted(together[-100:])[50] >= 4, "it stays at work"


@pytest.mark.parametrize("cap", [1, 6])
def test_the_widest_concurrency_can_be_set(cap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_API_CONCURRENCY", str(cap))
    with FaultyServer(delay=0.01) as server:
        load_openai(f"openai:toy@{server.url}").generate([f"{i}" for i in range(40)])
        assert max(seen.together for seen in server.asked) == cap


def _wait_headers() -> Iterator[tuple[dict[str, str], float]]:
    yield {"Retry-After": "0.3"}, 0.3
    yield {"retry-after-ms": "300", "Retry-After": "60"}, 0.3
    yield {"Retry-After": formatdate(time.time() + 2, usegmt=True)}, 0.9


@pytest.mark.parametrize(("headers", "least_s"), list(_wait_headers()), ids=["seconds", "milliseconds", "date"])
def test_the_wait_that_a_server_asks_for_is_kept_by_all(headers: dict[str, str], least_s: float) -> None:
    told: list[float] = []

    def busy_once(server: FaultyServer, seen: Seen) -> Reply | None:
        if seen.method == "POST" and "messages" in seen.body and seen.prompt == "9" and not told:
            told.append(time.monotonic())
            if "GMT" in headers.get("Retry-After", ""):
                headers["Retry-After"] = formatdate(time.time() + 2, usegmt=True)
            return Reply(429, {"error": {"message": "slow down"}}, headers=headers)
        return None

    with FaultyServer(script=busy_once, delay=0.005) as server:
        found = model_at(server).generate([f"{i}" for i in range(60)])
        assert [row[0].text for row in found] == [answer_to(f"{i}") for i in range(60)]
        soon = [seen for seen in server.asked if told[0] + 0.05 < seen.began < told[0] + least_s - 0.05]
    assert not soon, f"{len(soon)} requests came while the server had asked for a pause"


def test_a_wait_that_is_too_long_ends_the_call() -> None:
    def tomorrow(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(429, {"error": {"message": "no"}}, headers={"Retry-After": "86400"}) if "messages" in seen.body else None

    with FaultyServer(script=tomorrow) as server, pytest.raises(ModelError, match="asks to wait 86400 s"):
        model_at(server).generate(["a", "b"])


def test_a_row_that_is_refused_says_why_and_the_others_are_answered() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        if "messages" not in seen.body:
            return None
        if seen.prompt == "filtered":
            return Reply(400, {"error": {"message": "It breaks the rules.", "code": "content_policy_violation"}})
        if seen.prompt == "long":
            return Reply(413, raw=b"Payload Too Large")
        if seen.prompt == "odd":
            return Reply(422, {"detail": [{"loc": ["body", "messages"], "msg": "is odd"}]})
        if seen.prompt in ("stopped", "declined"):
            data = server.good(seen)
            declined = {"message": {"content": None, "refusal": "I cannot."}}
            data["choices"][0] |= {"finish_reason": "content_filter"} if seen.prompt == "stopped" else declined
            return Reply(data=data)
        return None

    with FaultyServer(script=script) as server, meter.metering() as total:
        model = model_at(server)
        found = [row[0] for row in model.generate(["filtered", "good", "long", "odd", "stopped", "declined"])]
        assert [g.finish for g in found] == ["refused", "stop", "refused", "refused", "refused", "refused"]
        assert [g.text for g in found] == ["", answer_to("good"), "", "", "", ""]
        reasons = ("It breaks the rules", "Payload Too Large", "is odd", "content filter", "I cannot")
        assert all(part in g.reason for part, g in zip(reasons, (g for g in found if g.finish == "refused"), strict=True))
        assert total.usage.calls == 6
        assert [g.finish for [g] in model.generate(["filtered"])] == ["refused"], "a refusal of content is one row's, even alone"
        with pytest.raises(ModelError, match="is odd") as whole:
            model.generate(["odd", "odd", "odd"])
        assert not isinstance(whole.value, Incomplete)


def test_an_empty_text_counts_only_if_the_server_says_so() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        if "messages" not in seen.body:
            return None
        data = server.good(seen)
        kind = seen.prompt
        tries = sum(s.prompt == kind for s in server.asked)
        if kind == "empty":
            data["choices"][0]["message"] = {"content": ""}
        elif kind == "thought":  # all its tokens went into thinking
            data["choices"][0] |= {"message": {"content": None}, "finish_reason": "length"}
        elif kind == "silent" and tries < 3:
            data["choices"][0] = {"index": 0, "message": {"content": ""}}
        elif kind == "parts":
            data["choices"][0]["message"] = {"content": [{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]}
        return Reply(data=data)

    with FaultyServer(script=script) as server:
        empty, thought, silent, parts = [row[0] for row in model_at(server).generate(["empty", "thought", "silent", "parts"])]
    assert (empty.text, empty.finish, empty.tokens) == ("", "stop", 3)
    assert (thought.text, thought.finish) == ("", "length")
    assert silent.text == answer_to("silent")
    assert parts.text == "in parts"


def test_rows_that_are_never_answered_leave_the_others_answered_and_kept() -> None:
    prompts = [f"{i}" for i in range(40)]
    sick = {"7", "21"}

    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(500, {"error": {"message": "cannot"}}) if "messages" in seen.body and seen.prompt in sick else None

    with FaultyServer(script=script) as server, remembering(AnswerStore()):
        model = model_at(server)
        with meter.metering() as total, pytest.raises(Incomplete, match="38 of 40 prompts are answered") as failed:
            model.generate(prompts, max_tokens=5)
        assert set(failed.value.answers) == {i for i in range(40) if f"{i}" not in sick}
        assert sum(seen.prompt == "7" for seen in server.asked) == QUICK.attempts
        assert total.usage.calls == 38 + 2 * QUICK.attempts, "each attempt may have been billed"
        sick.clear()
        server.seen.clear()
        found = model.generate(prompts, max_tokens=5)
        assert [row[0].text for row in found] == [answer_to(p) for p in prompts]
        assert sorted(seen.prompt for seen in server.asked) == ["21", "7"], "only the rest was asked"


def test_scores_of_other_prompts_are_kept_when_one_fails() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(500, {"error": {"message": "cannot"}}) if seen.body and seen.body.get("prompt", "").startswith("sick") else None

    with EchoServer(script=script) as server:
        model = model_at(server)
        with remembering(AnswerStore()) as store:
            with pytest.raises(Incomplete) as failed:
                model.score(["well", "sick"], [[" a", " b"], [" c"]])
            assert (list(failed.value.answers), len(store)) == ([0], 1)
            before = len(server.seen)
            assert model.score(["well"], [[" a", " b"]]).totals[0] == pytest.approx((nats("well", " a"), nats("well", " b")))
            assert len(server.seen) == before


def test_a_server_that_is_down_is_not_asked_for_every_row() -> None:
    with FaultyServer() as server:
        model = model_at(server)
    with meter.metering() as total, pytest.raises(ModelError, match="8 rows in turn had no answer") as failed:
        model.generate([f"{i}" for i in range(500)])
    assert "no connection could be made" in str(failed.value)
    used = total.usage
    assert (used.calls, used.prompt_tokens, round(used.cost_usd, 9)) == (0, 0, 0), "a connection that was never made is not billed"


NO_N = {"error": {"message": "Unsupported parameter: 'n'", "param": "n"}}


@pytest.mark.parametrize("script", [None, refusing(("n", 400, NO_N))], ids=["ignores n", "refuses n"])
def test_samples_that_a_server_will_not_draw_together_are_drawn_one_by_one(script: Script | None) -> None:
    def one_at_a_time(server: FaultyServer, seen: Seen) -> Reply | None:
        if script:
            return script(server, seen)
        if seen.body.get("n"):
            seen.body.pop("n")
        return None

    with FaultyServer(script=one_at_a_time) as server, meter.metering() as total:
        [row] = model_at(server).generate(["a"], n=4, temperature=1.0, seed=3)
        assert len({g.text for g in row}) == 4
        assert len({seen.body["seed"] for seen in server.asked if seen.billed}) == 4
    assert total.usage.calls == 4
    assert total.usage.completion_tokens == sum(g.tokens for g in row) == 12


def _error(words: str, name: str, code: str) -> dict[str, Any]:
    return {"error": {"message": words, "param": name, "code": code}}


NO_MAX_TOKENS = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
NO_TEMPERATURE = "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported."
OBJECTIONS: dict[str, tuple[int, Any]] = {
    "max_tokens": (400, _error(NO_MAX_TOKENS, "max_tokens", "unsupported_parameter")),
    "temperature": (400, _error(NO_TEMPERATURE, "temperature", "unsupported_value")),
    "seed": (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}),
    "stop": (422, {"detail": "Unexpected fields in the request: {'stop'}"}),
    "logprobs": (500, {"error": {"message": "logprobs is not supported for models created with logits_all=False"}}),
}


@pytest.mark.parametrize("name", OBJECTIONS)
def test_a_parameter_that_a_server_does_not_take_is_left_out_from_then_on(name: str, recwarn: pytest.WarningsRecorder) -> None:
    with FaultyServer(script=refusing((name, *OBJECTIONS[name]))) as server:
        model = model_at(server)
        prompts = [f"{i}" for i in range(20)]
        found = model.generate(prompts, max_tokens=7, stop=["answer"], temperature=0.5, seed=2)
        assert len(server.asked) < 20 + 8, "it was refused more often than there were requests in flight"
        server.seen.clear()
        model.generate(["again"], max_tokens=7, stop=["answer"], temperature=0.5, seed=2)
        [seen] = server.asked
    assert name not in seen.body
    assert seen.body.get("max_completion_tokens" if name == "max_tokens" else "max_tokens") == 7
    assert {"max_tokens", "temperature", "seed", "stop", "logprobs"} - set(seen.body) == {name}
    assert [g.text for [g] in found] == [" "] * 20, "the stop string is kept by us"
    assert bool(recwarn.list) is (name == "temperature"), "only that a temperature is not kept is worth a warning"


def test_a_wrong_value_is_the_callers_mistake() -> None:
    error = {"error": {"message": "Invalid 'temperature': must be at most 2.", "param": "temperature", "code": "invalid_value"}}
    with FaultyServer(script=refusing(("temperature", 400, error))) as server, pytest.raises(ModelError, match="must be at most 2"):
        model_at(server).generate(["a", "b"], temperature=5.0)


def test_a_server_without_chat_is_asked_for_completions() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(404, {"detail": "Not Found"}) if "chat" in seen.path else None

    with FaultyServer(script=script) as server:
        model = model_at(server)
        found = model.generate([f"{i}" for i in range(10)], stop=["zzz"])
        assert [row[0].text for row in found] == [answer_to(f"{i}") for i in range(10)]
        assert {seen.path for seen in server.asked if seen.billed} == {"/v1/completions"}
        [[choice]] = model.choose(["Which?"], [[" a", " b"]])
        assert "Answer with exactly one of these" in server.asked[-1].prompt
        assert choice.text == answer_to(server.asked[-1].prompt), "a text that is no option comes back as written"


def test_a_choice_is_held_to_its_options_by_a_schema() -> None:
    options = [" red", " green", " blue\n"]
    with FaultyServer() as server:
        model = model_at(server)
        prompts = ["a" * k for k in range(1, 7)]
        found = model.choose(prompts, [options] * 6, n=2, temperature=1.0)
    assert [[g.text for g in row] for row in found] == [[options[len(p) % 3]] * 2 for p in prompts]
    for seen in server.asked:
        schema = seen.body["response_format"]["json_schema"]
        assert schema["strict"]
        assert schema["schema"]["properties"]["answer"]["enum"] == ["red", "green", "blue"]
        assert seen.prompt in prompts, "the prompt is sent as it is"
    text = json.dumps({"answer": "green"})
    covering = sum(1 for i in range(0, len(text), 4) if i < text.index("green") + 5 and i + 4 > text.index("green"))
    assert found[0][0].logprob == pytest.approx(-0.25 * covering), "of the tokens that spell the answer"


SAID = {
    "red": " red",
    " RED. ": " red",
    '"Red"': " red",
    "**red**": " red",
    '{"answer": "blue"}': " blue",
    '```json\n{"label": "blue"}\n```': " blue",
    '["red"]': " red",
    "red\n\nBecause it is red.": " red",
    "I would say that it is blue, of course": " blue",
    "dark blue": " dark blue",
    "It is dark blue.": " dark blue",
    "red or blue": "red or blue",
    "reddish": "reddish",
    "": "",
    "Rot.": "Rot.",
}


@pytest.mark.parametrize("kind", ["refuses", "ignores"])
def test_without_structured_output_the_prompt_says_it_and_the_answer_is_read_leniently(kind: str) -> None:
    words = "'response_format' of type 'json_schema' is not supported"
    refuse = refusing(("response_format", 400, _error(words, "response_format", "unsupported_value")))

    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        if "messages" not in seen.body:
            return None
        if kind == "refuses" and (reply := refuse(server, seen)):
            return reply
        data = server.good(Seen("POST", seen.path, seen.headers, {**seen.body, "response_format": None}, seen.began))
        if "response_format" not in seen.body:
            asked = seen.prompt.split("\n\nAnswer with exactly one of these")[0]
            assert "- dark blue" in seen.prompt
            data["choices"][0]["message"]["content"] = asked
        else:
            data["choices"][0]["message"]["content"] = "Well, let me think about that."
        return Reply(data=data)

    with FaultyServer(script=script) as server:
        model = model_at(server)
        found = model.choose(list(SAID), [[" red", " blue", " dark blue"]] * len(SAID))
        assert {said: g.text for said, [g] in zip(SAID, found, strict=True)} == SAID
        server.seen.clear()
        model.choose(["red"], [[" red", " dark blue"]])
        assert len(server.asked) == 1, "what a server cannot do is remembered"


def test_a_schema_goes_beside_json_object_where_a_server_wants_it_so() -> None:
    words = "1 validation error: 'loc': ('body', 'response_format', 'type'), 'msg': \"Input should be 'text' or 'json_object'\""

    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        form = seen.body.get("response_format") if seen.body else None
        if form and form["type"] == "json_schema":
            return Reply(500, {"error": {"message": words}})
        if form:
            seen.body["response_format"] = {"json_schema": {"schema": form["schema"]}}
        return None

    with FaultyServer(script=script) as server:
        [[choice]] = model_at(server).choose(["ab"], [[" x", " y", " z"]])
    assert choice.text == " z"


def test_a_model_that_thinks_first_has_room_to() -> None:
    with FaultyServer(script=refusing(("max_tokens", *OBJECTIONS["max_tokens"]))) as server:
        model_at(server).choose(["ab"], [["x", "y"]])
        assert server.asked[-1].body["max_completion_tokens"] > 2000


def test_it_works_inside_a_running_loop_and_from_many_threads() -> None:
    with FaultyServer(delay=0.01) as server:
        model = model_at(server)

        async def notebook() -> str:
            return model.generate(["from a notebook"])[0][0].text

        assert asyncio.run(notebook()) == answer_to("from a notebook")
        found: dict[int, list[str]] = {}

        def ask(k: int) -> None:
            found[k] = [row[0].text for row in model.generate([f"{k} {i}" for i in range(20)])]

        threads = [threading.Thread(target=ask, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {k: [answer_to(f"{k} {i}") for i in range(20)] for k in range(6)}


def test_an_interrupt_ends_a_call_and_counts_what_was_sent() -> None:
    with FaultyServer({"hang": 1.0}) as server:
        model = model_at(server, Patience(timeout_s=60))
        previous = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        began = time.monotonic()
        try:
            with meter.metering() as total, pytest.raises(KeyboardInterrupt):
                model.generate(["a", "b"], max_tokens=5)
        finally:
            signal.signal(signal.SIGALRM, previous)
        assert time.monotonic() - began < 5
        most = [most_usage(seen.body, PRICE) for seen in server.asked]
        assert total.usage.calls == 2
        assert total.usage.prompt_tokens == sum(m.prompt_tokens for m in most)
