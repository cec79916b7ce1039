"""A shop in miniature, after WebShop (Yao et al. 2022, arXiv:2207.01206): search, open a product, choose its options, buy.

    Shop
    Wanted; tent; light, waterproof; colour green, size large; at most 60 dollars
    Alto; tent; light, waterproof; colour green/red, size small/large; 55 dollars
    Bora; lamp; bright; colour green; 20 dollars

A line is a product: its name, sort, attributes, options and price; attributes and options may be left empty. The reward comes
with buying (equation 1): with r = 1 for a product of the sort that is wanted, else 0,

    r · (wanted attributes that it has + wanted options that were chosen + 1 if the price is no higher than allowed) / (wanted attributes + options + 1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from fieldguide.errors import DataError
from fieldguide.tasks.environments.environment import Environment

BUY = "buy"
SAID = (
    (re.compile(r"search(?:\s+for)?[\s:]+([\w' -]+)|search\s*[\[(]([\w' -]+)[\])]", re.I), "search"),
    (re.compile(r"(?:open|view|click(?:\s+on)?)[\s:]+([\w' -]+)|open\s*[\[(]([\w' -]+)[\])]", re.I), "open"),
    (re.compile(r"(?:choose|select|pick)[\s:]+([\w' -]+)|choose\s*[\[(]([\w' -]+)[\])]", re.I), "choose"),
)
BOUGHT = re.compile(r"(?:click\s*(?:on\s+)?[\[(]?\s*)?(?:buy|purchase)(?:\s+(?:it|now|this(?:\s+product)?))?\s*[\])]?", re.I)
Options = tuple[tuple[str, str], ...]
"""(group, value): ("colour", "green")."""


class Product(NamedTuple):
    name: str
    sort: str
    attributes: frozenset[str]
    options: Options
    """Every value of every group, in the order of the text."""
    price: float

    @property
    def words(self) -> set[str]:
        """All words that a search may meet."""
        return _words(" ".join((self.name, self.sort, *self.attributes, *(value for _, value in self.options))))


@dataclass(frozen=True)
class Stock:
    """What the text of a shop says; equal texts are equal stocks."""

    text: str
    wanted: Product = field(compare=False)
    """What is to be bought; its price is the highest that may be paid."""
    products: tuple[Product, ...] = field(compare=False)


class ShopState(NamedTuple):
    stock: Stock
    found: tuple[int, ...] = ()
    """The products that the last search found, the best first."""
    at: int = -1
    """The product that is open; −1 for none."""
    chosen: Options = ()
    bought: bool = False


class Shop(Environment):
    name = "shop"
    legend = "In the shop a line is a product: name, sort, attributes, options, price. Buy what is wanted, within the price, with its options chosen."
    verbs = "Actions: search <words>, open <product>, choose <option>, buy."

    def parse(self, text: str) -> ShopState:
        lines = [line.strip() for line in text.strip().split("\n")[1:] if line.strip()]
        products = [_product(line) for line in lines]
        if len(products) < 2 or products[0].name.casefold() != "wanted":
            raise DataError("The shop needs a line that says what is wanted, and then at least one product; see the example in docs/kinds.md.")
        names = [product.name.casefold() for product in products]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"The shop has the name {twice[0]!r} twice; give each product a name of its own.")
        return ShopState(Stock(text, products[0], tuple(products[1:])))

    def goal(self, state: ShopState) -> str:
        wanted = state.stock.wanted
        options = ", ".join(" ".join(option) for option in wanted.options)
        parts = (wanted.sort, ", ".join(sorted(wanted.attributes)), options, f"at most {wanted.price:g} dollars")
        return f"Wanted: {'; '.join(part for part in parts if part)}"

    def actions(self, state: ShopState) -> tuple[str, ...]:
        """A search for each sort of product, which finds all of it; then what was found, and what can be chosen."""
        searches = [f"search {sort}" for sort in dict.fromkeys(product.sort for product in state.stock.products)]
        opened = [f"open {state.stock.products[i].name}" for i in state.found if i != state.at]
        if state.at < 0:
            return (*searches, *opened)
        choices = [f"choose {group} {value}" for group, value in state.stock.products[state.at].options if (group, value) not in state.chosen]
        return (*searches, *opened, *choices, BUY)

    def read(self, said: str) -> str | None:
        said = " ".join(said.split())
        if BOUGHT.fullmatch(said):
            return BUY
        for words, verb in SAID:
            if found := words.fullmatch(said):
                return f"{verb} {(found[1] or found[2]).strip()}"
        return None

    def seen(self, state: ShopState) -> str:
        if state.bought:
            return f"You have bought {state.stock.products[state.at].name}."
        if state.at >= 0:
            product = state.stock.products[state.at]
            chosen = ", ".join(" ".join(option) for option in state.chosen) or "nothing"
            held = ", ".join(sorted(product.attributes)) or product.sort
            return f"{product.name} is open: {held}; {product.price:g} dollars; chosen: {chosen}."
        if state.found:
            return f"Found: {', '.join(f'{state.stock.products[i].name} ({state.stock.products[i].price:g} dollars)' for i in state.found)}."
        return "Nothing is found yet."

    def act(self, state: ShopState, action: str) -> tuple[ShopState, float, bool] | None:
        verb, _, rest = action.partition(" ")
        if verb == "search":
            return ShopState(state.stock, search(state.stock, rest)), 0.0, False
        if verb == "open":
            places = [i for i in state.found if state.stock.products[i].name.casefold() == rest.casefold()]
            return (state._replace(at=places[0], chosen=()), 0.0, False) if places else None
        if state.at < 0:
            return None
        if verb == "choose":
            return self._choose(state, rest)
        return state._replace(bought=True), reward(state.stock.wanted, state.stock.products[state.at], state.chosen), True

    def _choose(self, state: ShopState, said: str) -> tuple[ShopState, float, bool] | None:
        """The option that is named by group and value, or by a value that one group alone has; it takes the place of another of its group."""
        options = state.stock.products[state.at].options
        named = [(group, value) for group, value in options if said.casefold() in (f"{group} {value}".casefold(), value.casefold())]
        if len(named) != 1:
            return None
        others = [option for option in state.chosen if option[0] != named[0][0]]
        return state._replace(chosen=tuple(sorted([*others, *named]))), 0.0, False


@lru_cache(maxsize=4096)
def search(stock: Stock, query: str) -> tuple[int, ...]:
    """The places of the products that share a word with a query, those first that share most, else in the shop's order."""
    shared = [len(_words(query) & product.words) for product in stock.products]
    return tuple(sorted((i for i, count in enumerate(shared) if count), key=lambda i: -shared[i]))


