"""Supervisor: runs one program in a process group of its own and sees to it that nothing of the group outlives Luosi.

`python supervise.py PROGRAM ARGUMENTS...` with a pipe as standard input: when the pipe closes, because Luosi wants the
program stopped or was itself killed, the group is asked to end and two seconds later made to. Exits with the program's
status, 128 + N if signal N ended it. A file of its own, standard library only: it is started by path, without Luosi.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_S = 2.0


def end_group(program: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the program and all it started; where there are no groups, end the program."""
    try:
        if os.name == "posix":
            os.killpg(program.pid, number)
        elif program.poll() is None:
            program.kill()
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left


def stop_on_close(program: subprocess.Popen[bytes]) -> None:
    """Wait until the pipe closes, then end the group."""
    while os.read(0, 4096):
        pass
    end_group(program, signal.SIGTERM)
    time.sleep(GRACE_S)
    end_group(program, getattr(signal, "SIGKILL", signal.SIGTERM))


def main() -> int:
    """Run the program of the command line to its end."""
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=stop_on_close, args=(program,), daemon=True).start()
    status = program.wait()
    end_group(program, getattr(signal, "SIGKILL", signal.SIGTERM))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
