"""The accounts: exact charges, unknown kept apart from nothing, two processes on one file, old and foreign files."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi import serve
from luosi.cost import Money, Price
from luosi.errors import InputError
from luosi.serve.accounts import MIGRATIONS, Accounts, Charge
from luosi.serve.prices import TokenPrice, Usage, exact


def token_price(prompt: int, completion: int, currencies: tuple[str, str] = ("USD", "USD")) -> TokenPrice:
    units = ("million_prompt_tokens", "million_completion_tokens")
    prices = [
        Price(money=Money(nano=nano, currency=currency), unit=unit, source="test", date="2026-01-01")
        for nano, currency, unit in zip((prompt, completion), currencies, units, strict=True)
    ]
    return TokenPrice(prompt=prices[0], completion=prices[1])


@settings(deadline=None)
@given(*[st.integers(0, 10**13)] * 2, *[st.integers(0, 10**9)] * 2)
def test_a_charge_is_the_exact_sum_rounded_up_once(prompt: int, completion: int, asked: int, answered: int) -> None:
    charge = token_price(prompt, completion).charge(Usage(prompt_tokens=asked, completion_tokens=answered))
    assert charge.nano == math.ceil(Fraction(prompt * asked, 10**6) + Fraction(completion * answered, 10**6))


def test_prices_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="different currencies"):
        token_price(1, 1, ("USD", "CNY"))
    good = token_price(1, 1)
    with pytest.raises(ValueError, match="expected per million tokens of each kind"):
        TokenPrice(prompt=good.completion, completion=good.prompt)


@pytest.mark.parametrize(
    "usage",
    [None, "many", {}, {"prompt_tokens": "5"}, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": 2.0},
     {"prompt_tokens": 1, "completion_tokens": None}, {"prompt_tokens": 10**18}],
)  # fmt: skip
def test_a_usage_that_cannot_be_believed_is_unknown(usage: object) -> None:
    assert Usage.read({"usage": usage}) is None


def test_money_is_shown_to_the_last_nano() -> None:
    assert exact(Money(nano=7, currency="CNY")) == "0.000000007 CNY"


def charge(nano: int | None, usage: Usage | None) -> Charge:
    return Charge("m", "here", "done", usage, None if nano is None else Money(nano=nano, currency="USD"))


def test_unknown_prices_and_usages_are_null_and_not_summed(tmp_path: Path) -> None:
    used = Usage(prompt_tokens=10, completion_tokens=5)
    path = tmp_path / "deep" / "accounts.db"
    with Accounts(path) as accounts:
        for row in (charge(100, used), charge(23, used), charge(None, used), charge(None, None)):
            accounts.record(row).result(timeout=10)
        unknown, known = sorted(accounts.totals(), key=lambda total: total.currency)
    assert (known.requests, known.nano, known.prompt_tokens, known.unreported) == (2, 123, 20, 0)
    assert (unknown.requests, unknown.nano, unknown.prompt_tokens, unknown.unreported) == (2, None, 10, 1)
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT nano, currency, prompt_tokens FROM charges ORDER BY id").fetchall()
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    assert rows == [(100, "USD", 10), (23, "USD", 10), (None, None, 10), (None, None, None)]


WRITER = """
import sys
from pathlib import Path
from luosi.serve.accounts import Accounts, Charge
from luosi.serve.prices import Usage
accounts = Accounts(Path(sys.argv[1]))
usage = Usage(prompt_tokens=1, completion_tokens=1)
for number in range(300):
    done = accounts.record(Charge(sys.argv[2], "u", "done", usage, None))
    if number % 10 == 0:
        done.result()
done.result()
if sys.argv[2] == "killed":
    import os
    os.kill(os.getpid(), 9)
accounts.close()
"""


def test_processes_share_one_file_and_a_kill_loses_no_committed_charge(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b", "killed")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, -9]
    with Accounts(path) as accounts:
        assert {total.model: total.requests for total in accounts.totals()} == {"a": 300, "b": 300, "killed": 300}


def test_a_newer_or_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    newer, foreign = tmp_path / "newer.db", tmp_path / "foreign.db"
    Accounts(newer).close()
    with sqlite3.connect(newer) as database:
        database.execute("INSERT INTO versions VALUES (?)", (len(MIGRATIONS) + 1,))
    database.close()
    foreign.write_bytes(b"my diary, not a database\n" * 100)
    with pytest.raises(InputError, match="this Luosi knows"):
        Accounts(newer)
    with pytest.raises(InputError, match="cannot be used as the accounts database"):
        Accounts(foreign)
    with pytest.raises(InputError, match="cannot be used as the accounts database"):
        serve.run([], accounts=foreign)
    assert foreign.read_bytes() == b"my diary, not a database\n" * 100


def test_a_write_that_fails_is_told_to_whoever_waits_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    used = Usage(prompt_tokens=1, completion_tokens=1)
    with Accounts(path) as accounts:
        with sqlite3.connect(path) as database:
            database.execute("ALTER TABLE charges RENAME TO away")
        with pytest.raises(InputError, match="could not be written"):
            accounts.record(charge(1, used)).result(timeout=10)
        with database:
            database.execute("ALTER TABLE away RENAME TO charges")
        accounts.record(charge(2, used)).result(timeout=10)
        database.close()
        assert [total.nano for total in accounts.totals()] == [2]
