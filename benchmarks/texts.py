"""Two English texts for training from scratch, the same bytes wherever they are made, and their tokens.

    python benchmarks/texts.py [FOLDER]

`apt-get download` fetches pinned packages of the Debian 12 archive into FOLDER/packages (they are unpacked, never installed): about 55 MB of
technical prose (the Linux kernel's documentation, Python's, Perl's, Django's, the manual pages), and 40 MB of a dictionary of 1913, continued
since, on which nothing was chosen. FOLDER/texts gets one JSONL file a source, a line a document (id, source, text), whose digest is checked;
FOLDER/workspace gets what Luosi's own stages make of each: near-duplicates dropped, whole documents held out, a vocabulary of 4,096, tokens.
The archive keeps only the newest security update of a package, so that a pin goes stale: then the script says so, and with new pins all runs
of that text must be made again. Needs Debian 12 or its archive in apt's sources.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path

from luosi import Workspace
from luosi.artifacts import Corpus, TokenDataset, Tokenizer
from luosi.recipe import parse_recipe
from luosi.text.markup import page_text
from luosi.text.sources import SourceSpec, digest

FOLDER = Path(__file__).parents[1] / "luosi-work" / "time_to_quality"
VOCABULARY, HELDOUT_BYTES, SHORTEST_CHARS = 4096, 60_000, 200

Documents = dict[str, str]
"""What a file holds: what tells a document apart within it, and its text."""


def plain(text: str) -> Documents:
    """Text that is written to be read as it is: reStructuredText, POD."""
    return {"": text}


ALTERNATING = {"BR", "BI", "IR", "IB", "RB", "RI"}
KEPT_BREAK = "\0"
SPOKEN = ALTERNATING | {"B", "I", "SH", "SS", "SM", "SB", "IP", "TP", "TQ"}
ESCAPES = (
    (r"\\f(\[[^\]]*\]|\(..|.)", ""),
    (r"\\s[-+]?\d+", ""),
    (r"\\\*(\[[^\]]*\]|\(..|.)", ""),
    (r"\\\((aq|cq|oq)", "'"),
    (r"\\\((lq|rq|dq)", '"'),
    (r"\\\((bu)", "*"),
    (r"\\\((en|em|mi)", "-"),
    (r"\\\((..)", ""),
    (r"\\\[[^\]]*\]", ""),
    (r"\\[&|^/,%:)]", ""),
    (r"\\[~0 ]", " "),
    (r"\\-", "-"),
    (r"\\e", r"\\"),
)


def manual_page(roff: str) -> Documents:
    """The words of a manual page in the `man` macros: headings, paragraphs and lists; what the macros do to the type is dropped."""
    lines: list[str] = []
    filled = True
    for line in roff.replace("\\ ", "\u00a0").splitlines():
        if not line.startswith((".", "'")):
            lines.append(line if filled else line + KEPT_BREAK)
            continue
        macro, _, rest = line[1:].strip().partition(" ")
        words = [in_quotes or bare for in_quotes, bare in re.findall(r'"([^"]*)"|(\S+)', rest.strip())]
        if macro in {"nf", "EX", "fi", "EE"}:
            filled = macro in {"fi", "EE"}
        if macro in {"PP", "LP", "P", "SH", "SS", "TP", "TQ", "IP", "sp"}:
            lines.append("")
        if macro == "IP":
            words = words[:1]
        elif macro in {"TP", "TQ"}:
            words = []
        if macro in SPOKEN and words:
            said = ("" if macro in ALTERNATING else " ").join(words)
            lines.append(said + KEPT_BREAK if macro in {"SH", "SS", "IP"} or not filled else said)
    text = re.sub(r"(?<=[^\n])\n(?=[^\n])", " ", "\n".join(lines))
    text = text.replace(KEPT_BREAK + " ", "\n").replace(KEPT_BREAK, "")
    for pattern, by in ESCAPES:
        text = re.sub(pattern, by, text)
    return {"": text.replace("\u00a0", " ")}


def django_page(page: str) -> Documents:
    """A page of Django's documentation without the links around it."""
    return {"": page_text(page).split("next »\n", 1)[-1].split("\n### Last update", 1)[0].replace("¶", "")}


def dictionary(text: str) -> Documents:
    """A document for all words that begin with the same four letters; what says whose dictionary it is is left out."""

    def begins(entry: str) -> str:
        return "".join(filter(str.isalnum, entry.partition("\\")[0].lower()))[:4]

    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("00-database")]
    found: dict[str, list[str]] = {}
    for letters, same in groupby(entries, begins):
        found.setdefault(f"#{letters}", []).extend(same)
    return {letters: "\n".join(same) for letters, same in found.items()}


@dataclass(frozen=True)
class Package:
    """What is taken of one package of the archive."""

    source: str
    name: str
    version: str
    taken: str
    """Pattern of the files' names."""
    left_out: str
    read: Callable[[str], Documents]


@dataclass(frozen=True)
class Text:
    """What a model learns from."""

    packages: tuple[Package, ...]
    sha256: str
    """Over all lines of all sources, in their order."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names, each once."""
        return tuple(dict.fromkeys(package.source for package in self.packages))


