"""The pages in a real browser: both languages, wide and narrow, by keyboard; no errors, nothing fetched from elsewhere.

Screenshots go to pytest's temporary folder, or to the folder named in LUOSI_SCREENSHOTS.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("nicegui", reason="nicegui is not installed: pip install 'luosi[pages]'")

from playwright.sync_api import Browser, Page, expect  # noqa: E402

from luosi.web.answered import rounds  # noqa: E402
from tests.serving import Running, small_model, start  # noqa: E402
from tests.web_example import HOSTILE, IMAGE, RACE, race_answers  # noqa: E402

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.page,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
PATIENCE_MS = 60_000
MODEL = "<b>smol</b>"
BOTH = pytest.mark.parametrize(("page", "language"), [("desktop", "en"), ("phone", "zh")], indirect=["page"])
DESKTOP = pytest.mark.parametrize("page", ["desktop"], indirect=True)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("LUOSI_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Upstream(http.server.BaseHTTPRequestHandler):
    """An OpenAI-shaped server: model "endless" never ends by itself, "files" says at the end which passages it was shown."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            if asked["model"] == "endless":
                while True:
                    self.say({"choices": [{"delta": {"content": "word "}}]})
                    time.sleep(0.02)
            self.say({"choices": [{"delta": {"content": f"25 days [1].{HOSTILE}"}}]})
            shown = {
                "number": 1,
                "file": f"{IMAGE}handbook.pdf",
                "page": 12,
                "heading": "Leave",
                "text": f"Everyone has 25 days.{IMAGE}",
            }
            self.say(
                {"choices": [{"delta": {}, "finish_reason": "stop"}], "luosi": {"passages": [{**shown, "cited": True}]}}
            )
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            pass  # the gateway left

    def say(self, chunk: dict[str, object]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Running]:
    accounts = tmp_path_factory.mktemp("pages") / "accounts.db"
    model = {"name": MODEL, "gguf": small_model(), "prices": [10**8, 4 * 10**8]}
    others = [{"name": name, "url": upstream} for name in ("endless", "files")]
    nobody = {"name": "nobody", "url": "http://127.0.0.1:9/v1"}
    with start([model, *others, nobody], pages="example", accounts=accounts) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=SIZES)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that must log no error and fetch nothing from elsewhere."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if is_local(request.url) else trouble.append(request.url))
    page.on("websocket", lambda socket: None if is_local(socket.url) else trouble.append(socket.url))
    yield page
    context.close()
    assert trouble == []


def is_local(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    return parts.hostname == "127.0.0.1" or parts.scheme in ("data", "blob")


def visit(page: Page, site: Running, path: str) -> None:
    page.goto(site.url + path)
    expect(page.locator(".page")).to_be_visible()


def shoot(page: Page, folder: Path, name: str) -> None:
    kind = "phone" if page.viewport_size and page.viewport_size["width"] < 700 else "desktop"
    page.screenshot(path=folder / f"{name}-{kind}.png", full_page=True, animations="disabled")
    too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0, f"{name} scrolls sideways by {too_wide} pixels on a {kind}"


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("Runs", "running", "Spent", "The routes")), ("zh", ("运行", "运行中", "实际", "各条路线"))],
)
def test_the_reports(page: Page, site: Running, shots: Path, language: str, words: tuple[str, str, str, str]) -> None:
    visit(page, site, f"/{language}/runs")
    assert page.locator("html").get_attribute("lang", timeout=PATIENCE_MS) == {"en": "en-US", "zh": "zh-CN"}[language]
    expect(page.get_by_role("heading", name=words[0], exact=True)).to_be_visible()
    node = page.locator("svg.chain:visible .node.running")
    expect(node).to_contain_text(words[1])
    expect(page.locator("svg.chain:visible .node")).to_have_count(20)
    expect(page.locator(".curves .chart canvas")).to_have_count(2)  # loss and speed
    told = {
        "en": r"loss \d\.\d{3} · .* bits per byte · .* tokens/s",
        "zh": r"损失 \d\.\d{3} · 每字节 .* 比特 · .* 词元/秒",
    }[language]
    expect(page.locator(".facts")).to_contain_text(re.compile(told + r" · \d+ GFLOP/s · MFU \d+ %"))
    expect(page.locator(".facts")).to_contain_text("0.0021 USD")
    first = page.locator(".facts").inner_text()
    expect(page.locator(".facts")).not_to_have_text(first)  # it goes on by itself
    shoot(page, shots, f"runs-{language}")
    visit(page, site, f"/{language}/verdict")
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.get_by_role("table", name=words[3]).locator("tbody tr")).to_have_count(6)
    expect(page.get_by_text("not measured until you connect it").first).to_be_visible()
    shoot(page, shots, f"verdict-{language}")
    visit(page, site, f"/{language}/bill")
    expect(page.locator(".tile", has_text=words[2])).to_contain_text("5 min")
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator(".hint", has_text="12%")).to_contain_text("41%")
    shoot(page, shots, f"bill-{language}")


