"""The program: exit codes, JSON, plain errors, light start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from luosi import Workspace
from luosi.api import shipped_recipe

HEAVY = ("torch", "transformers", "polars", "pyarrow", "numba", "numpy", "sqlalchemy")


def luosi(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from luosi.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A recipe of two real programs run as steps."""
    (tmp_path / "r.toml").write_text(
        """
[steps.write]
stage = "command"
command = ["{python}", "-c", "import sys; open(sys.argv[1] + '/a.txt', 'w').write('hello')", "{out}"]
outputs = ["a.txt"]
[steps.copy]
stage = "command"
command = ["{python}", "-c", "import shutil, sys; shutil.copy(sys.argv[1] + '/a.txt', sys.argv[2])", "{in:write}", "{out}"]
outputs = ["a.txt"]
inputs = { inputs = ["write"] }
"""
    )
    return tmp_path


def test_plan_run_bill_show(commands: Path) -> None:
    plan = luosi("plan", "r.toml", "--json", cwd=commands)
    assert [step["state"] for step in json.loads(plan.stdout)["steps"]] == ["build", "build"]
    assert not (commands / "luosi-work").exists(), "a plan writes nothing"
    run = luosi("run", "r.toml", cwd=commands)
    assert run.returncode == 0 and run.stdout == "" and "done in" in run.stderr
    bill = json.loads(luosi("bill", "--json", cwd=commands).stdout)
    assert [step["attempts"] for step in bill["steps"]] == [1, 1]
    assert set(bill["steps"][0]) >= {"step", "stage", "key", "state", "planned", "spent", "attempts"}
    assert set(bill["steps"][0]["planned"]["seconds"]) == {"p10", "p50", "p90"}
    assert bill["total"]["spent"]["money"]["nano"] > 0
    shown = json.loads(luosi("show", "--json", cwd=commands).stdout)
    assert {name for one in shown for name in one["names"]} == {"r/write", "r/copy"}
    assert "write" in luosi("lineage", "copy", cwd=commands).stdout
    assert luosi("verify", cwd=commands).returncode == 0
    for arguments in (["plan", "r.toml"], ["bill"], ["show"], ["show", "copy"], ["gc", "--dry-run"], ["doctor"]):
        done = luosi(*arguments, cwd=commands)
        assert done.returncode == 0 and done.stdout, (arguments, done.stderr)


def test_verify_finds_damage(commands: Path) -> None:
    luosi("run", "r.toml", cwd=commands)
    victim = next(commands.glob("luosi-work/store/artifacts/command/*/out/a.txt"))
    victim.write_text("HELLO")
    done = luosi("verify", cwd=commands)
    assert done.returncode == 1 and "a.txt" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "none.toml"], 2, "error: there is no recipe 'none.toml'"),
        (["plan", "r.toml", "--set", "steps.copy.comand=1"], 2, "did you mean 'command'?"),
        (["frobnicate"], 2, "No such command"),
        (["bill"], 2, "no recipe was run"),
        (["verdict", "r.toml"], 2, "no verdict step"),
        (["show", "nothing"], 2, "nothing here is called 'nothing'"),
        (["lineage", "k1-ffff"], 2, "no artifact has the key"),
        (["run", "r.toml", "--rebuild", "cpy"], 2, "did you mean 'copy'?"),
        (["run", "r.toml", "--cap-seconds", "0"], 3, "cap of 0 s"),
        (["run", "r.toml", "--set", "steps.write.command=['{python}', '-c', 'raise SystemExit(7)']"], 1, "7"),
        (["serve", "nothing"], 2, "nothing here is called 'nothing'"),
        (["new", "none.txt", "--budget", "10 min"], 2, "none.txt"),
        (["new", "r.toml", "--budget", "soon"], 2, "soon"),
    ],
)
def test_errors_are_plain(commands: Path, arguments: list[str], code: int, words: str) -> None:
    done = luosi(*arguments, cwd=commands)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


