"""Execute the notebooks of the course again and store them with their outputs.

    python tests/tools/execute_notebooks.py                      all of them
    python tests/tools/execute_notebooks.py notebooks/04_*.ipynb  the named ones
    python tests/tools/execute_notebooks.py --check              change nothing, say what would change

Running it twice writes the same bytes: no timings, no widget state, no versions of this machine.
Where a cell must show timings it begins with `# NBVAL_IGNORE_OUTPUT`, and keeps the outputs that are
stored; clear them to measure again.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from set_address import current_slug, write_setup_cell

ROOT = Path(__file__).resolve().parents[2]
MEASURED = "# NBVAL_IGNORE_OUTPUT"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


class NotebookError(Exception):
    """A notebook that must not be stored; the message is one sentence for its author."""


def notebook_paths() -> list[Path]:
    """The notebooks of the course in their order."""
    return sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Execute ``notebook`` in place, in ``folder``, and reduce it to what is the same every time.

    Raises
    ------
    NotebookError
        If a cell raises, writes to stderr, or is empty.
    """
    measured = {
        cell.id: list(cell.outputs)
        for cell in notebook.cells
        if cell.source.startswith(MEASURED) and cell.get("outputs")
    }
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--HistoryManager.enabled=False", "--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise NotebookError(re.sub(r"\x1b\[[0-9;]*m", "", str(error))) from None
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        _tidy(cell, number + 1)
        cell.outputs = measured.get(cell.id, cell.outputs)
    return notebook


def _tidy(cell: nbformat.NotebookNode, count: int) -> None:
    for key in cell.metadata.keys() - {"jupyter", "tags"}:
        del cell.metadata[key]
    if cell.execution_count != count:
        raise NotebookError(f"cell {cell.id!r} is empty, so it was not executed: remove it")
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stderr":
            raise NotebookError(f"cell {cell.id!r} wrote to stderr:\n{output.text}")
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            output.metadata.pop(WIDGET_VIEW, None)


def executed_text(path: Path) -> str:
    """What the notebook file at ``path`` holds once it has been executed again."""
    notebook = nbformat.read(path, as_version=4)
    write_setup_cell(notebook, current_slug())
    return nbformat.writes(execute(notebook, path.parent)) + "\n"


def isolate_kernels(folder: str) -> None:
    """Let kernels compute alike everywhere and leave nothing behind: no history, no bytecode."""
    os.environ.update(
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        IPYTHONDIR=folder,
        PYTHONDONTWRITEBYTECODE="1",
        PYDEVD_DISABLE_FILE_VALIDATION="1",
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the course")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if files differ")
    options = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        isolate_kernels(folder)
        for path in options.notebooks or notebook_paths():
            try:
                text = executed_text(path.resolve())
            except (NotebookError, OSError, ValueError) as error:
                print(f"{path.name}: not stored: {error}", file=sys.stderr)
                failed = True
                continue
            same = text == path.read_text(encoding="utf-8")
            if options.check:
                print(f"{path.name}: {'as stored' if same else 'differs from what is stored'}")
                failed |= not same
            else:
                if not same:
                    path.write_text(text, encoding="utf-8")
                print(f"{path.name}: {'unchanged' if same else 'stored'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