def test_a_step_is_chosen_with_the_keyboard_and_the_language_is_switched_on_the_spot(page: Page, site: Running) -> None:
    visit(page, site, "/en/runs?recipe=demo")
    page.locator("svg.chain:visible .node").nth(11).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".detail h2")).to_have_text("scratch")
    expect(page.locator(".facts")).to_contain_text("killed by signal 9")
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="运行", exact=True)).to_be_visible()
    assert page.url.endswith("/zh/runs?recipe=demo")


@DESKTOP
def test_the_picture_of_the_verdict_can_be_turned(page: Page, site: Running) -> None:
    visit(page, site, "/en/verdict")
    page.get_by_role("button", name="Accuracy").click()
    expect(page.get_by_text("Not drawn, because a figure is missing: E xz, F example-mini")).to_be_visible()
    page.get_by_role("button", name="Cost to make").click()
    expect(page.locator(".chart canvas")).to_be_visible()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


@BOTH
def test_chat_streams_and_tells_speed_and_cost(page: Page, site: Running, language: str) -> None:
    visit(page, site, f"/{language}/chat")
    expect(page.locator(".badge.ready")).to_be_visible()
    page.get_by_role("textbox").focus()
    page.keyboard.type("What is the capital of France? <script>window.hacked=1</script>")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("One word.")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.user")).to_have_text(
        "What is the capital of France? <script>window.hacked=1</script>\nOne word."
    )
    expect(page.locator(".turn.answer .meta").first).to_have_text(re.compile(r"\d+ \+ \d+ .* · 0\.\d{9} USD"))
    assert page.evaluate("window.hacked") is None


@BOTH
def test_a_training_run_is_planned_with_sliders(page: Page, site: Running, shots: Path, language: str) -> None:
    time, devices, model, sources = {
        "en": ("Time", "Devices", "Model, or a size such as 70B", "What the figures are made of"),
        "zh": ("时间", "设备数", "模型，或参数量如 70B", "数字的来源"),
    }[language]
    visit(page, site, f"/{language}/plan")
    tile = page.locator(".tile").filter(has=page.get_by_text(time, exact=True)).locator("strong")
    before = tile.inner_text()
    slider = page.get_by_role("slider", name=devices)
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(tile).not_to_have_text(before)
    page.get_by_text(sources, exact=True).click()
    expect(page.locator("details")).to_contain_text("training_runs.csv")
    shoot(page, shots, f"plan-{language}")
    field = page.get_by_role("combobox", name=model)
    field.fill("no such model")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no such model")


@BOTH
def test_a_recipes_questions_are_brought_in(page: Page, site: Running, language: str) -> None:
    bring, recipe, none = {
        "en": ("Bring in the recipe's questions", "Recipe", "demo asks no questions of yours."),
        "zh": ("取入配方的问题", "配方", "demo 不含你自己的问题。"),
    }[language]
    visit(page, site, f"/{language}/questions")
    page.get_by_role("button", name=bring).click()
    expect(page.locator(".q-notification")).to_contain_text(none)
    choose(page, recipe, "own")
    page.get_by_role("button", name=bring).click()
    expect(page.get_by_role("status")).to_contain_text("asked.jsonl")
    expect(page.locator(".own", has_text="Who keeps the keys?")).to_contain_text("the porter")


