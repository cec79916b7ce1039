"""Documents that fail: examples run, the tree matches the disk, every approach has its page, every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fieldguide.registry import names

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks(path: Path, language: str) -> list[str]:
    """Fenced blocks whose info string is exactly `language`; "python no-run" is shown and not run."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.M | re.S)


RUNNABLE = [(path, i) for path in PAGES for i in range(len(blocks(path, "python")))]


@pytest.mark.parametrize(("path", "i"), RUNNABLE, ids=[f"{p.relative_to(ROOT)}-{i}" for p, i in RUNNABLE])
def test_python_examples_run(path: Path, i: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    exec(compile(blocks(path, "python")[i], f"{path.name}[{i}]", "exec"), {"__name__": "__example__"})


COMMANDS = [(path, i) for path in PAGES for i in range(len(blocks(path, "console")))]


@pytest.mark.parametrize(("path", "i"), COMMANDS, ids=[f"{p.relative_to(ROOT)}-{i}" for p, i in COMMANDS])
def test_console_examples_run(path: Path, i: int, tmp_path: Path) -> None:
    """Lines after `$ ` run in order in one folder; the first line shown below a command must occur in its output."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    lines = blocks(path, "console")[i].splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("$ "):
            continue
        command = line[2:].replace("fieldguide ", f"{sys.executable} -m fieldguide.cli.main ", 1)
        found = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert found.returncode == 0, f"{line}\n{found.stderr}"
        if place + 1 < len(lines) and not lines[place + 1].startswith("$ "):
            assert lines[place + 1].strip() in found.stdout, f"{line}\n{found.stdout}"


def test_every_approach_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "approaches").glob("*.md")} - {"README"}
    assert pages == set(names("approach"))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"


def test_generated_pages_are_fresh() -> None:
    """The annotated tree (against the disk), the command line's page and the list of approaches."""
    found = subprocess.run([sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
