"""Makes `.venv`, the development environment of this checkout, from the hashed lock.

Running it again does nothing while the lock, the Python and the checkout's place are the same. It may use the standard
library only: it runs before anything is installed.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv"
LOCK = ROOT / "hack" / "requirements" / "dev.txt"
MARKER = FOLDER / "made-from"
SOURCE_ROOTS = ("operator", "workloads", "hack")
USUAL_SECONDS = 150
DEADLINE_SECONDS = 1800


def fingerprint() -> str:
    """What the environment depends on, as one line."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return f"{digest} python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro} at {ROOT}\n"


def is_current() -> bool:
    """Whether `.venv` is complete and made from today's lock."""
    return MARKER.is_file() and MARKER.read_text() == fingerprint() and (FOLDER / "bin" / "python").exists()


def run_with_progress(command: list[str], log: Path) -> None:
    """Run a command into a log file, showing the time it has taken, and end with its last lines when it fails."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    terminal = sys.stderr.isatty()
    interval = 1.0 if terminal else 30.0
    done = threading.Event()

    def report() -> None:
        while not done.wait(interval):
            seconds = int(time.monotonic() - started)
            line = f"venv: installing the development packages, {seconds} s (usually {USUAL_SECONDS} s at first)"
            print(f"\r{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr)

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        code = process.wait(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit(f"venv: the packages were not installed within {DEADLINE_SECONDS} s; see {log} and try again")
    finally:
        done.set()
        reporter.join()
        if terminal:
            print("\r\033[K", end="", file=sys.stderr)
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        sys.exit(f"{tail}\nvenv: pip failed; the whole log is {log}. Is the package index of this machine reachable?")


def make() -> None:
    """Make the environment anew; an interrupted attempt leaves no marker and is made anew as well."""
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        venv.create(FOLDER, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit(f"venv: {sys.executable} cannot make virtual environments; install its venv module (python3-venv)")
    log = ROOT / "out" / "venv.log"
    log.parent.mkdir(exist_ok=True)
    pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run_with_progress([*pip, "install", "--require-hashes", "--no-deps", "-r", str(LOCK)], log)
    # The source roots are importable as they are: no build step between an edit and a run.
    site = next((FOLDER / "lib").glob("python3.*")) / "site-packages"
    (site / "vpp_checkout.pth").write_text("".join(f"{ROOT / folder}\n" for folder in SOURCE_ROOTS))
    MARKER.write_text(fingerprint())
    print(f"venv: .venv is ready after {time.monotonic() - started:.0f} s")


def main() -> int:
    """Make `.venv` unless it is current."""
    parser = argparse.ArgumentParser(description="make .venv from the lock of development packages")
    parser.add_argument("--force", action="store_true", help="make it anew even when it is current")
    arguments = parser.parse_args()
    # Two commands at once (a test and a check, say) must not make the same folder.
    (ROOT / "out").mkdir(exist_ok=True)
    guard = os.open(ROOT / "out" / "venv.lock", os.O_CREAT | os.O_RDWR, 0o644)
    fcntl.flock(guard, fcntl.LOCK_EX)
    if arguments.force or not is_current():
        make()
    return 0


if __name__ == "__main__":
    sys.exit(main())
