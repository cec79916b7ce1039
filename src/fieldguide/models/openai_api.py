"""`openai:name` and `openai:name@https://host/v1`: any server that speaks OpenAI's HTTP API, local or remote.

The HTTP client is used without OpenAI's own package, because every attempt must be in hand: held in the budget before it is sent, settled
after it, and counted even where its answer never came. The key comes from OPENAI_API_KEY alone and is read as each request leaves.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from fieldguide.errors import BudgetSpent, Incomplete, ModelError
from fieldguide.models import meter
from fieldguide.models.api import echo
from fieldguide.models.api.choice import THINKING_TOKENS, chosen, continuation, held_question, plain_question, replied, shown_options
from fieldguide.models.api.pace import Patience, from_environment
from fieldguide.models.api.place import Place, check_key, check_listed, place_of, refused_key
from fieldguide.models.api.rows import Outcome, Row, gather
from fieldguide.models.api.wire import (
    Choice,
    Manners,
    Question,
    most_usage,
    names_model,
    objection,
    of_this_row,
    out_of_money,
    path_of,
    read_choices,
    read_usage,
)
from fieldguide.models.http import Ask, Asker, Rejected
from fieldguide.models.model import Generation, Model, ModelFacts, Reply, Scores
from fieldguide.models.options import option_meant
from fieldguide.models.prices import FREE, price_of, unknown
from fieldguide.records import Usage

CONCURRENCY, TIMEOUT = "FIELDGUIDE_API_CONCURRENCY", "FIELDGUIDE_API_TIMEOUT"
SEED_STRIDE = 1_000_003
"""Between the seeds of requests for one row's samples, so that neighbouring seeds share none."""

Told = TypeVar("Told", bound=Generation)


def load_openai(reference: str, patience: Patience | None = None) -> OpenAIModel:
    """The model behind a reference, once its server has answered.

    Asks for the list of models, and scores a few numbers to see whether it can. Raises `ModelError` if the address or key is wrong, the server
    does not answer, or it lists models without this one.
    """
    place = place_of(reference)
    check_key(place)
    if patience is None:
        patience = Patience(timeout_s=from_environment(TIMEOUT, Patience.timeout_s), cap=int(from_environment(CONCURRENCY, Patience.cap)) or 1)
    return OpenAIModel(place, patience)


load_openai.identity = lambda reference: place_of(reference).identity  # type: ignore[attr-defined]
load_openai.local = lambda reference: place_of(reference).local  # type: ignore[attr-defined]


class _Otherwise(Exception):
    """The question must be put in another way."""


