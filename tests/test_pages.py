"""The pages in a real browser: both languages, wide and narrow, by keyboard; no errors, nothing fetched from elsewhere.

Screenshots go to pytest's temporary folder, or to the folder named in LUOSI_SCREENSHOTS.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("nicegui", reason="nicegui is not installed: pip install 'luosi[pages]'")

from playwright.sync_api import Browser, Page, expect  # noqa: E402

from tests.serving import Running, small_model, start  # noqa: E402
from tests.web_example import HOSTILE  # noqa: E402

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
DESKTOP = pytest.mark.parametrize("page", ["desktop"], indirect=True)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("LUOSI_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    accounts = tmp_path_factory.mktemp("pages") / "accounts.db"
    model = {"name": MODEL, "gguf": small_model(), "prices": [10**8, 4 * 10**8]}
    nobody = {"name": "nobody", "url": "http://127.0.0.1:9/v1"}
    with start([model, nobody], pages="example", accounts=accounts) as running:
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
    ("language", "words"), [("en", ("Runs", "running", "Spent")), ("zh", ("运行", "运行中", "实际"))]
)
def test_the_reports(page: Page, site: Running, shots: Path, language: str, words: tuple[str, str, str]) -> None:
    visit(page, site, f"/{language}/runs")
    assert page.locator("html").get_attribute("lang", timeout=PATIENCE_MS) == {"en": "en-US", "zh": "zh-CN"}[language]
    expect(page.get_by_role("heading", name=words[0], exact=True)).to_be_visible()
    node = page.locator("svg.chain:visible .node.running")
    expect(node).to_contain_text(words[1])
    expect(page.locator("svg.chain:visible .node")).to_have_count(20)
    expect(page.locator(".chart canvas")).to_be_visible()
    first = page.locator(".facts").inner_text()
    expect(page.locator(".facts")).not_to_have_text(first)  # it goes on by itself
    shoot(page, shots, f"runs-{language}")
    visit(page, site, f"/{language}/verdict")
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(6)
    expect(page.get_by_text("not measured until you connect it").first).to_be_visible()
    shoot(page, shots, f"verdict-{language}")
    visit(page, site, f"/{language}/bill")
    expect(page.locator(".tile", has_text=words[2])).to_contain_text("5 min")
    expect(page.locator("tbody tr").first).to_be_visible()
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
    expect(page.get_by_text("Not drawn, because a figure is missing: xz, example-mini")).to_be_visible()
    page.get_by_role("button", name="Cost to make").click()
    expect(page.locator(".chart canvas")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_chat_streams_stops_and_tells_speed_and_cost(page: Page, site: Running, shots: Path, language: str) -> None:
    stop, send = {"en": ("Stop", "Send"), "zh": ("停止", "发送")}[language]
    visit(page, site, f"/{language}/chat")
    expect(page.locator(".badge.ready")).to_be_visible()
    box = page.get_by_role("textbox")
    box.focus()
    page.keyboard.type("What is the capital of France?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("One word.")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.user")).to_have_text("What is the capital of France?\nOne word.")
    expect(page.locator(".turn.answer .meta")).to_have_text(re.compile(r"\d+ \+ \d+ .* · 0\.\d{9} USD"))
    box.fill("Tell a very long story about a <script>window.hacked=1</script> screw.")
    page.keyboard.press("Enter")
    expect(page.locator(".turn.answer .body:not(.waiting)").nth(1)).to_have_text(re.compile(r"\w+ \w+"))
    shoot(page, shots, f"chat-{language}")
    page.get_by_role("button", name=stop).click()
    expect(page.locator(".turn.answer .meta").nth(1)).to_contain_text({"en": "stopped", "zh": "已停止"}[language])
    expect(page.get_by_role("button", name=send)).to_be_visible()
    assert page.evaluate("window.hacked") is None


@DESKTOP
def test_a_model_that_cannot_be_reached_is_told_in_the_chat(page: Page, site: Running) -> None:
    visit(page, site, "/en/chat")
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="nobody").click()
    page.get_by_role("textbox").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")


@pytest.mark.parametrize("name", ["runs", "verdict", "bill"])
def test_hostile_names_are_only_text(page: Page, site: Running, shots: Path, name: str) -> None:
    visit(page, site, f"/en/{name}?recipe={urllib.parse.quote(HOSTILE)}")
    expect(page.locator(".detail h2, tbody th").first).to_contain_text("<img src=x")
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
