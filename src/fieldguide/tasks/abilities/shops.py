"""Shops of a text environment: one product has all that is wanted, and each of the others like it lacks something or costs too much."""

from __future__ import annotations

import random

from fieldguide.tasks.abilities.ability import Ability, Drawn
from fieldguide.tasks.abilities.mazes import solution
from fieldguide.tasks.scoring.environments import ENVIRONMENT

SORTS = ("tent", "lamp", "chair", "kettle", "jacket", "backpack", "blanket", "radio", "clock", "bottle", "carpet", "umbrella")
ATTRIBUTES = (
    "light", "waterproof", "foldable", "washable", "soft", "handmade", "quiet", "sturdy", "insulated", "recycled", "compact", "scratchproof", "warm",
    "slim",
)  # fmt: skip
OPTIONS = {
    "colour": ("green", "red", "blue", "black", "white"),
    "size": ("small", "medium", "large"),
    "pattern": ("plain", "striped", "dotted", "checked"),
}
NAMES = (
    "Alto", "Bora", "Cima", "Delta", "Ember", "Fjord", "Gale", "Halo", "Indigo", "Juno", "Koda", "Lumen", "Mira", "Nova", "Onyx", "Pico", "Quill", "Riva"
)  # fmt: skip
OTHERS = 2
"""Products of another sort."""


def shop(rng: random.Random, wishes: int) -> Drawn:
    """So many wishes beside sort and price, half of them options: one product meets them all, and two more than there are wishes do not."""
    groups = sorted(rng.sample(sorted(OPTIONS), min(wishes // 2, len(OPTIONS))))
    sort, *other_sorts = rng.sample(SORTS, 1 + OTHERS)
    wanted = rng.sample(ATTRIBUTES, wishes - len(groups))
    chosen = {group: rng.choice(OPTIONS[group]) for group in groups}
    limit = 10 * rng.randrange(3, 10)
    lines = [_line(sort, wanted, {group: _values(rng, group, value) for group, value in chosen.items()}, limit - rng.randrange(0, 20), rng)]
    for _ in range(wishes + 2):
        lacks = rng.choice(["price", *wanted, *groups])
        held = [attribute for attribute in wanted if attribute != lacks]
        spare = [attribute for attribute in ATTRIBUTES if attribute not in wanted]
        held += rng.sample(spare, len(wanted) - len(held))
        offered = {group: _values(rng, group, None if group == lacks else value, value) for group, value in chosen.items()}
        lines.append(_line(sort, held, offered, limit + rng.randrange(1, 30) if lacks == "price" else limit - rng.randrange(0, 20), rng))
    lines += [_line(other, wanted, {group: _values(rng, group, value) for group, value in chosen.items()}, limit - 5, rng) for other in other_sorts]
    rng.shuffle(lines)
    named = [f"{name}; {line}" for name, line in zip(rng.sample(NAMES, len(lines)), lines, strict=True)]
    asked = f"Wanted; {sort}; {', '.join(wanted)}; {', '.join(f'{group} {value}' for group, value in chosen.items())}; at most {limit} dollars"
    text = "\n".join(["Shop", asked, *named])
    return {ENVIRONMENT: text}, solution(text)


def _values(rng: random.Random, group: str, value: str | None, never: str | None = None) -> list[str]:
    """Two values of a group in the group's order: the one given, where there is one, and others than `never`."""
    others = rng.sample([other for other in OPTIONS[group] if other not in (value, never)], 2 - (value is not None))
    return sorted([*others, *([value] if value is not None else [])], key=OPTIONS[group].index)


def _line(sort: str, attributes: list[str], options: dict[str, list[str]], price: int, rng: random.Random) -> str:
    held = rng.sample(attributes, len(attributes))
    offered = [f"{group} {'/'.join(values)}" for group, values in options.items()]
    return f"{sort}; {', '.join(held)}; {', '.join(offered)}; {price} dollars"


ABOUT = "A shop in which one product has all that is wanted, to be searched for, opened, chosen and bought."
ABILITIES = (Ability("shop", ABOUT, "text-environment", "wishes", 1, 6, shop, (ENVIRONMENT,), "solution"),)
