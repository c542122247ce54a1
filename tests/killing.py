"""Killing a real `luosi run` at random moments and starting it again: shared by the test (a few kills) and the benchmark (many)."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import time
from pathlib import Path


def start(workspace: Path, recipe: Path) -> subprocess.Popen[bytes]:
    """`luosi run` in a process of its own."""
    command = [sys.executable, "-c", "from luosi.cli import main; main()", "run", str(recipe), "-w", str(workspace)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def logged(workspace: Path) -> int:
    """Bytes of all attempt logs: they grow while steps run."""
    return sum(path.stat().st_size for path in (workspace / "store" / "attempts").glob("*.jsonl"))


def begun(workspace: Path) -> int:
    """Steps that were ever begun."""
    return len(list((workspace / "store" / "attempts").glob("*.jsonl")))


def published(workspace: Path) -> dict[str, str]:
    """Path -> digest of every published file of the artifacts themselves (manifests carry times and are left out)."""
    files = sorted((workspace / "store" / "artifacts").glob("*/*/out/**/*"))
    return {
        f.relative_to(workspace).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()
    }


def unfinished(log: Path) -> bool:
    """Whether the log's last attempt was begun and not ended."""
    text = log.read_text(errors="replace")
    return text.rfind('"event":"start"') > text.rfind('"event":"end"')


def run_with_kills(workspace: Path, recipe: Path, kills: int, seed: int, longest_s: float) -> dict[str, int]:
    """Run until done, killed `kills` times on the way (fewer if it is done sooner), each up to `longest_s` after the step at hand or,
    as often, the next one began: else all kills would fall on the longest step.

    Returns:
        key at work when killed -> how often.
    """
    dice = random.Random(seed)
    hit: dict[str, int] = {}
    for _ in range(kills):
        process = start(workspace, recipe)
        before = logged(workspace)
        while logged(workspace) == before and process.poll() is None:
            time.sleep(0.02)
        wanted = begun(workspace) + dice.randint(0, 1)
        while begun(workspace) < wanted and process.poll() is None:
            time.sleep(0.02)
        time.sleep(dice.uniform(0.0, longest_s))
        if process.poll() is not None:
            process.communicate()
            break
        process.kill()
        process.communicate()
        latest = max((workspace / "store" / "attempts").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        if unfinished(latest):  # else the kill fell between two steps
            hit[latest.stem] = hit.get(latest.stem, 0) + 1
    process = start(workspace, recipe)
    output, _ = process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")
    return hit
