"""Where a model of an API lives: references, the key and who gets it, and loading that fails with one clear sentence."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from faulty_server import FaultyServer, Reply, Script, Seen, answer_to

from fieldguide.errors import Incomplete, ModelError
from fieldguide.models import meter
from fieldguide.models.answers import AnswerStore, remembering
from fieldguide.models.api.pace import Patience
from fieldguide.models.api.place import place_of
from fieldguide.models.openai_api import OpenAIModel, load_openai
from fieldguide.models.pool import ModelPool

QUICK = Patience(timeout_s=1.0, first_wait_s=0.01, longest_wait_s=0.02)
KEY = "sk-proj-0123456789abcdefghijABCDEFGHIJ"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "FIELDGUIDE_PRICES", "FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)


def model_at(server: FaultyServer, name: str = "toy") -> OpenAIModel:
    return load_openai(f"openai:{name}@{server.url}", QUICK)


@pytest.mark.parametrize(
    ("reference", "name", "base", "local"),
    [
        ("openai:gpt-4o-mini", "gpt-4o-mini", "https://api.openai.com/v1", False),
        ("openai:org/model@rev@http://localhost:8000/v1/", "org/model@rev", "http://localhost:8000/v1", True),
        ("openai:/a/folder@http://127.9.9.9/v1", "/a/folder", "http://127.9.9.9/v1", True),
        ("openai:m@HTTP://[::1]:8000/v1", "m", "http://[::1]:8000/v1", True),
        ("openai:m:free@https://Gateway.Example:443/api/v1", "m:free", "https://gateway.example/api/v1", False),
        ("openai:m@http://localhost.example/v1", "m", "http://localhost.example/v1", False),
        ("openai:m@http://0.0.0.0:80", "m", "http://0.0.0.0", False),
    ],
)
def test_references(reference: str, name: str, base: str, local: bool) -> None:
    place = place_of(reference)
    assert (place.name, place.base, place.local) == (name, base, local)
    assert place.base.startswith(place.origin)
    assert ModelPool().identity(reference) == f"api-{base}-{name}", "an identity needs no network"


def test_identities_differ_by_server_and_name(monkeypatch: pytest.MonkeyPatch) -> None:
    references = ["openai:a", "openai:b", "openai:a@http://127.0.0.1:1/v1", "openai:a@http://127.0.0.1:2/v1", "openai:a@http://127.0.0.1:2/other"]
    assert len({ModelPool().identity(r) for r in references}) == 5
    before = ModelPool().identity("openai:a")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1/")
    assert ModelPool().identity("openai:a") == ModelPool().identity("openai:a@http://127.0.0.1:1/v1") != before


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("openai:", "needs a name"),
        ("openai:@http://127.0.0.1/v1", "needs a name"),
        ("openai:m@http://", "must begin with http"),
        ("openai:m@http://host:notaport/v1", "not understood"),
        ("openai:m@https://host/v1?api-key=hunter2", "after \\? or #"),
        ("openai:m@https://user:hunter2@host/v1", "user name or password"),
        ("openai:m@https://hunter2@host/v1", "user name or password"),
    ],
)
def test_addresses_that_are_refused_and_whose_credentials_are_not_repeated(reference: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=words) as failed:
        place_of(reference)
    assert "hunter2" not in str(failed.value)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:hunter2@host/v1")
    with pytest.raises(ModelError, match="OPENAI_BASE_URL holds a user name or password") as failed:
        place_of("openai:m")
    assert "hunter2" not in str(failed.value)


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set; set it"):
        load_openai("openai:gpt-4o-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one two")
    with pytest.raises(ModelError, match="OPENAI_API_KEY holds a space") as failed:
        load_openai("openai:gpt-4o-mini")
    assert "one two" not in str(failed.value)


def test_only_the_server_that_the_environment_names_gets_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultyServer() as home, FaultyServer() as other:
        monkeypatch.setenv("OPENAI_BASE_URL", home.url)
        load_openai("openai:toy", QUICK).generate(["a"])
        load_openai(f"openai:toy@{home.url.removesuffix('/v1')}/other", QUICK).generate(["a"])
        model_at(other).generate(["a"])
        assert {seen.headers.get("authorization") for seen in home.seen} == {f"Bearer {KEY}"}
        assert {seen.headers.get("authorization") for seen in other.seen} == {None}
        assert {seen.path for seen in home.asked} == {"/v1/chat/completions", "/other/chat/completions"}


def test_redirects_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultyServer() as other:

        def elsewhere(server: FaultyServer, seen: Seen) -> Reply | None:
            return Reply(307, {}, headers={"Location": other.url + "/chat/completions"}) if "messages" in seen.body else None

        with FaultyServer(script=elsewhere) as home:
            monkeypatch.setenv("OPENAI_BASE_URL", home.url)
            model = load_openai("openai:toy", QUICK)
            with pytest.raises(ModelError, match=r"redirect \(307\), which is not followed"):
                model.generate(["a", "b", "c"])
        assert not other.seen


def leaks() -> dict[str, Script]:
    """Servers that repeat the key wherever they can."""

    def repeat(status: int) -> Script:
        def script(server: FaultyServer, seen: Seen) -> Reply | None:
            told = seen.headers.get("authorization", "")
            if "messages" not in seen.body or seen.prompt == "well":
                return None
            if status == 200:
                data = server.good(seen)
                data["choices"][0]["message"]["content"] = f"You are {told}, are you not?"
                return Reply(data=data, headers={"X-You": told})
            return Reply(status, {"error": {"message": f"Who is {told}?", told: [told]}}, headers={"X-You": told})

        return script

    def cut(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(data=server.good(seen), keep=40) if "messages" in seen.body and seen.prompt != "well" else None

    return {**{str(status): repeat(status) for status in (200, 400, 401, 403, 404, 418, 429, 500, 302)}, "cut": cut}


@pytest.mark.parametrize("kind", leaks())
def test_the_key_is_in_no_exception_log_record_fact_or_answer(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for name in ("httpx2", "httpcore2", "asyncio", "fieldguide"):
        caplog.set_level(logging.DEBUG, logger=name)
    shown: list[str] = []
    with FaultyServer(script=leaks()[kind]) as server, remembering(AnswerStore(tmp_path / "answers")):
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        model = load_openai("openai:toy", QUICK)
        try:
            shown.append(repr(model.generate(["well", "ill", "worse"])))
        except (ModelError, Incomplete) as error:
            shown += seen_in(error)
        assert any(seen.headers.get("authorization") == f"Bearer {KEY}" for seen in server.asked), "the key was not even sent"
        shown += [repr(model), repr(vars(model)), repr(model.facts), repr(model.place), repr(meter.Meter())]
    shown += [record.getMessage() + repr(vars(record)) for record in caplog.records if not _echoed_header(record)]
    shown += [path.read_bytes().decode("latin-1") for path in tmp_path.iterdir()]
    assert not [text for text in shown if KEY in text]


def _echoed_header(record: logging.LogRecord) -> bool:
    """The HTTP library's debug log of what a server sent in its headers, which is not ours to change."""
    return record.name.startswith("httpcore2") and "receive_response_headers" in record.getMessage()


