"""The `openai:` backend and money: no limit is passed however many requests are in flight, nothing that may be billed is left out, and every
price says where it is from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from faulty_server import EchoServer, FaultyServer, Reply, Seen, answer_to

from fieldguide.errors import BudgetSpent, MissingExtra, ModelError
from fieldguide.models import meter
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.api.pace import Patience
from fieldguide.models.api.wire import MESSAGE_TOKENS, most_usage
from fieldguide.models.openai_api import OpenAIModel, load_openai
from fieldguide.models.prices import OFFICIAL, PRICES, Price, price_of

EAGER = Patience(timeout_s=2.0, first_wait_s=0.01, longest_wait_s=0.05, start=64, cap=64)
PRICE = Price(3000.0, 1000.0, 7000.0, "2026-11-01", "")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    name_prices(monkeypatch, tmp_path, {"toy": {"prompt": PRICE.prompt, "cached": PRICE.cached, "completion": PRICE.completion, "date": PRICE.date}})


def name_prices(monkeypatch: pytest.MonkeyPatch, folder: Path, table: Any) -> None:
    (folder / "prices.json").write_text(table if isinstance(table, str) else json.dumps(table))
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(folder / "prices.json"))


def model_at(server: FaultyServer, patience: Patience = EAGER) -> OpenAIModel:
    return load_openai(f"openai:toy@{server.url}", patience)


def billed(server: FaultyServer) -> tuple[int, float]:
    """(tokens, dollars) that the server would ask for."""
    bills = [seen.billed for seen in server.asked if seen.billed]
    return sum(sent + wrote for sent, wrote, _ in bills), sum(PRICE.cost(*bill) for bill in bills)


ONE = most_usage({"messages": [{"content": "row 000"}], "max_tokens": 3}, PRICE)
"""What a request of these tests may cost at most; what it does cost is 5 tokens."""


LIMITS = {"dollars": {"usd_limit": ONE.cost_usd * 2.5}, "tokens": {"tokens_limit": 420}, "more dollars": {"usd_limit": ONE.cost_usd * 40}}


@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())
def test_no_limit_is_passed_with_64_in_flight_and_what_was_answered_is_kept(limit: dict[str, Any]) -> None:
    prompts = [f"row {i:03}" for i in range(300)]
    with FaultyServer({"broken": 0.05, "cut": 0.05}, delay=0.01) as server, remembering(AnswerStore()) as store:
        model = model_at(server)
        with meter.metering(**limit) as total, pytest.raises(BudgetSpent, match="spend limit") as failed:
            model.generate(prompts, max_tokens=3)
        sent = len(server.asked)
        tokens, dollars = billed(server)
        used = total.usage
        assert tokens <= used.prompt_tokens + used.completion_tokens <= limit.get("tokens_limit", 10**9)
        assert dollars <= used.cost_usd <= limit.get("usd_limit", 10**9)
        assert len(store) == len(failed.value.answers) > 0
        assert all(failed.value.answers[i][0].text == answer_to(prompts[i]) for i in failed.value.answers)
        again = {prompts[i] for i in range(300) if i not in failed.value.answers}
        found = model.generate(prompts, max_tokens=3)
        assert [row[0].text for row in found] == [answer_to(p) for p in prompts]
        assert {seen.prompt for seen in server.asked[sent:]} == again


def test_a_limit_is_used_up_although_each_request_holds_more_than_it_costs() -> None:
    """Thirty requests that may cost 141 tokens and do cost 5 fit into 30 × 5 + 141, in the order in which they settle."""
    most = ONE.prompt_tokens + ONE.completion_tokens
    assert most > 100
    with FaultyServer(delay=0.005) as server:
        model = model_at(server)
        with meter.metering(tokens_limit=29 * 5 + most) as total:
            model.generate([f"row {i:03}" for i in range(30)], max_tokens=3)
        assert total.usage.prompt_tokens + total.usage.completion_tokens == 150


def test_nothing_is_sent_that_could_pass_the_limit() -> None:
    with FaultyServer() as server:
        model = model_at(server)
        with meter.metering(usd_limit=ONE.cost_usd * 0.99) as total, pytest.raises(BudgetSpent):
            model.generate(["row 000"], max_tokens=3)
        assert not server.asked
        assert total.usage.calls == 0


def test_limits_are_kept_by_scores_and_choices_too() -> None:
    with EchoServer() as server:
        model = model_at(server)
        with meter.metering(tokens_limit=700) as total, pytest.raises(BudgetSpent):
            model.score([f"row {i}" for i in range(100)], [[" a", " b"]] * 100)
        assert 0 < total.usage.prompt_tokens + total.usage.completion_tokens <= 700
    with FaultyServer() as server:
        model = model_at(server)
        with meter.metering(tokens_limit=2000) as total, pytest.raises(BudgetSpent):
            model.choose([f"row {i}" for i in range(500)], [[" a", " b"]] * 500, n=2)
        assert 0 < total.usage.prompt_tokens + total.usage.completion_tokens <= 2000


def test_cached_tokens_cost_what_the_provider_asks_for_them() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        if "messages" not in seen.body:
            return None
        usage = {"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 80}}
        return Reply(data={**server.good(seen), "usage": usage})

    with FaultyServer(script=script) as server, meter.metering() as total:
        model_at(server).generate(["a", "b"])
    assert (total.usage.prompt_tokens, total.usage.cached_tokens) == (200, 160)
    assert total.usage.cost_usd == pytest.approx(2 * (20 * 3000 + 80 * 1000 + 3 * 7000) / 1e6)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -4}, {"prompt_tokens": "9", "completion_tokens": 3}, {"prompt_tokens": 9.5}])
def test_an_answer_that_does_not_say_what_it_cost_counts_at_the_most(usage: Any) -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(data={**server.good(seen), "usage": usage}) if "messages" in seen.body else None

    with FaultyServer(script=script) as server, meter.metering() as total:
        [[g]] = model_at(server).generate(["row 000"], max_tokens=3)
    used = total.usage
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (1, ONE.prompt_tokens, ONE.completion_tokens)
    assert used.cost_usd == pytest.approx(ONE.cost_usd)
    assert g.tokens <= 3


def test_an_answer_cut_in_two_is_two_calls_and_costs_the_most_and_the_real_price() -> None:
    with FaultyServer({"cut": 1.0}) as server, meter.metering() as total:
        server.strikes_at_most = 1
        model_at(server).generate(["row 000"], max_tokens=3)
    assert total.usage.calls == 2
    assert total.usage.cost_usd == pytest.approx(ONE.cost_usd + PRICE.cost(2, 3))


def test_a_price_that_is_not_known_is_refused_where_dollars_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIELDGUIDE_PRICES")
    assert price_of("toy", "https://gateway.example", local=False) is None
    with FaultyServer() as server:
        model = model_at(server)
        model.priced = False  # as for a server elsewhere
        server.seen.clear()
        with meter.metering(usd_limit=5.0), pytest.raises(ModelError, match=r"price of 'toy' is not known.*FIELDGUIDE_PRICES.*Nothing was sent"):
            model.generate(["a"])
        with meter.metering(usd_limit=5.0), pytest.raises(ModelError, match="Nothing was sent"):
            model.choose(["a"], [["b"]])
        assert not server.seen
        with meter.metering(tokens_limit=5000), meter.metering() as total:
            model.generate(["a"])
        assert total.usage.cost_usd == 0


def test_where_prices_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for price in PRICES.values():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", price.date)
        assert price.source.startswith("https://")
        assert 0 < price.cached <= price.prompt < price.completion
    monkeypatch.delenv("FIELDGUIDE_PRICES")
    assert price_of("gpt-4o-mini", OFFICIAL, local=False) == PRICES["gpt-4o-mini"]
    assert price_of("gpt-4o-mini", "https://gateway.example", local=False) is None, "a gateway asks its own prices"
    assert price_of("gpt-4o-mini", "http://127.0.0.1:8000", local=True).completion == 0  # type: ignore[union-attr]
    name_prices(monkeypatch, tmp_path, {"gpt-4o-mini": {"prompt": 1, "completion": 2}})
    own = price_of("gpt-4o-mini", OFFICIAL, local=False)
    assert own == price_of("gpt-4o-mini", "http://127.0.0.1:8000", local=True) == Price(1.0, 1.0, 2.0, "", str(tmp_path / "prices.json"))
    assert own.cost(1_000_000, 500_000, 250_000) == 2.0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("{", "is not JSON"),
        ([1], "must hold an object"),
        ({"toy": 3}, "must be an object"),
        ({"toy": {"prompt": 1}}, '"completion"'),
        ({"toy": {"prompt": 1, "completion": "2"}}, "numbers of dollars"),
        ({"toy": {"prompt": -1, "completion": 2}}, "numbers of dollars"),
        ({"toy": {"prompt": 1, "completion": True}}, "numbers of dollars"),
        ({"toy": {"prompt": 1, "completion": 2, "batch": 1}}, "unknown key 'batch'"),
    ],
)
def test_a_price_file_that_cannot_be_read_says_why(table: Any, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name_prices(monkeypatch, tmp_path, table)
    with pytest.raises(ModelError, match=re.escape(words)):
        price_of("toy", OFFICIAL, local=False)
    monkeypatch.setenv("FIELDGUIDE_PRICES", str(tmp_path / "none.json"))
    with pytest.raises(ModelError, match="cannot be read"):
        price_of("toy", OFFICIAL, local=False)


TEXTS = [
    "",
    "The quick brown fox jumps over the lazy dog. " * 20,
    "3.14159 26535 89793 23846 26433 83279 50288 41971 69399 37510",
    "aGVsbG8gd29ybGQsIHRoaXMgaXMgYmFzZTY0IHRleHQ+/Zm9v==",
    "ZQXJKVWPZQXJKVWPZQXJKV",
    "日本の首都は東京です。नमस्ते दुनिया 🙂🙃👩‍👩‍👧‍👦",
    "\t\t\n\n    {}[]();:'\"\\|<>!@#$%^&*~`",
    "\x00\x01\x02\ud83d",
]


def test_the_hold_is_never_below_the_real_count_of_tokens() -> None:
    """Against the tokeniser and the chat template of SmolLM2, the default system message included."""
    tokenizers = pytest.importorskip("tokenizers")
    try:
        from fieldguide.models.gguf import prepare
        from fieldguide.models.packaged import _smollm2

        folder = prepare(_smollm2(), "SmolLM2-135M", "15 s")
    except MissingExtra as missing:
        pytest.skip(str(missing))
    tokenizer = tokenizers.Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    template = system + "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    for text in TEXTS:
        real = len(tokenizer.encode(template.format(text.encode("utf-8", "replace").decode())).ids)
        held = most_usage({"messages": [{"content": text}], "max_tokens": 1}, PRICE).prompt_tokens
        assert real <= held, f"{real} tokens, and {held} held for {text[:20]!r}"
        assert held <= len(text.encode("utf-8", "replace")) + MESSAGE_TOKENS