@BOTH
def test_chat_stops_cites_is_corrected_and_outlives_a_reload(
    page: Page, site: Running, shots: Path, language: str
) -> None:
    words = {
        "en": ("Model", "Stop", "Send", "stopped", "Correct this", "Save", "Corrected: 30 days"),
        "zh": ("模型", "停止", "发送", "已停止", "更正此回答", "保存", "已更正：30 days"),
    }
    model, stop, send, stopped, correct, save, corrected = words[language]
    visit(page, site, f"/{language}/chat")
    choose(page, model, "endless")
    page.get_by_role("textbox").fill("How long is a piece of string?")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.answer .body")).to_contain_text("word word")
    page.get_by_role("button", name=stop).click()
    expect(page.locator(".turn.answer .meta").first).to_contain_text(stopped)
    expect(page.get_by_role("button", name=send)).to_be_visible()
    choose(page, model, "files")
    page.get_by_role("textbox").fill("How many days of leave are there?")
    page.keyboard.press("Enter")
    answer = page.locator(".turn.answer").nth(1)
    cited = answer.locator(".passage.cited summary")
    expect(cited).to_contain_text("handbook.pdf")
    cited.focus()
    page.keyboard.press("Enter")
    expect(answer.locator("blockquote")).to_contain_text("Everyone has 25 days.")
    answer.get_by_role("button", name=correct).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("30 days")
    dialog.get_by_role("button", name=save).click()
    expect(answer.locator(".corrected")).to_contain_text(corrected)
    shoot(page, shots, f"chat-{language}")
    page.reload()
    expect(page.locator(".turn.user")).to_have_count(2)
    expect(page.locator(".turn.answer .corrected").nth(1)).to_contain_text(corrected)
    expect(page.locator(".turn.answer .passage")).to_have_count(1)
    assert page.evaluate("window.hacked") is None


@DESKTOP
def test_a_model_that_cannot_be_reached_is_told_in_the_chat(page: Page, site: Running) -> None:
    visit(page, site, "/en/chat")
    choose(page, "Model", "nobody")
    page.get_by_role("textbox").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


OWN = {
    "en": ("Show", "Where routes differ", "Wrong in the best route", "Mark as wrong", "Correct the expected answer", "Save", "first year"),
    "zh": ("显示", "路线答案对错不一", "最佳路线答错", "判为错误", "更正标准答案", "保存", "第一年"),
}  # fmt: skip


@BOTH
def test_a_verdict_on_own_questions(page: Page, site: Running, shots: Path, language: str) -> None:
    _, differ, best_wrong, _, _, _, year = OWN[language]
    visit(page, site, f"/{language}/verdict?recipe={RACE}")
    expect(page.locator(".lead")).to_contain_text({"en": "Take adapted + files", "zh": "选适配模型 + 文件"}[language])
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator(".key li")).to_have_count(6)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".summary")).to_contain_text(year)
    first = page.locator(".summary").inner_text()
    page.keyboard.press("End")
    expect(
        page.get_by_text({"en": "1,000,000 questions a day", "zh": "每天 1,000,000 个问题"}[language], exact=True)
    ).to_be_visible()
    expect(page.locator(".summary")).not_to_have_text(first)
    expect(slider).to_have_attribute("aria-valuetext", re.compile("1,000,000"))
    expect(page.locator(".question")).to_have_count(25)
    choose(page, OWN[language][0], differ)
    choose(page, OWN[language][0], best_wrong)
    first_wrong = next(one for one in rounds(race_answers(), [], []) if one.right("rent_files") is False)
    line = page.locator(".question").first
    expect(line.locator(".prompt")).to_have_text(f"{first_wrong.number}. {first_wrong.question.prompt}")
    expect(line.locator(".ticked.wrong")).not_to_have_count(0)
    expect(line.locator(".answers > *")).to_have_count(0)  # drawn only when it is opened
    line.locator("> summary").focus()
    page.keyboard.press("Enter")
    expect(line.locator("article.answer")).to_have_count(6)
    line.locator(".passage.cited summary").first.click()
    expect(line.locator("blockquote").first).to_contain_text("The rule in force")
    shoot(page, shots, f"verdict-own-{language}")


