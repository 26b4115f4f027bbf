"""What docs/diagnose.md shows is what the command says of examples/diagnose."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from flowlogs import vpcflow

ROOT = Path(__file__).parents[2]


def test_the_worked_example(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "diagnose", tmp_path, dirs_exist_ok=True)
    shown = re.findall(r"```text\n(.*?)```", (ROOT / "docs" / "diagnose.md").read_text(), re.DOTALL)
    asked = 0
    for block in shown:
        for command, output in re.findall(r"^\$ vpcflow (.+)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            done = vpcflow(*shlex.split(command), cwd=tmp_path)
            assert done.stdout.decode() == output, command
            asked += command.startswith("diagnose")
    assert asked == 3
