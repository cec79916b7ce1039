"""`replay:FILE#MODEL`: a model's recorded answers in the place of the model, so that a study with it runs offline and costs nothing.

`fieldguide.models.recordings` tells the form of the file. What a replay cannot do, it says: a prompt without a recorded question is
an error, never an empty answer. It knows one answer a question: `n`, `temperature` and `seed` change nothing about it, while `stop`
and `max_tokens` cut it. Tokens and dollars are metered as if the model had been asked now.

Its facts are those of the model that was recorded: unless the file says otherwise it is remote (`local` is false) and closed. Nothing
leaves this machine when it is replayed, but whoever deploys it would send every row out, and a study that is held to local models
must not recommend it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fieldguide.errors import ModelError
from fieldguide.models import meter
from fieldguide.models.loading import file_digest
from fieldguide.models.model import Generation, Model, ModelFacts
from fieldguide.models.options import option_meant
from fieldguide.models.recordings import CHARACTERS_A_TOKEN, About, QuestionFinder, Recording, estimated_tokens, read_recordings, recorded
from fieldguide.records import Usage

__all__ = ["Recording", "ReplayModel", "load_replay", "recorded"]


def load_replay(reference: str) -> ReplayModel:
    """`replay:FILE#MODEL`. Raises `ModelError` if the file cannot be read, or holds no answers of that model."""
    path, name = _parts(reference)
    read = read_recordings(path)
    if name not in read.models:
        close = difflib.get_close_matches(name, read.models, n=1)
        what = f"The file {path} holds no answers of {name!r}" if name else f"The model reference {reference!r} does not say which model's answers to replay"
        hint = f"did you mean {close[0]}? The file" if close else "the file"
        raise ModelError(f"{what}; {hint} holds {', '.join(read.models)}: write replay:{path}#{(close or list(read.models))[0]}.")
    own = [recording for recording in read.recordings if recording.model == name]
    if not any(recording.text is not None for recording in own):
        raise ModelError(
            f"The file {path} says whether {name} was right on {len(own):,} questions, but not what it answered, so it cannot be prompted. Such a file serves "
            "to weigh cascades and routers: read it with fieldguide.models.replay.recorded(path)."
        )
    return ReplayModel(reference, _identity(reference), name, own, read.models[name])


def _identity(reference: str) -> str:
    path, name = _parts(reference)
    try:
        return f"replay-{file_digest(path)[:16]}-{name}"
    except OSError as error:
        raise ModelError(f"The recorded answers {path} cannot be read ({error.strerror}); write replay:FILE#MODEL.") from error


load_replay.identity = _identity  # type: ignore[attr-defined]


def _parts(reference: str) -> tuple[Path, str]:
    """(file, model); the model is what follows the last #."""
    rest = reference.partition(":")[2]
    file, mark, name = rest.rpartition("#")
    if not (file if mark else name):
        raise ModelError(f"The model reference {reference!r} names no file; write replay:FILE#MODEL.")
    return Path(file if mark else name).expanduser(), name if mark else ""


class ReplayModel(Model):
    """See the module. Of a question that is recorded twice, the first recording is replayed."""

    def __init__(self, reference: str, identity: str, name: str, recordings: Sequence[Recording], about: About) -> None:
        self.name = name
        self._recordings = {recording.question: recording for recording in reversed(recordings)}
        self._finder = QuestionFinder(self._recordings)
        self._price = about.price
        self.facts = ModelFacts(
            reference=reference,
            identity=identity,
            can=frozenset({"generate"}),
            numerics="recorded",
            type="api",
            licence=about.licence,
            open=about.open,
            local=about.local,
            usd_per_million_prompt=about.price.prompt if about.price else 0.0,
            usd_per_million_cached=about.price.cached if about.price else 0.0,
            usd_per_million_completion=about.price.completion if about.price else 0.0,
            price_date=about.price.date if about.price else "",
        )

    def recording(self, prompt: str) -> Recording:
        """What is recorded for the question that a prompt contains: the last one in it. Raises `ModelError` if it contains none."""
        question = self._finder.find(prompt)
        if question is None:
            raise ModelError(f"{self.facts.reference} holds no question that this prompt contains, so it has no answer to it: {_quoted(prompt)}.")
        return self._recordings[question]

    def correct(self, prompt: str) -> bool | None:
        """Whether the recorded answer was judged right; None where the file does not say. Raises `ModelError` as `recording` does."""
        return self.recording(prompt).correct

    def _generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: tuple[str, ...], n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        found = [self._answered(prompt) for prompt in prompts]
        said = [_cut(recording, max_tokens, stop) for recording in found]
        return [[one] * n for one in said], self._paid(prompts, found, said, n)

    def _choose(
        self, prompts: Sequence[str], options: Sequence[Sequence[str]], *, n: int, temperature: float, seed: int
    ) -> tuple[list[list[Generation]], Usage]:
        """The option that the recorded text means, where it means one; else the whole text."""
        found = [self._answered(prompt) for prompt in prompts]
        said = []
        for recording, own in zip(found, options, strict=True):
            whole = _cut(recording, recording.completion_tokens, ())
            meant = option_meant(whole.text, own)
            said.append(whole if meant is None else replace(whole, text=own[meant]))
        return [[one] * n for one in said], self._paid(prompts, found, said, n)

    def _answered(self, prompt: str) -> Recording:
        recording = self.recording(prompt)
        if recording.text is None:
            raise ModelError(f"{self.facts.reference} holds the question {_quoted(recording.question)}, but not what {self.name} answered to it.")
        return recording

    def _paid(self, prompts: Sequence[str], found: Sequence[Recording], said: Sequence[Generation], n: int) -> Usage:
        """As a provider bills: a prompt once, each of its `n` answers in full."""
        sent = [recording.prompt_tokens if recording.measured else max(estimated_tokens(prompt), 1) for prompt, recording in zip(prompts, found, strict=True)]
        written = [one.tokens * n for one in said]
        dollars = [
            n * recording.cost_usd
            if recording.measured and recording.cost_usd is not None
            else (self._price.cost(read, wrote) if self._price else 0.0)
            for recording, read, wrote in zip(found, sent, written, strict=True)
        ]
        usage = Usage(prompt_tokens=sum(sent), completion_tokens=sum(written), cost_usd=math.fsum(dollars))
        meter.hold(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, cost_usd=usage.cost_usd)
        return usage


def _cut(recording: Recording, max_tokens: int, stop: Sequence[str]) -> Generation:
    """The recorded text up to the first stop string, and to `max_tokens` tokens of the same length each."""
    whole = recording.text or ""
    text = whole[: min((at for mark in stop if mark and (at := whole.find(mark)) >= 0), default=len(whole))]
    a_token = max(len(whole) / recording.completion_tokens, 1e-9) if recording.measured and recording.completion_tokens else CHARACTERS_A_TOKEN
    tokens = math.ceil(len(text) / a_token - 1e-9)
    if tokens > max_tokens:
        return Generation(text[: int(max_tokens * a_token)], tokens=max_tokens, finish="length")
    return Generation(text, tokens=tokens, finish="stop")


def _quoted(text: str, most: int = 80) -> str:
    """The beginning, and for a long text the end too."""
    return repr(text) if len(text) <= 2 * most else f"{text[:most]!r} … {text[-most:]!r}"