@BOTH
def test_answers_are_marked_and_corrected_by_a_person(page: Page, site: Running, language: str) -> None:
    _, _, _, wrong, correct, save, _ = OWN[language]
    number = {"en": 2, "zh": 6}[language]  # marked by the judge, and not marked yet
    visit(page, site, f"/{language}/verdict?recipe={RACE}")
    line = page.locator(".question").nth(number)
    line.locator("> summary").click()
    button = line.get_by_role("button", name=wrong).nth(5)
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(line.locator("article.answer").nth(5).locator(".badge")).to_contain_text(
        {"en": "by a person", "zh": "人工判定"}[language]
    )
    expect(
        page.get_by_text(
            re.compile({"en": r"agrees with people in \d of the \d", "zh": r"都评过的 \d 个回答中"}[language])
        )
    ).to_be_visible()
    line.get_by_role("button", name=correct).click()
    page.get_by_role("dialog").get_by_role("textbox").fill(f"corrected {IMAGE}")
    page.get_by_role("dialog").get_by_role("button", name=save).click()
    expect(line.locator(".expected")).to_contain_text("corrected <img")
    visit(page, site, f"/{language}/verdict?recipe={RACE}")
    line = page.locator(".question").nth(number)
    line.locator("> summary").click()
    expect(line.get_by_role("button", name=wrong).nth(5)).to_have_attribute("aria-pressed", "true")
    expect(line.locator(".expected")).to_contain_text("corrected <img")
    visit(page, site, f"/{language}/questions")
    expect(page.locator(".own", has_text="corrected <img").first).to_be_visible()
    assert page.evaluate("window.hacked") is None


@DESKTOP
def test_the_report_is_a_file_that_loads_and_runs_nothing(page: Page, site: Running, shots: Path) -> None:
    pytest.importorskip("reportlab", reason="reportlab is not installed")
    refused: list[str] = []
    page.context.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    visit(page, site, f"/en/verdict?recipe={RACE}")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report to print").click()
    report = opened.value
    expect(report.get_by_role("heading", level=1)).to_be_visible()
    expect(report.get_by_text("Who signs travel requests above 2,000 euros? (1)").first).to_be_attached()
    shoot(report, shots, "report")
    pdf = page.request.get(f"{site.url}/zh/report.pdf?recipe={RACE}")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.body().startswith(b"%PDF")
    assert "default-src 'none'" in pdf.headers["content-security-policy"]
    assert page.request.get(f"{site.url}/en/report.html?recipe=broken").status == 404
    assert refused == []


@BOTH
def test_own_questions_are_written_imported_checked_and_downloaded(
    page: Page, site: Running, shots: Path, language: str
) -> None:
    words = {
        "en": ("Write a question", "Question", "Right answer", "Save", "no answer", "Import a file", "Check against the recipe's text",
               "Answered word for word in training text", "Download as JSONL", "Delete", "File in which it stands"),
        "zh": ("写一个问题", "问题", "正确答案", "保存", "no answer", "导入文件", "对照配方的文本检查", "答案原文出现在训练文本", "下载为 JSONL", "删除", "所在文件"),
    }  # fmt: skip
    write, question, right, save, why, bring, check, verbatim, download, delete, file = words[language]
    visit(page, site, f"/{language}/questions")
    tag = f"{language} {page.viewport_size['width'] if page.viewport_size else 0}"
    page.get_by_role("button", name=write).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name=question, exact=True).fill(f"How many days of annual leave, {tag}?")
    dialog.get_by_role("textbox", name=file, exact=True).fill(f"{IMAGE}handbook.pdf")
    dialog.get_by_role("button", name=save).click()
    expect(dialog.get_by_role("alert")).to_contain_text(why)
    shoot(page, shots, f"question-form-{language}")
    dialog.get_by_role("textbox", name=right, exact=True).fill("25 days")
    dialog.get_by_role("button", name=save).click()
    expect(dialog).to_have_count(0)
    mine = page.locator(".own", has_text=f"annual leave, {tag}?").first
    expect(mine).to_contain_text("25 days")
    rows = [{"question": f"Who signs, {tag}?", "answer": "the head"}, {"question": f"And this, {tag}?"}]
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=bring).click()
    content = "\n".join(map(json.dumps, rows)).encode()
    chooser.value.set_files({"name": f"mine {IMAGE}.jsonl", "mimeType": "application/jsonl", "buffer": content})
    expect(page.get_by_role("status")).to_contain_text("no answer")
    expect(page.locator(".own", has_text=f"Who signs, {tag}?")).to_be_visible()
    page.get_by_role("button", name=check).click()
    expect(mine.locator(".warning").first).to_contain_text(verbatim)
    shoot(page, shots, f"questions-{language}")
    with page.expect_download() as saved:
        page.get_by_role("button", name=download).click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert any(json.loads(line)["question"] == f"Who signs, {tag}?" for line in lines)
    mine.get_by_role("button", name=delete).click()
    page.get_by_role("dialog").get_by_role("button", name=delete).click()
    expect(page.locator(".own", has_text=f"annual leave, {tag}?")).to_have_count(0)
    assert page.evaluate("window.hacked") is None