def test_help_and_plan_import_nothing_heavy(tmp_path: Path) -> None:
    program = f"""
import contextlib, sys
from luosi.cli import main
for arguments in (["--help"], ["plan", {str(shipped_recipe("demo"))!r}], ["bill", "--help"]):
    sys.argv = ["luosi", *arguments]
    with contextlib.suppress(SystemExit):
        main()
print("heavy:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stdout[-400:] + done.stderr
    assert "verdict" in done.stdout and "total" in done.stdout


def test_workspace_from_the_environment(commands: Path) -> None:
    assert luosi("run", "r.toml", cwd=commands, LUOSI_WORKSPACE="elsewhere").returncode == 0
    assert (commands / "elsewhere" / "store").is_dir() and not (commands / "luosi-work").exists()


def test_the_demo_without_its_open_model_goes_on_with_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from luosi import Workspace
    from luosi.cli import demo

    monkeypatch.setattr(demo, "_installed", lambda pin: pin != demo.OPEN_MODEL)
    workspace = Workspace("nowhere")
    recipe = demo._possible(workspace.recipe(shipped_recipe("demo")))
    assert demo.OPEN_MODEL_LINE in capsys.readouterr().err
    plain = workspace.machine().model_copy(update={"fp32_flops": 1e11, "bf16_flops": 1e11})
    graph = workspace.graph(demo._in_this_precision(recipe, plain))
    precisions = {
        step.name: getattr(step.config, "precision", "") for step in graph.steps if step.stage.name in demo.ROUNDING
    }
    assert set(precisions.values()) == {"fp32"} and "scratch" in precisions
    verdict = graph.step("verdict")
    assert list(verdict.config.routes) == list(verdict.inputs["scores"]) == ["score_scratch", "score_xz"]  # type: ignore[attr-defined]
    assert verdict.config.reference == "score_scratch"  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_serve_answers_the_official_client_and_stops_cleanly(small: Workspace, tmp_path: Path) -> None:
    import re
    import signal

    import openai

    command = [
        sys.executable,
        "-c",
        "from luosi.cli import main; main()",
        "serve",
        "--port",
        "0",
        "-w",
        str(small.root),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if "/v1" in line)
            address = re.search(r"http://[\d.:]+/v1", line)
            assert address and "base_q8" in line and "adapt_q8" in line and "ship_base" not in line
            with openai.OpenAI(base_url=address[0], api_key="any", max_retries=8) as client:
                assert {model.id for model in client.models.list()} == {"base_q8", "adapt_q8"}
                messages = [{"role": "user", "content": "graph"}]
                whole = client.chat.completions.create(model="adapt_q8", messages=messages, max_tokens=4, seed=0)  # type: ignore[call-overload]
                parts = list(
                    client.chat.completions.create(model="adapt_q8", messages=messages, max_tokens=4, stream=True)
                )  # type: ignore[call-overload]
            assert whole.usage.prompt_tokens > 0 and len(parts) > 1
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert (small.root / "accounts.db").exists()


HUNG_UP = """
import fcntl, os, signal, sys, termios, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
os.setsid()
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
from luosi.cli.common import say
from luosi.cli.run import stop_on_signals
with stop_on_signals() as stop:
    say("ready")
    while not stop():
        time.sleep(0.01)
    say("this goes to a terminal that is gone")
    print("and so does this", flush=True)
    with open(sys.argv[1], "w") as file:
        file.write(stop())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="terminals there do not hang up")
def test_a_terminal_that_is_gone_asks_for_a_stop_and_breaks_nothing(tmp_path: Path) -> None:
    import os
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", HUNG_UP, str(tmp_path / "told")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while b"ready" not in seen:
            seen += os.read(ours, 1000)
        os.close(ours)
        assert process.wait(30) == 0
    assert (tmp_path / "told").read_text() == "signal SIGHUP"
