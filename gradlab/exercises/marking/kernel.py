"""A submitted notebook in a kernel of its own: run to its end, whatever its cells do.

    python -m gradlab.exercises.marking.kernel <job

The job comes as JSON, and what happens is told in lines of JSON: which cell begins, what became of
it, which answers were handed over. This process is the kernel's parent, and may be killed by it;
the marker then begins again behind the cell that did so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

from gradlab.exercises.marking.handover import MIME, MOST_PRINTED
from gradlab.exercises.marking.limits import environment, limit_this_process

GRACE = 4  # seconds from the interrupt to the end of a kernel that does not listen
DRAINING = 30  # seconds for what a cell has printed to arrive after its end
PATIENCE = 5  # cells that may use up their time; the others then get a quarter of it

PREPARE = "import gradlab.exercises.marking.handover as _; _.prepare({cpu}); del _"
HAND_OVER = (
    "__import__('gradlab.exercises.marking.handover', fromlist=['_']).hand_over("
    "lambda: ({expression}\n))"
)


def tell(**event: Any) -> None:
    """Write an event to the marker."""
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


async def run(job: dict[str, Any], folder: str) -> None:
    """Run the cells of ``job`` and tell what they do.

    Parameters
    ----------
    job
        ``cells``, the sources; ``skip``, the numbers of those that are not run; ``calls``, for
        each answer its cell and its expression; ``first``, the cell from which on answers are
        handed over; ``late``, the numbers of the calls that are handed over once more at the end;
        ``limit``, seconds for a cell.
    folder
        Where the kernel works, and leaves its files.
    """
    # jsonschema would build the grammar of web addresses, two seconds of every notebook's time.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat import NotebookNode
    from nbformat.v4 import new_code_cell, new_notebook

    class Client(NotebookClient):
        """Keeps nothing of what the cells print but the answers."""

        error = reason = ""
        answer: dict[str, Any] | None = None
        printed = 0
        timers: list[asyncio.TimerHandle]
        manager: Any  # its type of nbclient's is that of no kernel in particular

        def process_message(self, msg: Any, cell: Any, cell_index: int) -> NotebookNode | None:
            kind, content = msg["msg_type"], msg["content"]
            if kind == "error":
                self.error = f"{content.get('ename')}: {content.get('evalue')}"[:500]
            elif kind in ("stream", "display_data", "execute_result", "update_display_data"):
                told = content.get("data", {}).get(MIME)
                if isinstance(told, dict):
                    self.answer = told
                self.printed += len(str(content.get("text", "")))
                if self.printed > 2 * MOST_PRINTED:  # past Python: of prints the kernel takes care
                    self.printed = -(10**15)  # once is enough
                    self.stop("It prints without end.", DRAINING)
            elif not kind.startswith("comm"):
                return super().process_message(msg, cell, cell_index)
            return None

        def stop(self, reason: str, grace: float = GRACE) -> None:
            self.reason = self.reason or reason
            asyncio.ensure_future(self.manager.interrupt_kernel())
            self.timers.append(loop.call_later(grace, self.end))

        def stop_unless(self, reason: str) -> None:
            if not self.reason:  # else it has been stopped, and its output is on the way
                self.stop(reason)

        def end(self) -> None:
            with contextlib.suppress(ProcessLookupError):
                self.manager.provisioner.process.kill()

        async def execute_source(self, source: str, seconds: float) -> str:
            """Run a source; what stopped it, or nothing."""
            self.error, self.reason, self.printed, self.answer = "", "", 0, None
            late = f"It did not come to its end within {seconds:g} seconds."
            self.timers = [loop.call_later(seconds, self.stop_unless, late)]
            try:
                await self.async_execute_cell(new_code_cell(source), 0)
            finally:
                for timer in self.timers:
                    timer.cancel()
            return self.reason or self.error

    loop = asyncio.get_running_loop()
    logging.disable(logging.CRITICAL)
    limit, used_up = float(job["limit"]), 0
    client = Client(
        new_notebook(cells=[new_code_cell("pass")]),
        timeout=None,
        iopub_timeout=DRAINING,
        raise_on_iopub_timeout=True,
        kernel_name="python3",
        allow_errors=True,
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--HistoryManager.enabled=False", "--log-level=CRITICAL"],
        resources={"metadata": {"path": folder}},
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    async def hand_over(number: int) -> None:
        expression = job["calls"][number][1]
        stopped = await client.execute_source(HAND_OVER.format(expression=expression), limit)
        tell(call=number, handed=client.answer or {"error": stopped or "nothing was handed over"})

    async with client.async_setup_kernel(env=environment(folder), **quiet):
        client.manager = client.km
        group = client.manager.provisioner.process.pid
        try:
            cpu = int(limit * len(job["cells"]) + 120)
            await client.execute_source(PREPARE.format(cpu=cpu), 60)
            for at, source in enumerate(job["cells"]):
                if at in job["skip"] or not source.strip():
                    continue
                tell(cell=at)
                seconds = limit if used_up < PATIENCE else limit / 4
                stopped = await client.execute_source(source, seconds)
                used_up += bool(client.reason)
                tell(done=at, stopped=stopped, late=bool(client.reason))
                for number, (cell, _) in enumerate(job["calls"]):
                    if cell == at and at >= job["first"]:
                        await hand_over(number)
            tell(cell=len(job["cells"]))
            for number in job["late"]:
                await hand_over(number)
            tell(end=True)
        except (DeadKernelError, CellTimeoutError):  # the latter while a flood is drained
            tell(dead=True, stopped=client.reason)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError):
                os.killpg(group, signal.SIGKILL)


def main() -> None:
    """Run the job on the standard input."""
    limit_this_process()
    job = json.loads(sys.stdin.read())
    with tempfile.TemporaryDirectory(prefix="gradlab-", ignore_cleanup_errors=True) as folder:
        asyncio.run(run(job, folder))


if __name__ == "__main__":
    main()