@DESKTOP
def test_a_correction_is_used_otherwise(page: Page, site: Running) -> None:
    visit(page, site, "/en/chat")
    choose(page, "Model", "files")
    page.get_by_role("textbox").fill("Is there a canteen?")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Correct this").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("There is one on the ground floor")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator(".corrected")).to_contain_text("Corrected: There is one")
    visit(page, site, "/en/questions")
    line = page.locator(".own", has_text="in chat with files").filter(has_text="canteen")
    line.get_by_role("combobox").click()
    page.get_by_role("option", name="a question").click()
    expect(page.locator(".own", has_text="Is there a canteen?")).to_have_count(2)  # among the questions too
    line.get_by_role("combobox").click()
    page.get_by_role("option", name="nothing").click()
    expect(page.locator(".own", has_text="Is there a canteen?")).to_have_count(1)


@pytest.mark.parametrize("width", [320, 1920])
def test_no_page_scrolls_sideways(browser: Browser, site: Running, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        for path in (
            "/en/chat",
            "/en/runs",
            f"/en/verdict?recipe={RACE}",
            f"/zh/verdict?recipe={RACE}",
            "/en/questions",
            "/en/bill",
        ):
            visit(page, site, path)
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            if "verdict" in path:
                page.locator(".question > summary").first.click()
                expect(page.locator("article.answer").first).to_be_visible()
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} scrolls sideways by {wide} pixels at {width}"


@pytest.mark.parametrize("name", ["runs", "verdict", "bill"])
def test_hostile_names_are_only_text(page: Page, site: Running, shots: Path, name: str) -> None:
    visit(page, site, f"/en/{name}?recipe={urllib.parse.quote(HOSTILE)}")
    expect(page.locator(".detail h2, tbody th").first).to_contain_text(re.compile("<img src=x|open model"))
    if name == "verdict":
        page.locator(".question > summary").first.click()
        for passage in page.locator(".passage.cited summary").all():
            passage.click()
        expect(page.locator("article.answer")).to_have_count(6)
    page.wait_for_timeout(300)  # an image that fails to load would act only now
    assert page.evaluate("window.hacked") is None
    shoot(page, shots, f"hostile-{name}")


@DESKTOP
def test_what_cannot_be_read_is_said(page: Page, site: Running) -> None:
    for name in ("runs", "verdict", "bill"):
        visit(page, site, f"/en/{name}?recipe=broken")
        expect(page.get_by_role("alert")).to_contain_text("has no verdict step")
    visit(page, site, "/en/runs?recipe=nowhere")
    expect(page.get_by_role("alert")).to_contain_text("There is no recipe nowhere here")


@DESKTOP
def test_a_locked_site_asks_for_its_key(page: Page, shots: Path) -> None:
    with start([], pages="example", api_key="open sesame") as locked:
        page.goto(locked.url + "/")
        shoot(page, shots, "login")
        page.keyboard.type("open sesame")
        page.keyboard.press("Enter")
        expect(page.locator(".facts")).to_contain_text("finetune")
        visit(page, locked, "/en/chat")
        expect(page.get_by_text("No model is being served.")).to_be_visible()
        page.goto("about:blank")  # or it would notice that the server goes


def test_a_socket_opened_by_another_site_is_refused(site: Running) -> None:
    address = urllib.parse.urlsplit(site.url)
    request = (
        f"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nOrigin: http://evil.example\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request.encode())
        assert b" 403 " in connection.recv(4096).split(b"\r\n")[0]
