"""kibana-py, which others wrote and try on real Kibanas, finds in the stub what `vpcflow setup` made.

A stub that only our own client understands would prove nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from setup_command import KEY, setup
from vpcflow.kibana.assets import SAVED_OBJECTS, folder

HERE = Path(__file__).parent
TARGET = HERE / "target"


@pytest.mark.skipif(not (TARGET / "kibana").is_dir(), reason="no kibana-py: tests/prepare installs it")
def test_another_client_sees_what_was_made(kibana, tmp_path):
    made = setup(kibana.url)
    done = subprocess.run(
        [sys.executable, HERE / "kibana_py_session.py", kibana.url, KEY, folder() / SAVED_OBJECTS],
        env=os.environ | {"PYTHONPATH": str(TARGET)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen == {
        "version": "8.18.1",
        "types": {".server-log": True, ".index": True, ".email": False, ".webhook": False, ".slack": False},
        "connectors": ["vpcflow-index", "vpcflow-log"],
        "rules": sum(kind == "rule" for kind, _ in made.table),
        "title": "VPC flows, overview",
        "import": [True, 8],
        "renamed": "mine still",
    }
    again = setup(kibana.url, "--dry-run")
    # It imported the tag too, with no notes in it.
    assert again.table["dashboard", "VPC flows, overview"] == "would be changed (there before, not by set-up)"
