"""Runs a command's program under its supervisor, keeps the end of what it says, and stops it when the step must stop."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from luosi.artifacts import Facts
from luosi.errors import InputError, RecipeError, StageError
from luosi.pipeline.stage import Context
from luosi.stages.command.config import Config

POLL_S = 0.1
LOG_BYTES = 64 * 1024
"""The last so many bytes of output are kept."""
SHOWN_LINES = 20
STOP_S = 10.0
"""How long the supervisor may take to end the program before it is killed itself."""

PLACEHOLDER = re.compile(r"\{(out|scratch|here|python|in:[^{}]*)\}")


def fill(text: str, paths: Mapping[str, str], field: str) -> str:
    """`text` with its placeholders replaced by `paths` ("out", "in:curate", ...); other braces stay.

    Raises:
        RecipeError: A placeholder names a step that is not an input.
    """

    def path(match: re.Match[str]) -> str:
        name = match[1]
        if name not in paths:
            inputs = [known.removeprefix("in:") for known in paths if known.startswith("in:")]
            raise RecipeError(
                f"{match[0]} is not an input of this step",
                field=field,
                hint=f"its inputs: {', '.join(inputs) or 'none'}",
            )
        return paths[name]

    return PLACEHOLDER.sub(path, text)


def run_program(config: Config, inputs: Mapping[str, Path], context: Context) -> None:
    """Run the program with {out} emptied and {scratch} as its working folder; see CommandStage.run for the errors."""
    _empty(context.out)
    paths = {"out": str(context.out.resolve()), "scratch": str(context.scratch.resolve())}
    paths |= {"here": str(Path.cwd()), "python": sys.executable}
    paths |= {f"in:{step}": str(path.resolve()) for step, path in inputs.items()}
    command = [fill(part, paths, "command") for part in config.command]
    env = {**os.environ, **{name: fill(value, paths, f"env.{name}") for name, value in config.env.items()}}
    command[0] = _program(command[0], env)
    supervisor = [sys.executable, "-I", str(Path(__file__).with_name("supervise.py"))]
    with subprocess.Popen(
        [*supervisor, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=context.scratch,
        env=env,
        start_new_session=True,
    ) as process:
        tail = _Tail(process)
        try:
            _wait(process, config.expected_seconds, context)
        finally:
            _stop(process)
            tail.finish(context.scratch / "output.log")
    if process.returncode:
        raise StageError(_failure(Path(command[0]).name, process.returncode, tail.lines()))


def check_outputs(config: Config, out: Path) -> Facts:
    """That everything promised is there, and how much was made."""
    missing = [name for name in config.outputs if not (out / name).exists()]
    if missing:
        raise StageError(
            f"the command ended well but did not write {', '.join(missing)}",
            hint="it must write into {out}; whatever it writes elsewhere is not part of the artifact",
        )
    sizes = [path.stat().st_size for path in out.rglob("*") if path.is_file()]
    return Facts(figures={"files": len(sizes), "bytes": sum(sizes)})


class _Tail:
    """Reads a process's output on a thread, so that it never blocks, and keeps its end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(process,), name="command output", daemon=True)
        self._thread.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while block := os.read(process.stdout.fileno(), LOG_BYTES):
            self._kept = (self._kept + block)[-LOG_BYTES:]

    def finish(self, log: Path) -> None:
        """Wait for the last of it and keep it in `log`."""
        self._thread.join(timeout=STOP_S)
        log.write_bytes(self._kept)

    def lines(self) -> list[str]:
        """The last lines, as text fit for a terminal."""
        text = self._kept.decode("utf-8", "replace")
        clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r", "\n"))
        return [line.rstrip() for line in clean.splitlines() if line.strip()][-SHOWN_LINES:]


def _wait(process: subprocess.Popen[bytes], expected_s: float, context: Context) -> None:
    """Until it ends, or until `context.progress` raises because the step must stop."""
    start = time.monotonic()
    while process.poll() is None:
        elapsed = time.monotonic() - start
        context.progress(elapsed, max(expected_s, elapsed), "s")
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Close the supervisor's pipe, at which it ends the program's group, and reap both so that their CPU time counts."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _program(name: str, env: Mapping[str, str]) -> str:
    found = shutil.which(name, path=env.get("PATH"))
    if found is None:
        raise InputError(
            f"there is no program {name!r}",
            hint="install it, or give its full path ({here}/name for one in the folder you start Luosi in)",
        )
    return str(Path(found).absolute())


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _failure(program: str, status: int, lines: list[str]) -> str:
    ending = f"was ended by signal {status - 128}" if status > 128 else f"ended with status {status}"
    said = "\n  ".join(["; its last words:", *lines]) if lines else ", and said nothing"
    return f"{program} {ending}{said}"
