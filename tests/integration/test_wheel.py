"""The wheel alone, in an empty environment and another folder, does the whole job."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import samples

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX"}
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("cargo") is None, reason="no Rust to build a wheel with")
def test_a_wheel_in_an_empty_environment(tmp_path: Path) -> None:
    wheels, folder = tmp_path / "wheels", tmp_path / "elsewhere"
    folder.mkdir()
    run(sys.executable, "-m", "maturin", "build", "--quiet", "--profile", "quick", "--out", wheels, cwd=ROOT)
    (wheel,) = wheels.glob("vpcflow-*-cp311-abi3-*.whl")
    run(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    binaries = tmp_path / "empty" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    (folder / "flow.log.gz").write_bytes(
        gzip.compress(samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED]))
    )
    run(binaries / "vpcflow", "index", "flow.log.gz", "--quiet", cwd=folder)
    rows = run(
        binaries / "vpcflow",
        "query",
        'SELECT "event.action", "source.port" FROM flows ORDER BY 2',
        "--format",
        "csv",
        cwd=folder,
    )
    assert rows.split() == ["event.action,source.port", "ACCEPT,20641", "REJECT,49761"]
    typed = run(
        binaries / "python",
        "-c",
        "import vpcflow, pathlib; print((pathlib.Path(vpcflow.__file__).parent / 'py.typed').exists())",
        cwd=folder,
    )
    assert typed.strip() == "True"
    for module in ("vpcflow.sinks.elasticsearch", "vpcflow.elastic.template", "vpcflow.cli.demo"):
        run(binaries / "python", "-c", f"import {module}", cwd=folder)
    shipped = "from vpcflow.kibana.assets import saved_objects; print(len(saved_objects()))"
    assert int(run(binaries / "python", "-c", shipped, cwd=folder)) == 8