MANUALS = (
    Package("linux", "linux-doc-6.12", "6.12.117-1~deb12u1", "*/Documentation/*.rst.gz", "*/translations/*", plain),
    Package("python", "python3.11-doc", "3.11.2-6+deb12u9", "*/_sources/*.rst.txt*", "*/changelog.*", plain),
    Package("perl", "perl-doc", "5.36.0-7+deb12u4", "*/pod/*.pod", "*/perltoc.pod", plain),
    Package("django", "python-django-doc", "3:3.2.25-0+deb12u7", "*/html/*.html", "*/_modules/*", django_page),
    Package("manuals", "manpages", "6.03-2", "*/man[0-9]/*.gz", "", manual_page),
    Package("manuals", "manpages-dev", "6.03-2", "*/man[0-9]/*.gz", "", manual_page),
)
WORDS = (Package("dictionary", "dict-gcide", "0.48.5+nmu2", "*/gcide.dict.dz", "", dictionary),)
TEXTS = {
    "manuals": Text(MANUALS, "f2363be83232b3c796f15c803336fbd3bc174768073cb57b8b1ec0f5ef072998"),
    "dictionary": Text(WORDS, "aaf7bb36a79e788513239dcd2752b8059f6b18d03deb505e41d09a23bc670cc2"),
}


def download(package: Package, folder: Path) -> Path:
    """The package's file, fetched if it is not there.

    Raises:
        SystemExit: The archive has not got it, or not in that version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{package.name}_{package.version.replace(':', '%3a')}_*.deb"
    if not list(folder.glob(pattern)):
        pin = f"{package.name}={package.version}"
        done = subprocess.run(["apt-get", "download", pin], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"apt-get download {pin} failed: {done.stderr.strip()}\n"
                "The archive may have a newer version by now (apt-cache policy, after apt-get update). With another version in "
                "this script the text is another: give its digest in TEXTS and make all runs of the benchmark on it again."
            )
    (found,) = folder.glob(pattern)
    return found


def documents(package: Package, file: Path) -> Iterator[dict[str, str]]:
    """The package's texts, sorted by name."""
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        members = sorted((m for m in archive.getmembers() if m.isfile()), key=lambda m: m.name)
        for member in members:
            if fnmatch(member.name, package.taken) and not fnmatch(member.name, package.left_out):
                content = archive.extractfile(member)
                assert content is not None
                data = content.read()
                packed = member.name.endswith((".gz", ".dz"))
                for part, text in package.read(
                    (gzip.decompress(data) if packed else data).decode(errors="replace")
                ).items():
                    if len(text) >= SHORTEST_CHARS:
                        name = f"{package.name}/{member.name}{part}"
                        yield {"id": name, "source": package.source, "text": text.strip() + "\n"}


def make_texts(folder: Path, wanted: Text) -> dict[str, Path]:
    """The JSONL file of each source, made if it is not there.

    Raises:
        SystemExit: They are not the text the benchmark was made with.
    """
    texts = folder / "texts"
    paths = {source: texts / f"{source}.jsonl" for source in wanted.sources}
    if not all(path.exists() for path in paths.values()):
        files = [download(package, folder / "packages") for package in wanted.packages]
        texts.mkdir(parents=True, exist_ok=True)
        for source, path in paths.items():
            half = path.with_suffix(".half")
            with half.open("w", encoding="utf-8") as out:
                for package, file in zip(wanted.packages, files, strict=True):
                    if package.source == source:
                        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in documents(package, file))
            half.rename(path)
    found = hashlib.sha256(b"".join(path.read_bytes() for path in paths.values())).hexdigest()
    if found != wanted.sha256:
        raise SystemExit(
            f"the text has the digest {found}, expected {wanted.sha256}: it is not that of the runs so far"
        )
    return paths


def recipe_text(paths: dict[str, Path]) -> str:
    """The recipe from the files to tokens."""
    sources = "".join(
        f"""
[[steps.curate.sources]]
name = "{name}"
paths = ['{path}']
bytes = {path.stat().st_size}
sha256 = "{digest(SourceSpec(paths=(str(path),)))}"
"""
        for name, path in paths.items()
    )
    return f"""
name = "texts"
[budget]
seconds = 900
[steps.curate]
stage = "curate"
heldout_max_bytes = {HELDOUT_BYTES}
{sources}
[steps.tokenizer]
stage = "train_tokenizer"
inputs = {{ corpus = "curate" }}
vocab_size = {VOCABULARY}
[steps.tokens]
stage = "tokenize"
inputs = {{ corpus = "curate", tokenizer = "tokenizer" }}
"""


@dataclass(frozen=True)
class Made:
    """What all arms read; `key` stands for all of it: text, split, vocabulary and order."""

    key: str
    corpus: Corpus
    tokenizer: Tokenizer
    tokens: TokenDataset


def make(folder: Path = FOLDER, text: str = "manuals") -> Made:
    """One of TEXTS and its tokens, from the archive if need be."""
    paths = make_texts(folder, TEXTS[text])
    workspace = Workspace(folder / "workspace")
    recipe = parse_recipe(recipe_text(paths), name="texts", base=folder)
    made = workspace.run(recipe)
    store = workspace.store
    return Made(
        made["tokens"].key,
        store.open(made["curate"], Corpus),
        store.open(made["tokenizer"], Tokenizer),
        store.open(made["tokens"], TokenDataset),
    )


def main(folder: Path) -> None:
    """Make it and say what there is."""
    for text in TEXTS:
        made = make(folder, text)
        for name, figures in made.corpus.json("report.json")["sources"].items():  # type: ignore[attr-defined]
            print(
                f"{name:10} {figures['train_documents']:6} documents {figures['train_bytes'] / 1e6:6.1f} MB to train on, "
                f"{figures['heldout_documents']:3} documents {figures['heldout_bytes'] / 1e3:5.0f} kB held out"
            )
        index = made.tokens.json("index.json")
        print(f"{text}: {index['tokens']:,} tokens of {index['bytes']:,} bytes; {made.key}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
