"""The engine's own process: a script that imports nothing of Luosi, started only by `luosi.models.engine`.

Reads one line of JSON settings from standard input, loads the model into llama.cpp's HTTP server (through xllamacpp), writes
one line `{"url": ...}` to standard output and serves until standard input ends or its parent is gone. Standard input ends
however the parent dies, SIGKILL included, on every system; PR_SET_PDEATHSIG is not used because it fires when the *thread*
that started the process ends, which in a server is no sign of anything. Knows nothing of Luosi's stages.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent does; the poll is for a pipe that a forked sibling keeps open."""

    def until_end_of_input() -> None:
        # The raw descriptor: a thread that held sys.stdin's lock would abort the interpreter's own exit.
        while os.read(0, 4096):
            pass
        os._exit(0)

    def until_orphaned() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    for watch in (until_end_of_input, until_orphaned):
        threading.Thread(target=watch, daemon=True).start()


def _parameters(settings: dict[str, Any]) -> Any:
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["gguf"]
    parameters.model_alias = {settings["alias"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings["api_key"]]
    parameters.endpoint_metrics = True
    parameters.ui = False
    parameters.cors_origins = ""
    parameters.n_parallel = settings["parallel"]
    parameters.n_ctx = settings["context"] * settings["parallel"]
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    # Off: an 8 GiB cache of finished prompts, guessing a smaller context to fit, a log line for every request.
    parameters.cache_ram_mib = 0
    parameters.fit_params = False
    parameters.verbosity = 1
    if settings["exact"]:
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.n_gpu_layers = 0
    return parameters


def main() -> None:
    """Serve until the parent is gone."""
    settings = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which closes this process in order
    _leave_with_parent(settings["parent"])
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints belongs to the log
    import xllamacpp

    try:
        server = xllamacpp.Server(_parameters(settings))
    except RuntimeError as error:
        sys.exit(str(error))
    print(json.dumps({"url": server.listening_address}), file=answer, flush=True)
    answer.close()
    threading.Event().wait()


if __name__ == "__main__":
    main()
