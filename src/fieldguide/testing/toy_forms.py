"""A toy task for each kind that ships: separable rows with known answers, made from a seed, learnable by simple means.

    task = toy_form_task("span-extraction")           # 60 rows: 24 to train on, 20 to certify on
    task = toy_form_task("ranking", train=96, test=60)

A right answer can be found in two ways, so that approaches that learn from few rows and those that only compare texts both can: the
right choice is always an animal, say, and always the animal that the question names.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fieldguide.errors import UserError
from fieldguide.records import Row, fingerprint
from fieldguide.tasks.kinds.forms import letters
from fieldguide.tasks.task import Role, Task, TaskSpec
from fieldguide.testing.toy_answers import DRAWN
from fieldguide.testing.toy_chat import DRAWN as CHATS
from fieldguide.testing.toy_environments import DRAWN as WORLDS
from fieldguide.testing.toy_programs import program
from fieldguide.testing.toy_requests import DRAWN as REQUESTS
from fieldguide.testing.toy_texts import described, ended, prose, summary, translated
from fieldguide.testing.toys import FRAMES, WORDS

ANIMALS, FOOD, WEATHER = WORDS.values()
GRADES = {"awful": 1.0, "poor": 2.0, "fair": 3.0, "good": 4.0, "superb": 5.0}
ADJECTIVES = {"animal": ["grey", "brown", "young"], "food": ["fresh", "warm", "sweet"]}
SPEECH = {"det": "DET", "amod": "ADJ", "nsubj": "NOUN", "obj": "NOUN", "root": "VERB", "advmod": "ADV"}
"""The relation of a word in a toy sentence → its part of speech."""
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
PEOPLE = ["Ada", "Boris", "Clara", "Dmitri", "Esther", "Farouk", "Greta", "Hiro"]
PLACES = ["library", "garden", "kitchen", "harbour", "station", "museum", "forest", "market"]
Drawn = tuple[dict[str, Any], Any]
"""A row's inputs and its target."""


def topic(rng: random.Random) -> Drawn:
    """One topic of three; half of the rows are about animals."""
    name = rng.choice(["animals", "food", "animals", "weather"])
    a, b = rng.sample(WORDS[name], 2)
    return {"text": rng.choice(FRAMES).format(a=a, b=b)}, name


def relation(rng: random.Random) -> Drawn:
    """Whether two sentences name the same animal; two of five do."""
    same = rng.random() < 0.4
    a, b = rng.sample(ANIMALS, 2)
    places = rng.sample(PLACES, 2)
    first, second = f"we saw a {a} near the {places[0]}", f"there was a {a if same else b} by the {places[1]}"
    return {"first": first, "second": second}, "same" if same else "different"


def topics(rng: random.Random) -> Drawn:
    """All topics that a sentence names, from none to three."""
    named = sorted(rng.sample(sorted(WORDS), rng.choices([0, 1, 2, 3], [15, 40, 30, 15])[0]))
    words = [rng.choice(WORDS[name]) for name in named] or [rng.choice(["paper", "stones", "glass", "paint", "chalk", "wires"])]
    rng.shuffle(words)
    return {"text": f"my notes from {rng.choice(DAYS)} on {' and '.join(words)}"}, named


def stars(rng: random.Random) -> Drawn:
    """The mean of two grades given in words, from 1 to 5."""
    (a, b), grades = rng.sample(FOOD, 2), rng.choices(list(GRADES), k=2)
    return {"text": f"the {a} was {grades[0]} and the {b} was {grades[1]}"}, (GRADES[grades[0]] + GRADES[grades[1]]) / 2


def likeness(rng: random.Random) -> Drawn:
    """How many of four animals two sentences share, from 0 to 4."""
    words, shared = rng.sample(ANIMALS, 8), rng.randrange(5)
    sides = words[:4], [*words[:shared], *words[4 : 8 - shared]]
    first, second = ("we saw a {}, a {}, a {} and a {}".format(*rng.sample(side, 4)) for side in sides)
    return {"first": first, "second": second}, float(shared)


