"""A small index of texts in two languages, and the documents it is made of."""

from __future__ import annotations

from pathlib import Path

from luosi.artifacts.corpus import Document
from luosi.retrieval.build import build
from luosi.retrieval.packages import EncoderName

TEXTS = {
    "handbook.pdf": "# Leave\n\n## Sick leave\n\nAn employee who is ill has ten days of leave a year.\n\n"
    "## Parental leave\n\nParents have sixteen weeks.\n\n# Cars\n\nA company car may be used on weekends.",
    "heart.txt": "Tachycardia: A rapid heart rate that exceeds the range of the normal resting heart rate for age.",
    "kidney.txt": "Nephrolithiasis: Stones in the kidney, which cause pain in the flank.",
    "病假.docx": "# 请假\n\n职工因病需要停止工作的，每年享有十天病假。\n\n# 车辆\n\n公司车辆周末可以使用。",
    "劳动法.txt": "用人单位不得无故拖欠劳动者的工资。工资应当以货币形式按月支付给劳动者本人。",
}


def documents() -> list[Document]:
    """One document for each text; the handbook has three pages."""
    handbook = TEXTS["handbook.pdf"]
    pages = (handbook.index("## Parental"), handbook.index("# Cars"))
    return [
        Document(
            id=f"own/{name}",
            source="own",
            text=text,
            file=name,
            **({"page": 1, "pages": pages} if name.endswith("pdf") else {}),
        )
        for name, text in TEXTS.items()
    ]


def small_index(folder: Path, encoder: EncoderName = "none") -> Path:
    """The folder of an index of `documents`."""
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir()
    build(documents(), out, scratch, passage_chars=200, encoder=encoder)
    return out