class OpenAIModel(Model):
    """A model behind an HTTP server. What its server takes is learned from its refusals and kept; the rest is in the functions it calls."""

    def __init__(self, place: Place, patience: Patience) -> None:
        self.place, self.patience, self.manners = place, patience, Manners()
        known = price_of(place.name, place.origin, local=place.local)
        self.priced, self.price = known is not None, known or FREE
        self.facts = ModelFacts(
            reference=place.reference,
            identity=place.identity,
            can=frozenset({"generate", "tools"}),
            numerics="unknown",
            type="api",
            open=place.local,
            local=place.local,
            usd_per_million_prompt=self.price.prompt,
            usd_per_million_cached=self.price.cached,
            usd_per_million_completion=self.price.completion,
            price_date=self.price.date,
        )
        self._affordable()
        self._reach()
        if self._echoes():
            self.facts = replace(self.facts, can=self.facts.can | {"score"})

    def _reach(self) -> None:
        """Raise `ModelError` unless the server answers, and lists this model if it lists any."""

        async def listed(asker: Asker) -> Any:
            return await asker.ask(lambda: Ask(f"{self.place.base}/models", None, Usage(), lambda data: (data, None)))

        outcome = self._gather([listed], attempts=3)
        if outcome.stopped:
            raise ModelError(str(outcome.stopped))
        if 0 in outcome.given_up and not outcome.given_up[0].reached:
            raise ModelError(
                f"The server {self.place.origin} cannot be reached: {outcome.given_up[0]}. Check that it is running and that the address "
                f"{self.place.base} is right."
            )
        data = outcome.answers.get(0)
        entries = data.get("data") if isinstance(data, dict) else None
        check_listed(self.place, [str(e["id"]) for e in entries if isinstance(e, dict) and "id" in e] if isinstance(entries, list) else [])

    def _echoes(self) -> bool:
        """Whether the server tells the log-probabilities of a given text, and tells the right ones."""

        async def trial(asker: Asker) -> bool:
            said = await self._echo(asker, echo.PROBE, "", lambda data: echo.written(data, echo.PROBE))
            return await self._echo(asker, echo.PROBE, said, lambda data: echo.likeliest(data, echo.PROBE, said))

        return bool(self._gather([trial], attempts=1).answers.get(0))

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        async def row(asker: Asker, prompt: str) -> list[Generation]:
            found: list[Generation] = []
            while len(found) < n:
                choices = await self._samples(asker, Question(prompt, max_tokens, temperature, stop), n - len(found), _seed(seed, len(found)))
                found += [continuation(choice, stop) for choice in choices]
            return found

        return self._generations([partial(row, prompt=prompt) for prompt in prompts], n)

    def _reply(
        self, chats: Sequence[Sequence[Mapping[str, Any]]], tools: Sequence[Mapping[str, Any]], *, max_tokens: int
    ) -> tuple[list[list[Reply]], Usage]:
        async def row(asker: Asker, chat: Sequence[Mapping[str, Any]]) -> list[Reply]:
            question = Question("", max_tokens, 0.0, spare_tokens=THINKING_TOKENS, chat=tuple(chat), tools=tuple(tools))
            return [replied(choice) for choice in await self._samples(asker, question, 1, 0)]

        return self._generations([partial(row, chat=chat) for chat in chats], 1, Reply)

    def _choose(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        if "score" in self.facts.can:
            return super()._choose(prompts, options, n=n, temperature=temperature, seed=seed)

        async def row(asker: Asker, prompt: str, own: Sequence[str]) -> list[Generation]:
            shown, found = shown_options(own), list[Generation]()
            while len(found) < n:
                held = self.manners.structured
                question = held_question(prompt, shown, temperature) if held else plain_question(prompt, shown, temperature)
                choices = await self._samples(asker, question, n - len(found), _seed(seed, len(found)))
                if held and any(not c.refused and option_meant(c.text, shown) is None and not c.text.lstrip().startswith("{") for c in choices):
                    self.manners.dropped.add("response_format")  # the server takes it and pays it no heed
                    continue
                found += [chosen(choice, own, shown) for choice in choices]
            return found

        return self._generations([partial(row, prompt=prompt, own=own) for prompt, own in zip(prompts, options, strict=True)], n)

    def _score(self, prompts: Sequence[str], options: Sequence[Sequence[str]]) -> tuple[Scores, Usage]:
        self._affordable()
        pairs = [(i, *echo.parted(prompt, option)) for i, (prompt, own) in enumerate(zip(prompts, options, strict=True)) for option in own]
        outcome = self._gather([partial(self._option, head=head, tail=tail) for _, head, tail in pairs])
        lost = {pairs[k][0] for k in range(len(pairs)) if k not in outcome.answers}
        whole: dict[int, list[tuple[float, ...]]] = {i: [] for i in range(len(prompts)) if i not in lost}
        for k, (i, _, _) in enumerate(pairs):
            if i in whole:
                whole[i].append(outcome.answers[k])
        self._complain(outcome, len(prompts), {i: [list(t) for t in own] for i, own in whole.items()}, outcome.rejected)
        tokens = tuple(tuple(whole[i]) for i in range(len(prompts)))
        return Scores(tuple(tuple(math.fsum(t) for t in own) for own in tokens), tokens), outcome.usage

    async def _option(self, asker: Asker, head: str, tail: str) -> tuple[float, ...]:
        return await self._echo(asker, head, tail, lambda data: echo.option_logprobs(data, head, tail))

    async def _echo(self, asker: Asker, head: str, tail: str, read: Callable[[Any], Any]) -> Any:
        body = echo.echo_body(self.place.name, head, tail)
        most = most_usage(body, self.price)
        ask = Ask(self.place.base + path_of(body), body, most, lambda data: (read(data), read_usage(data, self.price)))
        return await asker.ask(lambda: ask)

    async def _samples(self, asker: Asker, question: Question, want: int, seed: int) -> list[Choice]:
        """Between one and `want` samples; none at all if the server has just been found to hold no answer to a schema."""

        def make() -> Ask:
            if question.schema and not self.manners.structured:
                raise _Otherwise
            if question.tools and not self.manners.chat:
                words = f"The server {self.place.origin} has no chat, in which tools are called; have {self.place.name!r} write its calls as text."
                raise ModelError(words)
            body = self.manners.body(self.place.name, question, want, seed)
            most = most_usage(body, self.price)

            def read(data: Any) -> tuple[list[Choice], Usage | None]:
                usage = read_usage(data, self.price)
                return read_choices(data, body.get("n", 1), usage, most), usage

            return Ask(self.place.base + path_of(body), body, most, read)

        while True:
            try:
                choices = await asker.ask(make)
            except _Otherwise:
                return []
            except Rejected as error:
                no = error
            else:
                self.manners.proved = self.manners.proved or self.manners.chat
                return choices
            cold = "temperature" not in self.manners.dropped
            if not self.manners.learn(no):
                raise no
            if cold and "temperature" in self.manners.dropped:
                words = f"The model {self.place.name!r} takes no temperature; it answers at its own, and repeated answers may differ."
                warnings.warn(words, stacklevel=2)

    def _generations(self, rows: Sequence[Row], n: int, form: type[Told] = Generation) -> tuple[list[list[Told]], Usage]:  # type: ignore[assignment]
        self._affordable()
        outcome = self._gather(rows)
        answers: dict[int, list[Told]] = dict(outcome.answers)
        refused = {i: no for i, no in outcome.rejected.items() if answers or of_this_row(no)}
        answers |= {i: [form("", 0, "refused", reason=f"the server answered {no.status}: {no.words}")] * n for i, no in refused.items()}
        self._complain(outcome, len(rows), answers, {i: no for i, no in outcome.rejected.items() if i not in refused})
        return [answers[i] for i in range(len(rows))], outcome.usage

    def _gather(self, rows: Sequence[Row], attempts: int | None = None) -> Outcome:
        patience = self.patience if attempts is None else replace(self.patience, attempts=attempts)
        return gather(rows, patience, url=self.place.base, local=self.place.local, secret=self.place.secret, judge=self._judge)

    def _judge(self, no: Rejected) -> Exception | None:
        """Refusals that every row would meet end the call; a server's fault that names a parameter is a refusal of that."""
        if no.status in (401, 403):
            return refused_key(self.place, no.status, no.words)
        if out_of_money(no):
            return ModelError(f"The account at {self.place.origin} has no credit left ({no.status}: {no.words}).")
        if no.ask.body and no.status in (400, 404) and names_model(no):
            return ModelError(f"The server {self.place.origin} does not know the model {self.place.name!r} ({no.status}: {no.words}).")
        return no if no.status >= 500 and objection(no) else None

    def _affordable(self) -> None:
        """Raise `ModelError` if dollars are limited and the price is not known."""
        if not self.priced:
            try:
                meter.check(0, math.inf)
            except BudgetSpent:
                pass
            else:
                return
            raise ModelError(unknown(self.place.name))

    def _complain(self, outcome: Outcome, wanted: int, answers: Mapping[int, Any], rejected: Mapping[int, Rejected]) -> None:
        """Raise what the outcome calls for, with the answers that there are; nothing if there is one to each."""
        if isinstance(outcome.stopped, BudgetSpent):
            raise BudgetSpent(str(outcome.stopped), answers)
        if len(answers) == wanted:
            return
        said = f"{self.place.name!r} at {self.place.origin}"
        if outcome.stopped:
            words = str(outcome.stopped)
        elif outcome.given_up:
            words = f"Not every prompt was answered by {said}; the last was asked {self.patience.attempts} times: {_last(outcome.given_up)}."
        else:
            no = _last(rejected)
            words = f"No request was taken by {said}: it answered {no.status}, {no.words!r}."
        if answers:
            raise Incomplete(f"{words} {len(answers)} of {wanted} prompts are answered, and kept where answers are; ask again for the rest.", answers)
        raise (Incomplete(words, {}) if outcome.given_up else ModelError(words))


def _last(found: Mapping[int, Any]) -> Any:
    return found[max(found)]


def _seed(seed: int, drawn: int) -> int:
    return (seed + SEED_STRIDE * drawn) % 2**31
