"""A stage of your own in one file: counts the words of a corpus, and is planned, keyed, resumed and billed like Luosi's own.

Run it: python examples/custom_stage.py [WORKSPACE]
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from luosi import Workspace
from luosi.artifacts import KINDS, Artifact, Corpus, Facts
from luosi.artifacts.base import write_json
from luosi.cost import Estimate, Machine
from luosi.pipeline.stage import Context, Inputs, Role, Stage, StageConfig, StageRuntime
from luosi.recipe import parse_recipe
from luosi.text.sources import SourceSpec, digest

BYTES_PER_SECOND = 5e6
"""How fast one core counts words: a first guess, which the ledger corrects after the first run."""


class Lexicon(Artifact):
    """`words.json`: {"word": how often}, the most frequent words of a corpus."""

    required = ("words.json",)

    def words(self) -> list[tuple[str, int]]:
        """The words and their counts, most frequent first."""
        counts = {word: int(str(count)) for word, count in self.json("words.json").items()}
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


KINDS["Lexicon"] = Lexicon


class LexiconConfig(StageConfig):
    """Which words to keep."""

    top: int = Field(default=1000, gt=0)
    """How many, the most frequent first."""
    min_length: int = Field(default=1, gt=0)
    """Characters of the shortest word that counts."""


class LexiconStage(Stage[LexiconConfig, StageRuntime]):
    """Counts the words of the training text."""

    name = "lexicon"
    version = 1
    Config = LexiconConfig
    inputs: ClassVar[Mapping[str, Role]] = {"corpus": Role((Corpus,))}
    output = Lexicon

    def predict(self, config: LexiconConfig, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """How many words there will be is not known before they are counted."""
        return Facts()

    def estimate(self, config: LexiconConfig, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """By the size of the text."""
        text_bytes = inputs["corpus"][0].text_bytes or 0
        return machine.estimate(self.name, seconds=text_bytes / BYTES_PER_SECOND)

    def run(self, config: LexiconConfig, runtime: StageRuntime, inputs: Inputs, context: Context) -> Facts:
        """Fill `context.out`; killed half-way it simply runs again."""
        corpus = inputs.artifact("corpus", Corpus)
        total = inputs.one("corpus").facts.documents or 1
        counts: Counter[str] = Counter()
        for number, document in enumerate(corpus.documents("train"), 1):
            words = (word.strip(".,;:!?()\"'").lower() for word in document.text.split())
            counts.update(word for word in words if len(word) >= config.min_length)
            context.progress(number, max(total, number), "documents", words=len(counts))
        write_json(context.out / "words.json", dict(counts.most_common(config.top)))
        return Facts(figures={"distinct words": len(counts)})


def recipe_text(notes: Path) -> str:
    """A recipe that curates one file and counts its words."""
    return f"""
name = "lexicon-example"
[budget]
seconds = 30
[steps.curate]
stage = "curate"
heldout_fraction = 0.0
[[steps.curate.sources]]
name = "notes"
paths = ['{notes}']
bytes = {notes.stat().st_size}
sha256 = "{digest(SourceSpec(paths=(str(notes),)))}"
[steps.words]
stage = "lexicon"
inputs = {{ corpus = "curate" }}
min_length = 4
"""


def main(root: str) -> list[tuple[str, int]]:
    """Run the recipe in the workspace at `root` and show its most frequent words and its bill."""
    notes = Path(__file__).with_name("notes.txt")
    workspace = Workspace(root, stages=[LexiconStage()])
    recipe = parse_recipe(recipe_text(notes), name="lexicon-example", base=notes.parent)
    manifests = workspace.run(recipe)
    lexicon = Lexicon(workspace.store.open(manifests["words"], Lexicon).path)
    for word, count in lexicon.words()[:5]:
        print(f"{count:4} {word}")
    print(workspace.bill(recipe).model_dump_json(indent=2), file=sys.stderr)
    return lexicon.words()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "luosi-work")
