"""`luosi estimate`: its answers, its pictures, its refusals, and that it starts light."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cli.main import COMMANDS, main
from luosi.errors import UsageError
from luosi.estimate.picture import Panel, svg, text
from luosi.estimate.quantities import amount, count, duration

DENSE = ("train", "--model", "8B", "--tokens", "1T", "--on", "h100:64", "--batch", "1024")
SERVE = ("serve", "--model", "llama-3.1-8b", "--on", "h100", "--prompt", "1000", "--answer", "300")


class Program:
    """Runs a command in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        self._monkeypatch.setattr(sys, "argv", ["luosi", "estimate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def estimate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(monkeypatch, capsys)


def test_a_training_run_adds_up(estimate: Program) -> None:
    found = estimate.json(*DENSE)
    step, run = found["step"], found["run"]
    assert step["seconds"]["p10"] < step["seconds"]["p50"] < step["seconds"]["p90"]
    assert sum(step["parts"].values()) == pytest.approx(step["seconds"]["p50"])
    assert sum(step["memory"].values()) <= step["usable_bytes"] < 80e9
    assert found["steps"] == -(-int(1e12) // (1024 * 4096))
    at_work = found["steps"] * step["seconds"]["p50"]
    assert run["seconds_at_work"]["p50"] == pytest.approx(at_work)
    good = run["goodput"]
    assert run["seconds"]["p50"] == pytest.approx(at_work / good["useful"])
    assert good["useful"] + good["checkpoints"] + good["redone"] + good["restarts"] == pytest.approx(1)
    assert run["flop"] / (64 * 989e12 * at_work) == pytest.approx(step["mfu"], rel=1e-6)
    assert 0.2 < step["mfu"] < 0.71
    assert found["limits"]["seconds_at_peak"] < run["seconds"]["p10"]
    layout = step["layout"]
    assert layout["tp"] * layout["pp"] * layout["cp"] * layout["dp"] == 64
    rented = next(way for way in found["money"] if way["name"] == "rented")
    assert rented["usd"]["p50"] == pytest.approx(64 * run["seconds"]["p50"] / 3600 * rented["usd_device_hour"])
    assert rented["sources"] and "20" in rented["sources"][0], "a price shows where and when it was read"


def test_spot_is_never_shown_without_its_loss(estimate: Program) -> None:
    found = estimate.json(*DENSE)
    spot = next(way for way in found["money"] if way["name"] == "spot")
    assert spot["seconds"]["p50"] > found["run"]["seconds"]["p50"]
    assert "with the loss in it" in spot["note"]
    harsh = estimate.json(*DENSE, "--spot-taken", "20")
    assert next(way for way in harsh["money"] if way["name"] == "spot")["usd"]["p50"] > spot["usd"]["p50"]


def test_the_alternatives_are_unbeaten_and_the_best_comes_first(estimate: Program) -> None:
    found = estimate.json(*DENSE)
    counts = found["other_counts"]
    assert 64 in [one["devices"] for one in counts] and len(counts) > 1
    for one, more in pairwise(counts):
        assert one["days"] > more["days"] and one["usd"] < more["usd"]
    wide = estimate.json(*DENSE, "--against", "a100:64", "--against", "mi300x:64")["other_counts"]
    assert {one["chip"] for one in wide} >= {"H100-SXM", "MI300X"}
    best = found["step"]["seconds"]["p50"]
    assert all(other["seconds"]["p50"] >= best for other in found["other_layouts"])


def test_what_is_given_is_kept(estimate: Program) -> None:
    pins = {"tp": 4, "pp": 2, "micro_batch": 2, "zero": 1, "virtual_stages": 2}
    options = [part for name, value in pins.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    found = estimate.json(*DENSE, *options, "--recompute", "full", "--sequence", "8192", "--precision", "fp8")
    assert found["step"]["layout"].items() >= (pins | {"recompute": 2}).items()
    assert found["asked"]["sequence"] == 8192 and found["asked"]["precision"] == "fp8"


def test_an_unknown_price_refuses_the_money_and_nothing_else(estimate: Program) -> None:
    run = ("train", "--model", "8B", "--on", "b100:8", "--batch", "256")
    found = estimate.json(*run)
    assert found["run"]["days"]["p50"] > 0
    assert [way["usd"] for way in found["money"]] == [None, None, None]
    assert "no price of B100 is known" in found["money"][0]["refused"]
    code, out, _ = estimate(*run)
    assert code == 0 and "unknown" in out
    given = estimate.json(*run, "--price", "6")
    assert given["money"][0]["usd_device_hour"] == 6 and "given by the user" in given["money"][0]["sources"][0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--model", "deepseek-v3", "--on", "h800:256", "--precision", "fp8"),
        ("--model", "llama-3.1-8b", "--on", "mi300x:8"),
        ("--model", "llama-3.1-8b", "--on", "tpu v5p:64"),
        ("--model", "llama-3.1-8b", "--on", "trainium2:64"),
        ("--model", "llama-3.1-8b", "--on", "gaudi3:8"),
        ("--model", "llama-3.1-8b", "--on", "ascend 910b:64"),
        ("--model", "1B", "--on", "apple m4 max", "--tokens", "10M"),
        ("--model", "llama-3.1-8b", "--on", "h100:64", "--sequence", "131072"),
        ("--model", "llama-3.1-70b", "--on", "h100:8", "--lora", "--tokens", "100M"),
    ],
)
def test_every_kind_of_run_and_chip(estimate: Program, arguments: tuple[str, ...]) -> None:
    found = estimate.json("train", *arguments)
    assert 0 < found["step"]["mfu"] < 0.9
    assert sum(found["step"]["memory"].values()) <= found["step"]["usable_bytes"]
    assert found["asked"]["assumed"], "what was not given is named"


def test_this_machine(estimate: Program, tmp_path: Path) -> None:
    found = estimate.json(
        "train", "--model", "smollm2-135m", "--on", "this", "--tokens", "1M", "--sequence", "512", "-w", str(tmp_path)
    )
    assert found["chip"]["vendor"] == "this machine" and found["asked"]["devices"] == 1
    assert found["run"]["seconds"]["p50"] > 1


def test_the_pictures(estimate: Program, tmp_path: Path) -> None:
    path = tmp_path / "step.svg"
    code, out, err = estimate(*DENSE, "--svg", str(path))
    assert code == 0 and str(path) in err
    assert "one step" in out and "matrix products" in out and "█" in out and "memory of the fullest device" in out
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    words = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("8B on 64 H100-SXM" in one for one in words) and "matrix products" in words
    right = float(root.attrib["viewBox"].split()[2])
    for one in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(one.get("x", 0)) >= 0 and float(one.get("x", 0)) + float(one.get("width", 0)) <= right + 0.01


def test_a_service(estimate: Program, tmp_path: Path) -> None:
    found = estimate.json(*SERVE, "--users", "1000")
    copy = found["copy"]
    assert copy["first"]["p10"] < copy["first"]["p50"] < copy["first"]["p90"]
    assert copy["token"]["p50"] < 0.05 < 1 and copy["fits"]
    assert found["copies"]["day"] >= found["copies"]["night"] >= 1
    assert found["devices"]["p50"] == found["copies"]["day"] * copy["devices"]
    assert found["usd_per_million"]["p50"] == pytest.approx(
        found["mean_devices"] * 24 * found["price"]["usd"] / found["tokens_a_day"] * 1e6, rel=1e-6
    )
    twice = estimate.json(*SERVE, "--users", "2000")
    assert found["devices"]["p50"] < twice["devices"]["p50"] <= 2 * found["devices"]["p50"]
    assert estimate.json(*SERVE, "--rps", "5")["demand"]["requests_a_second"] == 5
    day = estimate.json(*SERVE, "--tokens-per-day", "100M")
    assert day["tokens_a_day"] == pytest.approx(100e6)
    path = tmp_path / "serve.svg"
    code, out, _ = estimate(*SERVE, "--users", "1000", "--svg", str(path))
    assert code == 0 and "first token" in out and "by night" in out and "J a token" in out and "source: rented" in out
    assert ElementTree.fromstring(path.read_text(encoding="utf-8")).tag.endswith("svg")


def test_a_service_without_a_price(estimate: Program) -> None:
    run = ("serve", "--model", "llama-3.1-8b", "--on", "b100", "--users", "100")
    found = estimate.json(*run)
    assert found["usd_per_million"] is None and found["devices"]["p50"] >= 1
    code, out, _ = estimate(*run)
    assert code == 0 and "no price of B100 is known" in out
    assert estimate.json(*run, "--price", "6")["usd_per_million"]["p50"] > 0


def test_bars_add_up_to_the_whole() -> None:
    panel = Panel(
        "a <whole>", (("one & two", 30.0), ("none", 0.0), ("rest", 10.0)), lambda value: f"{value:g} s", 80.0, "limit"
    )
    lines = text(panel)
    assert "75%" in lines[1] and "25%" in lines[2] and not any("none" in line for line in lines)
    assert lines[1].index("█") < lines[2].index("█")
    first_bar_ends, second_begins = lines[1].rindex("█") + 1, lines[2].index("█")
    assert abs(first_bar_ends - second_begins) <= 1
    assert "40 s of 80 s limit" in lines[-1]
    assert all(line.isascii() for line in text(panel, plain=True))
    assert ElementTree.fromstring(svg("<&>", "a & b", [panel])).find("{http://www.w3.org/2000/svg}title") is not None


def test_a_terminal_without_block_characters(tmp_path: Path) -> None:
    program = "from luosi.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "estimate", *DENSE], capture_output=True, env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"####" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--model", "lama-3.1-70b", "--on", "h100:8"), "there is no model 'lama-3.1-70b'"),
        (("train", "--model", "8B", "--on", "h10:8"), "there is no chip 'h10'"),
        (("train", "--model", "8B", "--on", "h100:none"), "the number of H100-SXM 'none'"),
        (("train", "--model", "8B", "--on", "h100:"), "the number of H100-SXM ''"),
        (("train", "--model", "8B", "--on", "h100:-8"), "not a number above 0"),
        (("train", "--model", "8B", "--on", "h100:1.5"), "not a whole number"),
        (("train", "--model", "0B", "--on", "h100:8"), "out of range"),
        ((*DENSE, "--tokens", "nan"), "tokens 'nan' is not a number above 0"),
        ((*DENSE, "--tokens", "0"), "tokens '0' is not a number above 0"),
        ((*DENSE, "--batch", "-1"), "the batch '-1'"),
        ((*DENSE, "--batch", "1e30"), "is more than 100M"),
        (("train", "--model", "8B", "--on", "h100:1e18"), "is more than 10M"),
        ((*DENSE, "--dp", "64", "--batch", "100"), "dp 64 does not divide the batch of 100"),
        ((*DENSE, "--sequence", "inf"), "the sequence 'inf'"),
        ((*DENSE, "--tp", "3"), "tp 3 does not divide the 64 devices"),
        ((*DENSE, "--tp", "8", "--pp", "16"), "tp 8 x pp 16 = 128 does not divide the 64 devices"),
        ((*DENSE, "--micro-batch", "0"), "micro-batch is 0"),
        ((*DENSE, "--ep", "2"), "has no experts"),
        ((*DENSE, "--precision", "fp7"), "precision 'fp7' is not known"),
        ((*DENSE, "--recompute", "often"), "recompute 'often' is not known"),
        ((*DENSE, "--pue", "nan"), "pue is nan"),
        ((*DENSE, "--pue", "0.5"), "pue is 0.5"),
        ((*DENSE, "--price", "0"), "price is 0"),
        ((*DENSE, "--spot-taken", "-1"), "spot-taken is -1"),
        ((*DENSE, "--rack-kw", "1"), "does not fit a rack of 1 kW"),
        ((*DENSE, "--svg", "/nowhere/at/all.svg"), "cannot be written"),
        (("train", "--model", "405B", "--on", "h100:8", "--batch", "64"), "GB too much"),
        (SERVE, "users, requests a second and tokens a day"),
        ((*SERVE, "--users", "0"), "users '0' is not a number above 0"),
        ((*SERVE, "--users", "10", "--rps", "1"), "not users and requests"),
        ((*SERVE, "--tokens-per-day", "lots"), "tokens-per-day 'lots'"),
        ((*SERVE, "--users", "10", "--prompt", "nan"), "the prompt 'nan'"),
        ((*SERVE, "--users", "10", "--precision", "fp5"), "precision 'fp5' is not known"),
        ((*SERVE, "--users", "10", "--first-within", "1e-9"), "answers within"),
        ((*SERVE, "--users", "10", "--swing", "1.5"), "swing of 1.5"),
        (("serve", "--model", "llama-3.1-405b", "--on", "h100:2", "--users", "10"), "GB of weights"),
        (("serve", "--model", "llama-3.1-8b", "--on", "h100:1", "--rps", "10000"), "there are 1"),
        (("company", "none.toml"), "none.toml cannot be read"),
        (("check", "none.csv"), "none.csv cannot be read"),
    ],
)
def test_bad_input_is_one_clear_line(estimate: Program, arguments: tuple[str, ...], words: str) -> None:
    code, _, err = estimate(*arguments)
    lines = err.strip().splitlines()
    assert code == 2, err
    assert words in lines[0] and lines[0].startswith("error: ")
    assert len(lines) <= 2 and all(line.startswith(("error: ", "hint: ")) for line in lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "it lacks"),
        ("", "it lacks"),
        ("model,seq_len,hardware,count,precision,step_s\n", "no rows"),
        ("model,hardware\n\udcff", "cannot be read"),
    ],
)
def test_tables_that_are_none(estimate: Program, tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    code, _, err = estimate("check", str(path))
    assert code == 2 and words in err and "Traceback" not in err


def test_check_scores_a_table(estimate: Program, tmp_path: Path) -> None:
    header = "model,kind,params_total_b,layers,hidden,heads,ffn,vocab,seq_len,gbs_seqs,hardware,count,precision,tp,pp,dp,mbs,step_s,source"
    path = tmp_path / "runs.csv"
    path.write_text(
        header + "\n"
        "GPT 22B,dense,22,48,6144,64,24576,51200,2048,4,A100-80GB-SXM,8,bf16,8,1,1,4,1.42,made up\n"
        "GPT 22B,dense,22,48,6144,64,24576,51200,2048,4,A100-80GB-SXM,8,bf16,8,1,1,4,,made up\n"
        "GPT 22B,dense,22,48,6144,64,24576,51200,nonsense,4,A100-80GB-SXM,8,bf16,8,1,1,4,1.4,made up\n"
    )
    found = estimate.json("check", str(path))
    assert (found["rows"], found["scored"]) == (3, 1)
    assert {"median_ape", "p90_ape", "bias", "coverage80"} <= set(found)
    assert found["p90_ape"] > 0.5, "the refused row is an error of 100 %"
    code, out, _ = estimate("check", str(path))
    assert (
        code == 0 and "3 rows of training, 1 scored" in out and "chip: A100-80GB-SXM" in out and "The worst rows" in out
    )


def test_a_company(estimate: Program, tmp_path: Path) -> None:
    path = tmp_path / "company.toml"
    path.write_text(
        'name = "small"\nstart = "2024-01"\nmonths = 12\ncash = 1e6\ntrials = 200\n'
        '[[people]]\nname = "staff"\ncount = 10\ncost_per_year = [150_000.0, 250_000.0]\n'
    )
    found = estimate.json("company", str(path))
    assert found["outlook"]["chance_money_ends"] > 0.9, "a million lasts ten people half a year"
    code, out, _ = estimate("company", str(path))
    assert code == 0 and "money ends after" in out
    path.write_text("name = 1")
    code, _, err = estimate("company", str(path))
    assert code == 2 and "name" in err and len(err.strip().splitlines()) <= 2


def test_the_published_figures_of_a_folder(estimate: Program, tmp_path: Path) -> None:
    head = 'name = "small"\nstart = "2024-01"\nmonths = 12\ntrials = 200\n'
    spent = '[[spending]]\nname = "all"\nper_month = 1000.0\n'
    claim = '[[claims]]\nsays = "a year of it"\nmeasure = ["cost"]\nlow = {0}\nhigh = {0}\n'
    (tmp_path / "right.toml").write_text(head + spent + claim.format(12000.0))
    (tmp_path / "wrong.toml").write_text(head + spent + claim.format(6000.0))
    code, out, _ = estimate("company", str(tmp_path))
    assert code == 0 and "not reproduced, factor 2" in out and "1 reproduced, 0 explained, 1 not reproduced" in out
    assert set(estimate.json("company", str(tmp_path))) == {"right", "wrong"}
    (tmp_path / "empty").mkdir()
    code, _, err = estimate("company", str(tmp_path / "empty"))
    assert code == 2 and "holds no TOML file" in err


def test_a_start_loads_only_the_command_asked_for() -> None:
    program = """
import contextlib, sys
from luosi.cli import main
sys.argv = ["luosi", "estimate", "--help"]
with contextlib.suppress(SystemExit):
    main()
print([name for name in ("numpy", "luosi.api", "luosi.estimate") if name in sys.modules])
sys.argv = ["luosi", "estimate", "train", "--model", "70B", "--tokens", "1T", "--on", "h100:256"]
with contextlib.suppress(SystemExit):
    main()
print([name for name in ("torch", "scipy", "pandas", "transformers", "polars", "pyarrow", "sqlalchemy", "luosi.api") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("[")] == ["[]", "[]"], done.stdout


def test_every_command_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from luosi.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    listed = done.stdout.partition("Commands:")[2]
    assert all(f"  {name} " in listed for name in COMMANDS)


@given(st.text(alphabet="0123456789.eE+-_,kKmMbBtT naif\u0663", max_size=12))
def test_an_amount_is_a_number_above_0_or_refused(words: str) -> None:
    try:
        value = amount(words, "it")
    except UsageError as error:
        assert "\n" not in error.message
    else:
        assert 0 < value < float("inf")


def test_quantities_are_short() -> None:
    for exponent in range(0, 20):
        for mantissa in (1.0, 1.2345, 9.9996):
            assert len(count(mantissa * 10**exponent)) <= 6 or exponent > 14
            assert len(duration(mantissa * 10.0 ** (exponent - 4))) <= 16
