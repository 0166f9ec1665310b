"""Runs a command that must not outlive its caller: `guard.py COMMAND...`, with a pipe from the caller as input.

A caller killed with SIGKILL cannot end what it started, but the kernel closes its end of the pipe. A build that went on
alone would keep the processors busy and hold files that `make down` and the next build want gone.
"""

import os
import select
import signal
import subprocess
import sys
import time

_GRACE_SECONDS = 10.0


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the command's whole process group: politely first, since mmdebstrap and buildah then unmount their work."""
    for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, 1.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)


def main(command: list[str]) -> int:
    """Run the command until it ends or the caller does; return its exit code."""
    # Ctrl-C reaches this process and the caller alike: the caller decides, and its end of the pipe tells.
    # (Handlers that do nothing, since the command would inherit SIG_IGN and could then not be ended politely.)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    while process.poll() is None:
        readable, _, _ = select.select([0], [], [], 0.05)
        if readable and not os.read(0, 1):
            _end(process)
            return 143
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
