"""What channels carry and how they wake and sleep, in parts that run together or alone.

`make bench NAME=channels` runs all of them, `make bench NAME=channels ARGS="--parts sensors,gateway"` some. The parts
are described in docs/benchmarks.md; each replaces its own rows of out/bench/channels.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "hack"), str(ROOT / "operator"), str(ROOT / "workloads")]

from tests.bench import _gateway, _saturation, _sensors, _waking  # noqa: E402

PARTS: Final = {"sensors": _sensors, "saturation": _saturation, "waking": _waking, "gateway": _gateway}


def main() -> int:
    """Run the parts; 1 if one of them lost anything."""
    parser = argparse.ArgumentParser(description="what channels carry, and how they wake and sleep")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}, separated by commas")
    for module in PARTS.values():
        module.add_arguments(parser)
    arguments = parser.parse_args()
    chosen = arguments.parts.split(",")
    for name in chosen:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; there are {', '.join(PARTS)}")
    failed = 0
    for name in chosen:
        started = time.monotonic()
        print(f"channels: {name}", flush=True)
        failed |= PARTS[name].run(arguments, sys.argv[1:])
        print(f"channels: {name} took {time.monotonic() - started:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