def reward(wanted: Product, product: Product, chosen: Options) -> float:
    """Equation 1 of Yao et al. 2022, from 0 to 1."""
    if product.sort.casefold() != wanted.sort.casefold():
        return 0.0
    met = len(wanted.attributes & product.attributes) + len(set(wanted.options) & set(chosen)) + (product.price <= wanted.price)
    return met / (len(wanted.attributes) + len(wanted.options) + 1)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _product(line: str) -> Product:
    """A line of a shop. Raises `DataError` where it is none."""
    parts = [part.strip() for part in line.split(";")]
    price = re.fullmatch(r"(?:at most )?(\d+(?:\.\d+)?) dollars?", parts[-1], re.I)
    if len(parts) != 5 or price is None or not all(re.fullmatch(r"[\w' -]+", part) for part in parts[:2]):
        asked = '"name; sort; attributes; options; 55 dollars", with an option as in "colour green/red"'
        raise DataError(f"The shop has the line {line[:60]!r}; write {asked}.")
    options: list[tuple[str, str]] = []
    for group, _, values in (option.strip().partition(" ") for option in parts[3].split(",") if option.strip()):
        options += [(group, value.strip()) for value in values.split("/") if value.strip()]
    return Product(parts[0], parts[1], frozenset(part.strip() for part in parts[2].split(",") if part.strip()), tuple(options), float(price[1]))
