"""Starts commands from a process that has imported the command line already.

A command spends most of its time on imports; the tests run hundreds. Each still is a process of its
own, with its own environment, output and exit code. `python -m tests.integration.warm SOCKET`
listens until its standard input ends, so it never outlives the tests that started it.
"""

import asyncio
import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from switch import __main__ as entry
from switch import cli

LENGTH_BYTES = 8
BACKLOG = 64

_one_at_a_time = threading.Lock()  # or two would start a starter each


async def run(arguments: Sequence[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """`switch ARGUMENTS…`: exit code, standard output, standard error; killed when cancelled."""
    path = await asyncio.to_thread(_the_starter)  # other tasks go on while it imports
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        request = json.dumps({"arguments": arguments, "environment": environment}).encode()
        writer.write(len(request).to_bytes(LENGTH_BYTES) + request)
        code, out, err = json.loads(await reader.read())
    finally:
        writer.close()
    return code, out, err


def _the_starter() -> str:
    with _one_at_a_time:
        return _starter()


@cache
def _starter() -> str:
    """The socket of this process's starter, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="switch-warm-"))
    path = str(folder / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.warm", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def end() -> None:
        with process:  # closes its standard input and waits
            pass
        (folder / "socket").unlink()
        folder.rmdir()

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return path


def main(path: str) -> None:
    """Fork for whoever connects: one request, one command, one answer."""
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
        cli.app(["version"])  # the framework imports the rest when it first parses
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for commands
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(BACKLOG)
        print("ready", flush=True)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _attend(connection)
            connection.close()


def _attend(connection: socket.socket) -> NoReturn:
    """Run the command that is asked for; ended when who asked for it is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(stream.read(LENGTH_BYTES))))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(request, out.fileno(), err.fileno())
        ended = os.pidfd_open(pid)
        if ended not in select.select([ended, connection], [], [])[0]:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    with contextlib.suppress(OSError):
        connection.sendall(json.dumps([code, *texts]).encode())
    os._exit(0)


def _become(request: dict[str, Any], out: int, err: int) -> NoReturn:
    """This process is `switch ARGUMENTS…` from here on."""
    null = os.open(os.devnull, os.O_RDONLY)
    for file, number in ((null, 0), (out, 1), (err, 2)):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["switch", *request["arguments"]]
    code: object = 1
    try:
        entry.main()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main(sys.argv[1])