def seen_in(error: BaseException) -> list[str]:
    """Everything that can be reached from an exception: its words, its causes and contexts, and all that its frames hold, printed."""
    found, stack, known = ["".join(traceback.format_exception(error))], [error], set()
    while stack:
        one = stack.pop()
        if id(one) in known:
            continue
        known.add(id(one))
        found += [str(one), repr(one), repr(vars(one))]
        stack += [e for e in (one.__cause__, one.__context__) if e]
        frame = one.__traceback__
        while frame:
            if frame.tb_frame.f_globals.get("__name__", "").startswith("fieldguide"):
                for value in frame.tb_frame.f_locals.values():
                    found.append(repr(value))
                    stack += [held for held in gc.get_referents(value) if isinstance(held, BaseException)]
                    assert type(value).__module__.split(".")[0] not in ("httpx2", "httpcore2"), f"a frame holds {value!r}"
            frame = frame.tb_next
    return found


def test_what_a_refused_key_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(401, {"error": {"message": "Who are you?"}}) if "messages" in seen.body else None

    with FaultyServer(script=script, delay=0.01) as server:
        with pytest.raises(ModelError, match=r"401: Who are you.*a key goes only to the server that OPENAI_BASE_URL names"):
            model_at(server).generate([f"{i}" for i in range(100)])
        assert len(server.asked) <= 8, "the call stopped at once"
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        with pytest.raises(ModelError, match="OPENAI_API_KEY is not set; set it"):
            load_openai("openai:toy", QUICK).generate(["a"])
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        with pytest.raises(ModelError, match="it was sent the key in OPENAI_API_KEY"):
            load_openai("openai:toy", QUICK).generate(["a"])


