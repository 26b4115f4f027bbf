"""The documentation shows what is there, and what it shows works."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import samples
import vpcflow

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def generator():
    spec = importlib.util.spec_from_file_location("vpcflow_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["reference.md", "fields.md"])
def test_generated_pages_are_up_to_date(page: str) -> None:
    # In a process of its own: it sets the width of the terminal.
    made = subprocess.run(
        [sys.executable, "-c", f"import runpy; print(runpy.run_path('docs/generate.py')['PAGES']['{page}'](), end='')"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (ROOT / "docs" / page).read_text() == made.stdout, "run make docs"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_python_examples_of_the_library_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.log.gz").write_bytes(
        __import__("gzip").compress(samples.log(samples.V2, [samples.ACCEPTED, "bad"]))
    )
    text = (ROOT / "docs" / "library.md").read_text()
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        exec(compile(block, "docs/library.md", "exec"), scope)


def test_every_public_name_is_in_the_library_page() -> None:
    text = (ROOT / "docs" / "library.md").read_text()
    assert [name for name in vpcflow.__all__ if name not in text and name != "__version__"] == []


def test_commands_in_the_guide_exist() -> None:
    from vpcflow.cli import main

    commands = re.findall(r"^\$ (vpcflow .+)$", "\n".join(page.read_text() for page in DOCS), re.MULTILINE)
    assert len(commands) > 5
    for line in commands:
        words = shlex.split(line.split(" #")[0])
        command = main.get_command(None, words[1])  # type: ignore[arg-type]
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[2])
        assert command is not None, line
        options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {
            "-h",
            "--help",
        }
        assert {word for word in words[2:] if re.match(r"--?[a-z]", word)} <= options, line
