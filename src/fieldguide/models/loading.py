"""What the loaders share: the user's cache folder, names for files by their content, and a quiet transformers.

The cache folder is FIELDGUIDE_CACHE, else XDG_CACHE_HOME/fieldguide, else ~/.cache/fieldguide. Whatever it holds can be
deleted at any time and is made again when needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fieldguide.errors import ModelError

STALE_S = 3600.0
"""Seconds after which an unfinished folder is taken for abandoned."""

_quieting = threading.RLock()


def cache_folder() -> Path:
    """Where prepared weights and remembered hashes are kept. It may not exist yet."""
    if own := os.environ.get("FIELDGUIDE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fieldguide"


def file_digest(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's bytes.

    Remembered in the cache folder under the file's place, size and time of change, so that a large file is read once. A
    cache folder that cannot be written only costs time.
    """
    path = path.resolve()
    stat = path.stat()
    name = hashlib.sha256(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    note = cache_folder() / "digests" / f"{name}.json"
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads(note.read_text("utf-8"))["sha256"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        draft = note.with_suffix(f".{secrets.token_hex(4)}.tmp")
        draft.write_text(json.dumps({"path": str(path), "sha256": digest}), "utf-8")
        draft.replace(note)
    return digest


def folder_digest(folder: Path) -> str:
    """One name (16 hex digits) for everything in a model folder that its answers depend on: weights, configuration, tokeniser."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in {".safetensors", ".json", ".txt", ".model", ".jinja"})
    listed = "\n".join(f"{p.relative_to(folder).as_posix()} {file_digest(p)}" for p in files)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def prepared_folder(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` in the cache, filled by `make` if it is not there yet.

    It is filled under another name and then renamed, so that it is whole or absent, also when several processes do so at
    once. Raises `ModelError` where the cache folder cannot be written.
    """
    target = cache_folder() / name
    if target.is_dir():
        return target
    draft = target.with_name(f"{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    for left in target.parent.glob(f"{target.name}.*.tmp"):  # by a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_S:
                shutil.rmtree(left, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        make(draft)
        with contextlib.suppress(OSError):  # another process was first: its folder holds the same
            draft.rename(target)
    except OSError as error:
        raise ModelError(
            f"Weights could not be prepared in the cache folder {cache_folder()} ({error.strerror or error}); make room there, "
            "or set FIELDGUIDE_CACHE to a folder that can be written."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside this block transformers shows neither warnings nor progress bars; afterwards it is as talkative as before."""
    from transformers.utils import logging

    with _quieting:
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