def refuse_models(status: int) -> Script:
    return lambda server, seen: Reply(status, {"error": {"message": "no"}}) if seen.method == "GET" else None


def page(server: FaultyServer, seen: Seen) -> Reply | None:
    return Reply(raw=b"<html>Welcome</html>") if seen.method == "GET" else None


@pytest.mark.parametrize("script", [None, refuse_models(405), refuse_models(500), page], ids=["404", "405", "500", "a page"])
def test_a_list_of_models_is_not_needed(script: Script | None) -> None:
    with FaultyServer(script=script) as server:
        assert model_at(server).generate(["a"])[0][0].text == answer_to("a")


def test_a_model_that_the_server_does_not_list_is_named_beside_those_it_does() -> None:
    with FaultyServer(models=["alpha-large", "alpha-small", "beta:latest"]) as server:
        with pytest.raises(ModelError, match="has no model 'alpha-smal'; it lists alpha-small, "):
            model_at(server, "alpha-smal")
        assert model_at(server, "beta").facts.local
    with FaultyServer(models=[f"m{i}" for i in range(100)]) as server, pytest.raises(ModelError, match="and 92 more"):
        model_at(server, "m")
    with FaultyServer(models=[]) as server:
        model_at(server, "anything")


def test_a_model_that_the_server_does_not_know_ends_the_call() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(404, {"error": {"message": "The model `toy` does not exist.", "code": "model_not_found"}}) if "messages" in seen.body else None

    with FaultyServer(script=script) as server, pytest.raises(ModelError, match="does not know the model 'toy'"):
        model_at(server).generate(["a", "b"])


def test_an_account_without_credit_ends_the_call() -> None:
    def script(server: FaultyServer, seen: Seen) -> Reply | None:
        return Reply(429, {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}) if "messages" in seen.body else None

    with FaultyServer(script=script, delay=0.01) as server:
        with pytest.raises(ModelError, match="no credit left"):
            model_at(server).generate([f"{i}" for i in range(50)])
        assert len(server.asked) <= 8


def test_a_server_that_is_not_there_is_one_clear_sentence() -> None:
    with FaultyServer() as server:
        url = server.url
    with pytest.raises(ModelError, match=r"cannot be reached: no connection could be made.*Check that it is running") as failed:
        load_openai(f"openai:toy@{url}", QUICK)
    assert not isinstance(failed.value, Incomplete)
    hangs = FaultyServer(script=lambda server, seen: Reply(data={}, delay=30))
    with hangs as hanging, pytest.raises(ModelError, match="cannot be reached: no whole answer came"):
        load_openai(f"openai:toy@{hanging.url}", Patience(timeout_s=0.2, first_wait_s=0.01))


@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf"])
def test_settings_from_the_environment_are_checked(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"):
        monkeypatch.setenv(name, value)
        with pytest.raises(ModelError, match=f"{name} must be a number above 0"):
            load_openai("openai:toy@http://127.0.0.1:1/v1")
        monkeypatch.delenv(name)


def test_the_facts_of_a_local_server() -> None:
    with FaultyServer() as server:
        facts = model_at(server).facts
    assert (facts.type, facts.local, facts.can) == ("api", True, {"generate", "tools"})
    assert facts.reference == f"openai:toy@{server.url}"


def test_neither_the_pool_nor_the_registry_loads_an_http_library() -> None:
    code = "import sys; from fieldguide.models.pool import ModelPool; ModelPool().get('fake:'); sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_backend_needs_no_torch() -> None:
    code = "import sys; from fieldguide.models.pool import ModelPool; ModelPool().identity('openai:a'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


