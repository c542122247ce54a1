"""Every text of the pages, in English and Chinese side by side. Names of steps, models and recipes, and the advice, come from the workspace as they are."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: dict[Language, str] = {"en": "English", "zh": "中文"}
TAGS: dict[Language, str] = {"en": "en-US", "zh": "zh-CN"}

WORDS: dict[str, tuple[str, str]] = {
    # frame
    "chat": ("Chat", "对话"),
    "runs": ("Runs", "运行"),
    "verdict": ("Verdict", "结论"),
    "bill": ("Bill", "账单"),
    "recipe": ("Recipe", "配方"),
    "skip": ("Skip to content", "跳到正文"),
    "no_recipes": ("No recipe has been run here yet.", "这里还没有运行过任何配方。"),
    "no_recipes_hint": (
        "Make one from your files, then run it:",
        "先用你的文件生成一份配方，再运行它：",
    ),
    "unknown_recipe": ("There is no recipe {name} here.", "这里没有配方 {name}。"),
    "failed_to_read": ("This could not be read: {why}", "读取失败：{why}"),
    "none": ("none", "无"),
    "unknown": ("unknown", "未知"),
    # chat
    "model": ("Model", "模型"),
    "message": ("Message", "消息"),
    "message_hint": ("Enter sends, Shift+Enter starts a new line", "按 Enter 发送，Shift+Enter 换行"),
    "send": ("Send", "发送"),
    "stop": ("Stop", "停止"),
    "new_chat": ("New chat", "新对话"),
    "no_models": ("No model is being served.", "当前没有正在服务的模型。"),
    "no_models_hint": ("Start the server with a finished model:", "请用一个做好的模型启动服务："),
    "greeting": ("Ask {model} something", "问 {model} 一个问题"),
    "greeting_more": (
        "Every answer shows its speed and what it cost.",
        "每个回答下面都会显示它的速度和费用。",
    ),
    "generated": ("AI-generated content; it may be wrong.", "内容由人工智能生成，可能有误。"),
    "you": ("You", "你"),
    "state_ready": ("ready", "就绪"),
    "state_starting": ("loading", "加载中"),
    "state_down": ("not running", "未运行"),
    "thinking": ("Reading your message…", "正在阅读你的消息…"),
    "stopped": ("stopped", "已停止"),
    "cut": ("cut at {count} tokens", "在 {count} 个词元处截断"),
    "tokens": ("{prompt} + {answer} tokens", "{prompt} + {answer} 词元"),
    "speed": ("{rate} tokens/s", "{rate} 词元/秒"),
    "cost": ("{money}", "{money}"),
    "cost_unpriced": ("price not set", "未设价格"),
    "cost_unreported": ("cost not reported", "费用未报告"),
    "failed": ("The model could not answer: {why}", "模型未能回答：{why}"),
    # runs
    "chain": ("The chain", "流程"),
    "chain_of": ("The steps of {recipe} and what each is made from", "{recipe} 的各个步骤及其来源"),
    "hit": ("done", "已完成"),
    "build": ("to do", "待做"),
    "resume": ("to go on", "待继续"),
    "running": ("running", "运行中"),
    "failed_state": ("failed", "失败"),
    "killed": ("killed", "被中断"),
    "stopped_state": ("stopped", "已停下"),
    "summary": ("{done} of {count} steps done", "{count} 步中已完成 {done} 步"),
    "remaining": ("about {time} to go", "大约还需 {time}"),
    "nothing_runs": ("Nothing is running. To go on:", "当前没有在运行。要继续，请执行："),
    "step": ("Step", "步骤"),
    "stage": ("Stage", "阶段"),
    "state": ("State", "状态"),
    "key": ("Key", "键"),
    "inputs": ("Made from", "来源"),
    "progress": ("Progress", "进度"),
    "message_of_step": ("Last words", "最后消息"),
    "why": ("Why", "原因"),
    "attempts": ("Attempts", "尝试次数"),
    "no_curves": ("This step has reported no curves.", "这一步没有可画的曲线。"),
    # verdict
    "routes": ("The routes", "各条路线"),
    "advice": ("Advice", "建议"),
    "picture": ("Quality against cost", "质量与成本"),
    "picture_hint": (
        "Bars are 95 % intervals. Better is up, cheaper is left.",
        "竖线为 95% 区间。越高越好，越左越便宜。",
    ),
    "accuracy": ("Accuracy", "正确率"),
    "bpb": ("Bits per byte", "每字节比特"),
    "per_1000": ("Cost of 1,000 answers", "每千次回答费用"),
    "to_make": ("Cost to make", "制作费用"),
    "route": ("Route", "路线"),
    "difference": ("Against the unmodified model", "与原模型之差"),
    "break_even": ("Break-even", "回本量"),
    "answers": ("{count} answers", "{count} 次回答"),
    "not_measured": ("not measured", "未测量"),
    "not_drawn": ("Not drawn, because a figure is missing: {names}", "因缺少数据而未画出：{names}"),
    "level": ("{name}, no cost known", "{name}，费用未知"),
    # bill
    "planned": ("Planned", "计划"),
    "spent": ("Spent", "实际"),
    "time": ("Time", "时间"),
    "money": ("Money", "费用"),
    "energy": ("Energy", "能耗"),
    "work": ("Work", "计算量"),
    "error": ("Error of the plan", "计划误差"),
    "total": ("Total", "合计"),
    "killed_attempts": ("{count}, {killed} killed", "{count} 次，其中 {killed} 次被中断"),
    "disturbed": ("host was busy", "期间主机繁忙"),
    "bill_hint": (
        "Killed and failed attempts cost too and are counted. Planned is the median with its 80 % interval.",
        "被中断和失败的尝试也花了钱，一并计入。计划为中位数与 80% 区间。",
    ),
    "served": ("Answers served", "已服务的回答"),
    "requests": ("Requests", "请求数"),
    "prompt_tokens": ("Prompt tokens", "输入词元"),
    "completion_tokens": ("Answer tokens", "输出词元"),
    "unreported": ("Not counted", "未计入"),
    # states of the bill
    "published": ("done", "已完成"),
    "not started": ("to do", "待做"),
    "shared": ("made for another recipe", "其他配方已制作"),
    "abandoned": ("no longer used", "已弃用"),
    "budget": ("stopped by the budget", "因预算停下"),
    "interrupted": ("interrupted", "被打断"),
}
"""key -> (English, Chinese); {names in braces} are filled in."""


class Words:
    """The words of one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = list(LANGUAGES).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key` with its braces filled.

        >>> Words("zh")("answers", count="1,000")
        '1,000 次回答'
        """
        return WORDS[key][self._place].format(**values)

    def state(self, state: str) -> str:
        """A state's name; states unknown here are shown as they come."""
        key = {"failed": "failed_state", "stopped": "stopped_state"}.get(state, state)
        return self(key) if key in WORDS else state