def answer(rng: random.Random) -> Drawn:
    """Which of three or four words is the animal that the question names."""
    right = rng.choice(ANIMALS)
    choices = [right, *rng.sample([*FOOD, *WEATHER], rng.choice([2, 3]))]
    rng.shuffle(choices)
    question = f"On {rng.choice(DAYS)} we saw a {right} near the {rng.choice(PLACES)}. What was it?"
    return {"question": question, "choices": choices}, letters(len(choices))[choices.index(right)]


def preferred(rng: random.Random) -> Drawn:
    """The kind answer that keeps to what was asked, not the rude one."""
    asked, other = rng.choice(ANIMALS), rng.choice(FOOD)
    kind = rng.choice(["Gladly: the {} is a fine animal.", "Of course, the {} is a lovely creature.", "With pleasure, here is the {}."]).format(asked)
    rude = rng.choice(["Go away, {} is all you get.", "Leave me alone with my {}.", "What a stupid thing to ask, eat your {}."]).format(other)
    first = rng.random() < 0.5
    return {"prompt": f"Tell me about the {asked}, {rng.choice(PEOPLE)} asks.", "responses": [kind, rude] if first else [rude, kind]}, "AB"[not first]


def tags(rng: random.Random) -> Drawn:
    """Animals and food in a sentence, with the adjective before them, in the BIO scheme."""

    def entity(of: str) -> list[tuple[str, str]]:
        words = [*rng.sample(ADJECTIVES[of], rng.randrange(2)), rng.choice(ANIMALS if of == "animal" else FOOD)]
        return [(word, f"{'I' if i else 'B'}-{of}") for i, word in enumerate(words)]

    first, second = rng.choices(["animal", "food"], k=2)
    opening, end = rng.choice(["we saw", "they like", "please draw"]), rng.choice(["today", "at home", ""])
    plain = [[(word, "O") for word in text.split()] for text in (opening, "and", end)]
    tagged = [*plain[0], *entity(first), *plain[1], *entity(second), *plain[2]]
    return {"tokens": [word for word, _ in tagged]}, [tag for _, tag in tagged]


def parse(rng: random.Random) -> Drawn:
    """A sentence of subject, verb and object, each noun with an article and perhaps an adjective, perhaps an adverb at the end."""

    def noun_phrase(at: int, relation: str) -> list[tuple[str, int, str]]:
        """(word, head, relation) of words that stand from place `at` on; the noun's head is still to come."""
        described = rng.randrange(2)
        noun = at + 1 + described
        words = [(rng.choice(["a", "the"]), noun, "det"), *[(rng.choice(ADJECTIVES["animal"]), noun, "amod")] * described]
        return [*words, (rng.choice(ANIMALS), 0, relation)]

    subject = noun_phrase(1, "nsubj")
    verb = len(subject) + 1
    said = [*subject, (rng.choice(["sees", "likes", "follows", "greets"]), 0, "root"), *noun_phrase(verb + 1, "obj")]
    said += [(rng.choice(["today", "slowly", "often"]), 0, "advmod")] * rng.randrange(2)
    linked = [[verb if relation in ("nsubj", "obj", "advmod") else head, relation] for _, head, relation in said]
    return {"tokens": [word for word, _, _ in said]}, linked


def speech(rng: random.Random) -> Drawn:
    """The part of speech of each word of such a sentence."""
    inputs, linked = parse(rng)
    return inputs, [SPEECH[relation] for _, relation in linked]


def span(rng: random.Random) -> Drawn:
    """Who was met, or where: one sentence that says so, or, one time in five, does not."""
    person, place = rng.choice(PEOPLE), rng.choice(PLACES)
    who = rng.random() < 0.5
    gone = rng.random() < 0.2
    met = rng.choice(FOOD) if who and gone else person
    where = "" if gone and not who else f" in the {place}"
    context = f"On {rng.choice(DAYS)} we {'ate' if who and gone else 'met'} {met}{where} and went home."
    texts = [] if gone else [person] if who else [f"the {place}", place]
    return {"question": "Who was met?" if who else "Where was it?", "context": context}, [{"text": t, "start": context.index(t)} for t in texts]


