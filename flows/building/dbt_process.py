"""dbt as a process of its own that is ready before there is anything to build.

Loading dbt and reading the project take as long as landing most deliveries, so both begin together. The process then
waits for one line on its standard input, the arguments of the command as JSON, and runs it. When its input ends, before
or after that line, it ends at once: whoever started it is gone, and a build nobody waits for would keep files locked.

What it says on its standard output is one JSON object a line: ``error`` (a message), or ``done`` (a model's or test's
name) with ``index`` and ``total``. dbt's own log turns thousands of events that nobody reads into text.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from typing import Any

_DONE = ("LogModelResult", "LogTestResult")


def main() -> None:
    """Read the project with the arguments given on the command line, wait for the command, run it."""
    from dbt.cli.main import dbtRunner

    common = ["--log-level", "none", "--log-level-file", "none", *sys.argv[1:]]
    read = dbtRunner(callbacks=[_say]).invoke(["--no-write-json", "parse", *common])
    # What is loaded by now lives to the end of the process; to look through it often is a tenth of the work.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    line = sys.stdin.readline()
    if not line:
        return
    if not read.success:
        sys.exit(2)
    threading.Thread(target=_end_with_input, name="end with input", daemon=True).start()
    # dbt's types do not say which command's result is a manifest; that of `parse` is.
    manifest: Any = read.result
    runner = dbtRunner(manifest=manifest, callbacks=[_say])
    done = runner.invoke([*json.loads(line), *common])
    sys.exit(0 if done.success else 1 if done.exception is None else 2)


def _end_with_input() -> None:
    # Not by sys.stdin, whose lock a thread that waits in it would hold at the interpreter's end.
    os.read(0, 1)
    os._exit(1)


def _say(event: Any) -> None:
    said: dict[str, Any]
    if event.info.level == "error":
        said = {"error": event.info.msg}
    elif event.info.name in _DONE:
        said = {"done": event.data.node_info.node_name, "index": event.data.index}
        said["total"] = getattr(event.data, "total", None) or event.data.num_models
    else:
        return
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
