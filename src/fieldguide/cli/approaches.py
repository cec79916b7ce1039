"""`fieldguide approaches`: what can be tried, and with which parameters."""

from __future__ import annotations

import json
from typing import Annotated

from typer import Option


def approaches(as_json: Annotated[bool, Option("--json", help="Print the list as JSON.")] = False) -> None:
    """List every approach with its family and parameters."""
    from fieldguide.approaches.approach import make
    from fieldguide.registry import names

    found = [make(name) for name in names("approach")]
    if as_json:
        print(json.dumps([{**a.to_json(), "title": a.title, "family": a.family} for a in found], ensure_ascii=False, indent=1))
        return
    for a in found:
        params = ", ".join(f"{k}={v!r}" for k, v in a.params().items())
        print(f"{a.name:<22}{a.family:<11}{a.title}" + (f"  ({params})" if params else ""))
