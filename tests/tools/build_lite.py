"""JupyterLite beside the site: the notebooks alive in the browser, with nothing installed.

The site's build calls this with ``--lite``. JupyterLite's kernel is a Pyodide, which the published
site takes from its CDN, together with NumPy and what else Pyodide has; ``--lite-pyodide DIR`` puts
one of your own beside the pages instead, for a place without a network. The course's package, and
what Pyodide lacks, are wheels in the site.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import set_address

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "site-lite"
OWN = "check_your_own_gradient.ipynb"  # the README's example, to be edited
# Pure Python that Pyodide does not have, or not everywhere; a notebook's sliders need them.
WHEELS = ("ipywidgets==8.1.*", "jupyterlab_widgets==3.0.*", "comm", "tqdm")
SETUP_CELL = """\
# This page is Python in your browser. The course's package lies beside it; this brings it in.
%pip install -q gradlab-course[course]
import logging

import tqdm

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it is slow, not broken
tqdm.tqdm.monitor_interval = 0  # no threads here"""
BADGE = re.compile(r"^\[!\[Open in Colab\].*\n\n?", re.MULTILINE)
# What a browser cannot do, and what is said instead.
CANNOT = {
    r"\brun_pytest\(": "It starts a process of its own, and a page in a browser may not. On the "
    "course's web site, in Colab and on your computer it runs.",
    r"^\s*(?:import|from) (?:jax|torch)\b": "It needs JAX or PyTorch, which are not made for "
    "browsers. On the course's web site you see what it shows; in Colab and on your computer it "
    "runs.",
}


def build(site: Path, example: str, address: set_address.Address, pyodide: Path | None) -> None:
    """Put JupyterLite under ``site / "lite"``.

    Parameters
    ----------
    site
        The built site.
    example
        Code that stands ready in a notebook of its own.
    address
        Of the course.
    pyodide
        A folder with pyodide.js and its packages to put beside the pages; None: from its CDN.
    """
    shutil.rmtree(WORK, ignore_errors=True)
    contents, wheels = WORK / "contents", WORK / "pypi"
    contents.mkdir(parents=True)
    wheels.mkdir()
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        notebook = for_browser(nbformat.read(path, as_version=4), address)
        nbformat.write(notebook, contents / path.name)
    nbformat.write(own_notebook(example), contents / OWN)
    shutil.copytree(ROOT / "notebooks" / "images", contents / "images")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    source = WORK / "source"  # a copy: building leaves files behind, and finds those of last time
    shutil.copytree(ROOT / "gradlab", source / "gradlab")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(wheels), str(source)], check=True)
    only = ["--no-deps", "--only-binary", ":all:", "-d", str(wheels)]
    subprocess.run([*pip, "download", *only, *WHEELS], check=True)
    settings: dict[str, object] = {"disablePyPIFallback": True}
    if pyodide is not None:
        settings["pyodideUrl"] = "./static/pyodide/pyodide.js"
    configuration = {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "gradlab",
            "exposeAppInBrowser": True,
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": settings},
        },
    }
    (WORK / "jupyter-lite.json").write_text(json.dumps(configuration), encoding="utf-8")
    target = site / "lite"
    command = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", str(WORK)]
    command += ["--contents", str(contents), "--output-dir", str(target), "--no-sourcemaps"]
    command += ["--apps", "lab", "--apps", "notebooks", "--apps", "repl"]
    done = subprocess.run(command, cwd=WORK, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"JupyterLite was not built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    if pyodide is not None:
        shutil.copytree(pyodide, target / "static" / "pyodide", dirs_exist_ok=True)


def for_browser(
    notebook: nbformat.NotebookNode, address: set_address.Address
) -> nbformat.NotebookNode:
    """A copy of a notebook whose set-up cell and words know that they are in a browser."""
    for cell in notebook.cells:
        if cell.id == "setup":
            cell.source = SETUP_CELL
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub("", cell.source)
            cell.source = cell.source.replace("](README.md", "](../../guide.html")
            cell.source = cell.source.replace("](GLOSSARY.md", "](../../glossary.html")
            continue
        for pattern, why in CANNOT.items():
            if re.search(pattern, cell.source, re.MULTILINE):
                cell.source = instead(cell.source, why)
                break
    return notebook


def instead(source: str, why: str) -> str:
    """A cell that says why it does not run here, with what it would run as a comment."""
    quoted = "\n".join(f"# {line}".rstrip() for line in source.split("\n"))
    return f'print("""This cell does not run here. {why}""")\n\n{quoted}'


def own_notebook(example: str) -> nbformat.NotebookNode:
    """A notebook with the README's example, to be edited and run."""
    cells = [
        nbformat.v4.new_markdown_cell(
            "# Check your own gradient\n\nRun both cells: press Shift and Enter in each, or the "
            "button ▶. The first run takes a while, until Python is here. Then put your own loss "
            "and your own gradient in place of these. One line here has a mistake, and the report "
            "says what to look for.",
            id="head",
        ),
        nbformat.v4.new_code_cell(SETUP_CELL, id="setup"),
        nbformat.v4.new_code_cell(example.strip(), id="example"),
    ]
    kernel = {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
