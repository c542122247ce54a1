"""The report's fixed words in English and Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Which route answers your questions", "哪条路线能回答您的问题"),
    "subtitle": ("Verdict on recipe {recipe}, printed {when}", "配方 {recipe} 的结论，{when} 打印"),
    "advice": ("What to do", "怎么做"),
    "why": ("Why, and what would change it", "理由，以及什么会改变它"),
    "findings": ("What else was found", "其他发现"),
    "picture": ("Quality against cost", "质量与成本"),
    "picture_hint": (
        "Up is better, left is cheaper. Bars are 95 % intervals. Squares have your files, discs do not; the ring marks the route taken. "
        "Marks of about the same cost stand side by side.",
        "越高越好，越左越便宜。竖线为 95% 区间。方形附有您的文件，圆形没有；圆环标出所取路线。费用相近的标记并排显示。",
    ),
    "not_drawn": ("Not drawn, because a figure is missing: {names}", "因缺少数据而未画出：{names}"),
    "routes": ("The routes", "各条路线"),
    "route": ("Route", "路线"),
    "own": ("Right on your questions", "您的问题答对率"),
    "own_difference": ("Against the open model, points", "与开放模型之差（百分点）"),
    "accuracy": ("Accuracy on the self-made exam", "自动出题正确率"),
    "bpb": ("Bits per byte of held-out text", "留出文本每字节比特"),
    "difference": ("Bits per byte against the open model", "与开放模型的每字节比特之差"),
    "to_make": ("Cost to make", "制作费用"),
    "per_1000": ("Cost of 1,000 answers", "每千次回答费用"),
    "break_even": ("Pays from, answers", "回本（回答数）"),
    "break_even_equal": ("Against an equal rented one", "对比同等租用路线"),
    "latency": ("Time of an answer", "单次回答时间"),
    "energy": ("Energy of an answer", "单次回答能耗"),
    "leaves": ("Data leaves the house", "数据出门"),
    "short_own": ("right", "答对"),
    "short_own_difference": ("against open", "与开放模型之差"),
    "short_to_make": ("to make", "制作"),
    "short_per_1000": ("per 1,000", "每千次"),
    "short_break_even": ("pays from", "回本"),
    "short_latency": ("time", "时间"),
    "short_energy": ("energy", "能耗"),
    "short_leaves": ("data leaves", "数据出门"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "nine": ("9 in 10: {time}", "九成：{time}"),
    "stopped": ("stopped at {asked}", "答 {asked} 题后停下"),
    "not_asked": ("not asked", "未问"),
    "estimated": ("estimate only", "仅为估计"),
    "taken": ("taken", "所取"),
    "open": ("open model", "开放模型"),
    "adapt": ("adapted", "适配模型"),
    "scratch": ("from scratch", "从零训练"),
    "rent": ("rented", "租用模型"),
    "baseline": ("baseline", "基线"),
    "with_files": ("{route} + files", "{route} + 文件"),
    "marking": ("How the answers were marked", "如何评分"),
    "scores": ("Scores on the self-made exam and on held-out text", "自动出题与留出文本上的得分"),
    "found": ("Passage found", "找到出处"),
    "cited": ("Cites it", "引用了它"),
    "troubles": ("No answer", "没有回答"),
    "choice": ("choice", "选择题"),
    "exact": ("same words", "字面相同"),
    "number": ("number", "数字"),
    "date": ("date", "日期"),
    "f1": ("shared words", "词语重合"),
    "passage": ("words of the passage", "与出处重合"),
    "judge": ("judge model", "评判模型"),
    "bill": ("What it cost", "花了多少"),
    "step": ("Step", "步骤"),
    "planned": ("Planned", "计划"),
    "spent": ("Spent", "实际"),
    "money": ("Money", "费用"),
    "joules": ("Energy", "能耗"),
    "total": ("Total", "合计"),
    "questions": ("Every question, every answer", "每道题、每个回答"),
    "ai": (
        "AI-generated content: the answers quoted below were written by AI models. They are shown as they came.",
        "人工智能生成内容：以下引用的回答由 AI 模型写成，按原样展示。",
    ),
    "choices": ("Choices", "选项"),
    "expected": ("Expected", "标准答案"),
    "stands_in": ("stands in {place}", "出自 {place}"),
    "marked_by": ("marked by {grader}", "评分方式：{grader}"),
    "cites": ("cites {places}", "引用 {places}"),
    "cites_nothing": ("cites none of {shown} passages shown", "所给 {shown} 段都没有引用"),
    "judge_differs": ("the judge said both", "评判模型前后不一"),
    "silent": ("no answer", "没有回答"),
    "cut": ("… and {count} more characters", "……还有 {count} 个字符"),
    "right": ("right", "对"),
    "partly": ("partly", "部分对"),
    "wrong": ("wrong", "错"),
    "notes": ("How this was measured", "如何测得"),
    "no_glyph": (
        "{count} characters that this PDF's fonts lack are shown as □; the HTML report has them",
        "有 {count} 个字符是本 PDF 字体没有的，显示为 □；HTML 报告中有",
    ),
    "page": ("page {page}", "第 {page} 页"),
}


class Words:
    """The words of one language.

    >>> Words("zh")("with_files", route="租用模型")
    '租用模型 + 文件'
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, **values: object) -> str:
        """The words called `key`, with `values` filled in."""
        return _WORDS[key][self.language == "zh"].format(**values)
