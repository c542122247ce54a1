"""Another program as a step: its arguments, its output, its end, and the end of everything it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from luosi.artifacts import Facts, Folder
from luosi.cost import Cost, Machine
from luosi.errors import BudgetExceeded, InputError, Interrupted, RecipeError, StageError
from luosi.pipeline.key import artifact_key
from luosi.pipeline.stage import Input, Inputs, StageRuntime
from luosi.plan.machine import catalogue
from luosi.stages.command.config import Config
from luosi.stages.command.stage import CommandStage

STAGE = CommandStage()


@dataclass
class Surroundings:
    """A Context that stops when told."""

    root: Path
    stop: Exception | None = None
    """Raised once the program has said who it is, in scratch/pids."""
    said: list[str] = field(default_factory=list)
    machine: Machine = field(default_factory=catalogue)
    stop_reason: str = ""

    def __post_init__(self) -> None:
        self.out, self.scratch = self.root / "out", self.root / "scratch"
        self.out.mkdir(parents=True)
        self.scratch.mkdir()

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        if self.stop and (self.scratch / "pids").exists():
            raise self.stop

    def say(self, message: str) -> None:
        self.said.append(message)

    def spend(self, cost: Cost) -> None:
        """Nothing here."""


@pytest.fixture
def context(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path / "step")


def run(context: Surroundings, *command: str, inputs: dict[str, Path] | None = None, **fields: object) -> Facts:
    config = Config(command=command, **fields)  # type: ignore[arg-type]
    given = [Input("k1-0", step, Folder(path), Facts()) for step, path in (inputs or {}).items()]
    return STAGE.run(config, StageRuntime(), Inputs({"inputs": given}), context)


def script(context: Surroundings, text: str, *arguments: str, **fields: object) -> Facts:
    return run(context, "{python}", "-c", textwrap.dedent(text), *arguments, **fields)  # type: ignore[arg-type]


def test_arguments_reach_the_program_as_they_are(context: Surroundings) -> None:
    literal = ["*", "$HOME", "a;b", "|", "`id`", "$(id)", "{print}", "{}", "a b", "'", '"', ""]
    write = "import sys; open(sys.argv[1] + '/seen', 'w').write(repr(sys.argv[2:]))"
    facts = run(context, "{python}", "-c", write, "{out}", *literal)
    assert (context.out / "seen").read_text() == repr(literal)
    assert facts.figures["files"] == 1


def test_placeholders_name_inputs_scratch_and_environment(context: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/a.txt").write_text("hello")
    text = """
        import os, pathlib, sys
        pathlib.Path(sys.argv[1], "b.txt").write_text(pathlib.Path(sys.argv[2], "a.txt").read_text().upper())
        pathlib.Path(os.environ["NOTES"], "kept").write_text(os.getcwd())
    """
    script(context, text, "{out}", "{in:curate}", inputs={"curate": tmp_path / "corpus"}, env={"NOTES": "{scratch}"})
    assert (context.out / "b.txt").read_text() == "HELLO"
    assert Path((context.scratch / "kept").read_text()) == context.scratch.resolve()


def test_an_input_that_is_not_one_is_named_before_anything_runs(context: Surroundings, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(RecipeError, match=r"\{in:corpus\} is not an input of this step\nhint: its inputs: curate"):
        run(context, "missing-program", "{in:corpus}", inputs={"curate": tmp_path / "corpus"})


def test_a_half_written_output_of_a_killed_try_is_gone(context: Surroundings) -> None:
    (context.out / "old").mkdir()
    (context.out / "old/half").write_text("torn")
    (context.out / "other").write_text("torn")
    (context.scratch / "checkpoint").write_text("kept")
    script(context, "import sys; open(sys.argv[1] + '/new', 'w')", "{out}")
    assert [path.name for path in context.out.iterdir()] == ["new"]
    assert (context.scratch / "checkpoint").read_text() == "kept"


def test_a_failure_carries_the_programs_last_words_and_not_its_first(context: Surroundings) -> None:
    with pytest.raises(StageError, match=r"ended with status 3; its last words:") as caught:
        script(
            context,
            "import sys\nfor i in range(50000): print('line', i)\nsys.stderr.write('bad\\x1b[31m input')\nsys.exit(3)",
        )
    message = caught.value.message
    assert "line 49999" in message and "bad" in message and "\x1b" not in message
    assert "line 49000\n" not in message and len(message) < 2000
    assert (context.scratch / "output.log").stat().st_size <= 64 * 1024


def test_a_signal_is_named(context: Surroundings) -> None:
    with pytest.raises(StageError, match=r"was ended by signal 11, and said nothing"):
        script(context, "import os; os.kill(os.getpid(), 11)")


def test_what_was_promised_must_be_there(context: Surroundings) -> None:
    with pytest.raises(StageError, match=r"did not write table\.csv"):
        script(context, "import sys; open(sys.argv[1] + '/a', 'w')", "{out}", outputs=("a", "table.csv"))


def test_a_missing_program_is_an_input_error(context: Surroundings) -> None:
    with pytest.raises(InputError, match=r"there is no program 'no-such-program'.*\nhint: install it"):
        run(context, "no-such-program")


@pytest.mark.parametrize(
    "fields",
    [
        {"command": ()},
        {"command": ("",)},
        {"command": ("a\0b",)},
        {"command": "wc -l"},
        {"command": ("wc",), "outputs": ("/etc/passwd",)},
        {"command": ("wc",), "outputs": ("../up",)},
        {"command": ("wc",), "env": {"A=B": "c"}},
        {"command": ("wc",), "shell": True},
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Config(**fields)  # type: ignore[arg-type]


def test_only_what_is_computed_enters_the_key() -> None:
    def key(config: Config) -> str:
        return artifact_key(STAGE.name, STAGE.version, config, {})

    base = Config(command=("wc",))
    assert key(base) == key(Config(command=("wc",), expected_seconds=99))
    assert key(base) != key(Config(command=("wc",), version="2"))
    assert STAGE.estimate(Config(command=("wc",), expected_seconds=99), {}, catalogue()).seconds.p50 == pytest.approx(
        99
    )


FAMILY = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    open(sys.argv[1] + "/pids.tmp", "w").write(f"{__import__('os').getpid()} {child.pid}")
    __import__("os").replace(sys.argv[1] + "/pids.tmp", sys.argv[1] + "/pids")
    time.sleep(60)
"""


