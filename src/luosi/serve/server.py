"""One server process: binds the address, runs the gateway (and pages, if given) under uvicorn until SIGTERM or Ctrl-C."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from luosi.errors import UsageError
from luosi.serve.accounts import Accounts
from luosi.serve.gateway import create_app
from luosi.serve.upstreams import ServedModel

GRACE_S = 5
"""Answers under way get this long when the server is told to stop."""


def run(
    models: Sequence[ServedModel],
    *,
    accounts: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str = "",
    pages: Callable[[Starlette], None] | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve until told to stop; engines are closed and charges committed before it returns.

    Args:
        models: What is served.
        accounts: accounts.db, made if absent; None keeps no accounts.
        host: Address to listen on; anything but loopback needs `api_key`.
        port: 0 takes a free one.
        api_key: What clients must show; "" asks for none.
        pages: Adds pages to the application; luosi.web.mount with its arguments bound.
        announce: Is told the URL once the address is bound.

    Raises:
        UsageError: No key for a public address, or the address cannot be bound.
        InputError: The accounts file cannot be used.
    """
    local = is_loopback(host)
    if not local and not api_key:
        raise UsageError(
            f"refusing to listen on {host} without an API key: anyone who reaches it could spend your money",
            hint="set an API key, or listen on 127.0.0.1",
        )
    if accounts is not None:
        Accounts(accounts).close()  # a file that cannot be used is told of here, not in the server's log
    listener = bind(host, port)
    with listener:
        app = create_app(models, accounts, api_key=api_key, local_only=local)
        if pages is not None:
            pages(app)
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S, server_header=False)
        server = uvicorn.Server(config)
        name = f"[{host}]" if ":" in host else host
        announce(f"http://{name}:{listener.getsockname()[1]}")
        with stopped_by_signals(server):
            server.run(sockets=[listener])
    if not server.started:
        raise UsageError("the server could not start; the lines above say why")


@contextlib.contextmanager
def stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the server in order, and with exit code 0: uvicorn raises them again after its own handling."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {
        number: signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: The address is taken, not ours, or needs rights.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"cannot listen on {host}:{port}: {error}", hint="choose another --host or --port") from error
    return listener
