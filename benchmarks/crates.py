"""The peers that are written in Rust: built with Cargo when a row wants them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

WORKSPACE = Path(__file__).parent / "peers" / "rust"
TARGET = Path(__file__).parents[1] / "target" / "bench-peers"


class UnavailableError(Exception):
    """A peer can't be had on this machine."""


def binary(crate: str) -> Path:
    """Where the program of a package is once it is built."""
    return TARGET / "release" / crate


@cache
def build(crate: str) -> None:
    """Builds a package, or raises UnavailableError with the reason."""
    if shutil.which("cargo") is None:
        raise UnavailableError("cargo isn't installed")
    done = subprocess.run(
        ["cargo", "build", "--quiet", "--release", "--locked", "--package", crate],
        cwd=WORKSPACE,
        env=os.environ | {"CARGO_TARGET_DIR": str(TARGET)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
        raise UnavailableError(f"cargo can't build {crate}: {(errors or ['no message'])[0]}")


def locked(package: str) -> str:
    """The version of a dependency that Cargo.lock pins."""
    lock = tomllib.loads((WORKSPACE / "Cargo.lock").read_text(encoding="utf-8"))
    return next(entry["version"] for entry in lock["package"] if entry["name"] == package)