def relevance(rng: random.Random) -> Drawn:
    """Three to five notes, of which one names the animal of the query, and sometimes another names animals at all."""
    asked, other = rng.sample(ANIMALS, 2)
    texts = [(f"the {asked} is an animal of the {rng.choice(PLACES)}", 2.0)]
    texts += [(f"the {other} is another animal", 1.0)] * rng.randrange(2)
    texts += [(f"{a} with {b} in the {rng.choice(PLACES)}", 0.0) for a, b in (rng.sample([*FOOD, *WEATHER], 2) for _ in range(rng.choice([2, 3])))]
    rng.shuffle(texts)
    return {"query": f"notes on the {asked} by {rng.choice(PEOPLE)}", "documents": [text for text, _ in texts]}, [grade for _, grade in texts]


def told(rng: random.Random) -> Drawn:
    """Which animal the question tells of, with its article or without."""
    seen = rng.choice(ANIMALS)
    return {"question": f"On {rng.choice(DAYS)} {rng.choice(PEOPLE)} saw a {seen} near the {rng.choice(PLACES)}. Which animal was it?"}, [seen, f"a {seen}"]


@dataclass(frozen=True)
class Toy:
    """How the rows of one kind are drawn, and what their columns are called."""

    inputs: tuple[str, ...]
    target: str
    draw: Callable[[random.Random], Drawn]


TOYS: Mapping[str, Toy] = {
    "classification": Toy(("text",), "topic", topic),
    "pair-classification": Toy(("first", "second"), "relation", relation),
    "multi-label": Toy(("text",), "topics", topics),
    "regression": Toy(("text",), "stars", stars),
    "pair-regression": Toy(("first", "second"), "likeness", likeness),
    "multiple-choice": Toy(("question", "choices"), "answer", answer),
    "preference": Toy(("prompt", "responses"), "preferred", preferred),
    "tagging": Toy(("tokens",), "tags", tags),
    "token-classification": Toy(("tokens",), "tags", speech),
    "dependency-parsing": Toy(("tokens",), "heads,deprels", parse),
    "span-extraction": Toy(("question", "context"), "answers", span),
    "ranking": Toy(("query", "documents"), "relevance", relevance),
    "short-answer": Toy(("question",), "answers", told),
    "code": Toy(("prompt",), "tests", program),
    **{kind: Toy(*drawn) for kind, drawn in {**DRAWN, **CHATS, **REQUESTS, **WORLDS}.items()},
    "summarisation": Toy(("text",), "summary", summary),
    "translation": Toy(("en",), "de", translated),
    "last-word": Toy(("text",), "target", ended),
    "language-modelling": Toy(("text",), "size", prose),
    "data-to-text": Toy(("person", "animal", "place", "day"), "text", described),
}
"""Registered kind → its toy."""


def toy_form_task(kind: str, *, train: int = 24, test: int = 20, seed: int = 0) -> Task:
    """Rows of one kind: so many to train and to certify on, and 2/5 as many as to certify on to select and to calibrate by; no two alike.

    Raises `UserError` for a kind that has no toy task.
    """
    if kind not in TOYS:
        raise UserError(f"There is no toy task for the kind {kind!r}; there is one for each of {', '.join(TOYS)}.")
    toy, rng, seen = TOYS[kind], random.Random(f"{kind} {seed}"), set()
    parts: dict[Role, tuple[Row, ...]] = {}
    for role, size in ((Role.TRAIN, train), (Role.SELECT, test * 2 // 5), (Role.CALIBRATE, test * 2 // 5), (Role.CERTIFY, test)):
        rows: list[Row] = []
        while len(rows) < size:
            inputs, target = toy.draw(rng)
            if (key := fingerprint(inputs)) not in seen:
                seen.add(key)
                rows.append(Row(f"{role.value}:{len(rows) + 1}", inputs, target))
        parts[role] = tuple(rows)
    bare = TaskSpec(f"toy-{kind}", kind, toy.inputs, toy.target)
    reader = bare.reader
    labels = reader.labels([row.target for rows in parts.values() for row in rows])
    spec = TaskSpec(bare.name, kind, toy.inputs, toy.target, labels, metric=reader.metrics[0])
    return Task(spec, parts, notes=("Made for tests: any resemblance to real rows is accidental.",), source=bare.name)
