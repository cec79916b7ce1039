"""Where a model of an API lives: its reference read, its server, who may have the key, and whether it answers there."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fieldguide.errors import ModelError

KEY, BASE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
DEFAULT_BASE = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Place:
    """A model at a server."""

    reference: str
    name: str
    base: str
    """The address that paths are added to, without a slash at its end."""
    origin: str
    """Scheme, host and port of it."""
    local: bool
    """Whether it is a loopback address."""
    keyed: bool
    """Whether it may have the key: it has the origin of OPENAI_BASE_URL, or of OpenAI where that is not set."""

    @property
    def identity(self) -> str:
        return f"api-{self.base}-{self.name}"

    def secret(self) -> str:
        """The key to send there, or "": read from the environment at each use and kept nowhere."""
        return os.environ.get(KEY, "").strip() if self.keyed else ""


def place_of(reference: str) -> Place:
    """`openai:name` or `openai:name@http://host:port/v1`, without any network. Raises `ModelError` if it is neither."""
    rest = reference.partition(":")[2]
    named = re.fullmatch(r"(.*?)@(https?://.*)", rest, re.S | re.I)
    name, address = (named[1], named[2]) if named else (rest, "")
    if not name.strip():
        raise ModelError(
            "A model reference of an API needs a name: write openai:name, or openai:name@http://host:port/v1 for a server other than "
            f"that of {BASE}."
        )
    home, home_origin, _ = _server(os.environ.get(BASE, "").strip() or DEFAULT_BASE, f"The address in {BASE}")
    base, origin, host = _server(address, "The address in the model reference") if address else (home, home_origin, urlsplit(home).hostname or "")
    return Place(f"openai:{name}@{base}" if address else reference, name, base, origin, _loopback(host), origin == home_origin)


def check_key(place: Place) -> None:
    """Raise `ModelError` if a key is missing where OpenAI needs one, or cannot be sent."""
    key = place.secret()
    if not key and place.base == DEFAULT_BASE:
        raise ModelError(
            f"OpenAI's server needs a key, and the environment variable {KEY} is not set; set it, or name another server: "
            f"set {BASE}, or write openai:{place.name}@http://host:port/v1."
        )
    if not re.fullmatch(r"[!-~]*", key):
        raise ModelError(f"The environment variable {KEY} holds a space or a character that no key has; set it to the key alone.")


def refused_key(place: Place, status: int, words: str) -> ModelError:
    """What to say when a server answers 401 or 403."""
    if place.secret():
        advice = f"it was sent the key in {KEY}; check that this key is valid there and may use {place.name!r}"
    elif place.keyed:
        advice = f"no key was sent, since {KEY} is not set; set it"
    else:
        advice = f"no key was sent, since a key goes only to the server that {BASE} names; if this server is to have it, set {BASE} to {place.base}"
    return ModelError(f"The server {place.origin} refused access ({status}: {words}); {advice}.")


def check_listed(place: Place, listed: Sequence[str]) -> None:
    """Raise `ModelError` if a server lists models and this one is not among them.

    Servers also take a name without the tag ":latest" (Ollama) and without the folder "models/" (Gemini).
    """
    if not listed or {place.name, f"{place.name}:latest", f"models/{place.name}"} & set(listed):
        return
    near = difflib.get_close_matches(place.name, listed, n=8, cutoff=0.0)
    more = f" and {len(listed) - len(near)} more" if len(listed) > len(near) else ""
    raise ModelError(f"The server {place.origin} has no model {place.name!r}; it lists {', '.join(near)}{more}.")


def _server(address: str, what: str) -> tuple[str, str, str]:
    """(base, origin, host) of an address. No message repeats an address that holds credentials."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ModelError(f"{what} is not understood; write it as http://host:port/v1.") from None
    if "@" in parts.netloc:
        raise ModelError(f"{what} holds a user name or password; leave it out, and give the key in {KEY}.")
    if parts.query or parts.fragment:
        raise ModelError(f"{what} has a part after ? or #, which no server address needs; leave it out, and give a key in {KEY}.")
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in ("http", "https") or not re.fullmatch(r"[\w.:%-]+", host):
        raise ModelError(f"{what} must begin with http:// or https:// and a host; {address!r} came.")
    shown = f"[{host}]" if ":" in host else host
    usual = port is None or port == (443 if scheme == "https" else 80)
    origin = f"{scheme}://{shown}" + ("" if usual else f":{port}")
    return origin + parts.path.rstrip("/"), origin, host


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