def wait_for(path: Path) -> list[int]:
    while not path.exists():
        time.sleep(0.02)
    return [int(pid) for pid in path.read_text().split()]


def living(pids: list[int]) -> Iterator[int]:
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                yield pid
        except psutil.NoSuchProcess:
            continue


def assert_they_end(pids: list[int]) -> None:
    while left := list(living(pids)):  # the test's own time limit ends this
        time.sleep(0.02)
    assert not left


@pytest.mark.parametrize("stop", [BudgetExceeded("enough"), Interrupted("now")])
def test_stopping_the_step_ends_the_program_and_all_it_started(context: Surroundings, stop: Exception) -> None:
    context.stop = stop
    with pytest.raises(type(stop)):
        script(context, FAMILY, "{scratch}")
    assert_they_end(wait_for(context.scratch / "pids"))


def test_a_program_that_will_not_end_is_made_to(context: Surroundings) -> None:
    context.stop = Interrupted("now")
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + textwrap.dedent(FAMILY)
    with pytest.raises(Interrupted):
        run(context, "{python}", "-c", stubborn, "{scratch}")
    assert_they_end(wait_for(context.scratch / "pids"))


def test_what_a_program_leaves_running_ends_with_it(context: Surroundings) -> None:
    script(context, FAMILY.replace("time.sleep(60)\n", "\n").replace("    time.sleep(60)", ""), "{scratch}")
    assert_they_end(wait_for(context.scratch / "pids"))


def test_killing_luosi_ends_the_program(context: Surroundings, tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from tests.test_stages_command import FAMILY, Surroundings, script\n"
        "script(Surroundings(Path(sys.argv[2])), FAMILY, '{scratch}')\n"
    )
    root = str(Path(__file__).parents[1])
    luosi = subprocess.Popen([sys.executable, str(main), root, str(tmp_path / "killed")])
    pids = wait_for(tmp_path / "killed/scratch/pids")
    os.kill(luosi.pid, signal.SIGKILL)
    luosi.wait()
    assert_they_end(pids)


def test_the_programs_cpu_time_is_this_process_childrens(context: Surroundings) -> None:
    before = psutil.Process().cpu_times()
    script(context, "import time\nwhile time.process_time() < 0.5: pass")
    after = psutil.Process().cpu_times()
    assert after.children_user + after.children_system - before.children_user - before.children_system > 0.45


def test_the_example_recipe_runs_and_is_billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from luosi import Workspace

    monkeypatch.chdir(Path(__file__).parents[1])
    workspace = Workspace(tmp_path / "work")
    manifests = workspace.run("examples/command_stage.toml")
    longest = workspace.store.open(manifests["longest"], Folder).path / "longest.txt"
    assert longest.read_text().splitlines()[0] == "11 compression"
    bill = workspace.bill("examples/command_stage.toml")
    assert {line.step: line.attempts for line in bill.steps} == {"curate": 1, "readable": 1, "longest": 1}
    assert all(line.spent.cpu_seconds > 0 for line in bill.steps if line.stage == "command")


def test_the_example_stage_runs(tmp_path: Path) -> None:
    import importlib.util

    path = Path(__file__).parents[1] / "examples/custom_stage.py"
    spec = importlib.util.spec_from_file_location("custom_stage", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    words = module.main(str(tmp_path / "work"))
    assert dict(words)["model"] == 8
    assert all(len(word) >= 4 for word, _ in words)
