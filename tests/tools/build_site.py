"""Build the web site of the course into build/site, from the stored notebooks.

    python tests/tools/build_site.py                    the pages and the explorers
    python tests/tools/build_site.py --lite --pdf --zip and JupyterLite, the PDF, the offline zip
    python tests/tools/build_site.py --lite-pyodide DIR JupyterLite with a Pyodide of one's own

No notebook is executed or changed: its stored outputs are what the page shows. What the explorers
show is computed here, by the package itself (export_explorers.py). Needs ``pip install -e
".[site]"``, and Node with npm for the formulas; --pdf needs a Chromium as well.
"""

from __future__ import annotations

import argparse
import base64
import concurrent.futures
import hashlib
import html
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_lite
import export_explorers
import refresh_readme
import set_address
import site_pdf

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "notebooks" / "site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
BUILD = ROOT / "build"
PAGES, SITE, NPM = BUILD / "site-sources", BUILD / "site", BUILD / "site-npm"
EXPLORER = re.compile(r"^explorers\.(\w+_explorer)\(\)\s*$")
BADGE = re.compile(r"^\[!\[Open in Colab\].*$", re.MULTILINE)
GUIDE, GLOSSARY = "guide.md", "glossary.md"
ZIP = "gradlab-site.zip"
NEEDS_SERVER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>gradlab</title>
<p>The live notebooks need the web: they are on the course's site, or run in your own JupyterLab.</p>
<p><a href="../../index.html">Back to the course</a></p></html>
"""
MENDED = {
    'class="caption" role="heading">': 'class="caption" role="heading" aria-level="2">',
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    '<aside class="toc-drawer no-toc">': '<aside class="toc-drawer no-toc" aria-label="Outline">',
    '<div id="search-results">': '<h1>Search</h1><div id="search-results">',
}
UNSEEN = "position:absolute;width:1px;height:1px"


class SiteError(Exception):
    """What is wrong, in a sentence for whoever builds the site."""


# ------------------------------------------------------------------------------------ the pages


def prepare(address: set_address.Address, taken: Sequence[str] = ()) -> None:
    """Write the pages that Sphinx reads: copies of the notebooks and of the texts beside them.

    ``taken`` are the files that the first page offers to take away.
    """
    shutil.rmtree(PAGES, ignore_errors=True)
    (PAGES / "_static" / "pictures").mkdir(parents=True)
    places = explorer_places()
    for path in NOTEBOOKS:
        page = notebook_page(nbformat.read(path, as_version=4), path.name, address)
        nbformat.write(page, PAGES / path.name)
    for path in [*SOURCES.glob("*.py"), *SOURCES.glob("*.js")]:
        shutil.copy(path, PAGES)
    shutil.copytree(SOURCES / "static", PAGES / "_static", dirs_exist_ok=True)
    shutil.copytree(
        NPM / "node_modules" / "katex" / "dist" / "fonts",
        PAGES / "_static" / "katex" / "fonts",
        ignore=shutil.ignore_patterns("*.ttf", "*.woff"),
    )
    katex = (NPM / "node_modules" / "katex" / "dist" / "katex.min.css").read_text(encoding="utf-8")
    katex = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\(\"\w+\"\)", "", katex)
    (PAGES / "_static" / "katex" / "katex.min.css").write_text(katex, encoding="utf-8")
    shutil.copy(refresh_readme.PICTURE, PAGES / "_static" / "pictures")

    values = {
        "two_suspects": two_suspects(),
        "doors": doors(),
        "taken": take_away(taken),
        "notebooks": "\n".join(path.stem for path in NOTEBOOKS),
        "example": example()[0],
        "door": f'<p class="open"><a class="door-button needs-server" href="{lite("check_your_own_gradient.ipynb")}">Edit it and run it here, in your browser</a></p>',
        "slug": address.slug,
        "issues": f"{address.repository}/issues",
        "list": explorer_list(places),
        "functions": "\n".join(f".. autofunction:: gradlab.{name}" for name in functions()),
    }
    for path in SOURCES.glob("*.md"):
        (PAGES / path.name).write_text(
            filled(path.read_text(encoding="utf-8"), values), encoding="utf-8"
        )
    for name, pages in places.items():
        (PAGES / f"{page_of(name)}.md").write_text(explorer_page(name, pages), encoding="utf-8")
    for source, target in (("GLOSSARY.md", GLOSSARY), ("README.md", GUIDE)):
        text = (ROOT / "notebooks" / source).read_text(encoding="utf-8")
        (PAGES / target).write_text(linked(text, address), encoding="utf-8")


def two_suspects() -> str:
    """The picture of the first page: on a phone its halves stand under one another."""
    source = f"_static/pictures/{refresh_readme.PICTURE.name}"
    left = picture_html(source, refresh_readme.ALT, 900, eager=True)
    right = f'<img class="picture" src="{source}" alt="" width="900" height="360">'
    return f'<div class="halves">{left}{right}</div>'


def filled(text: str, values: dict[str, str]) -> str:
    """``text`` with every ``@@name@@`` replaced by its value, and ``@@explorer NAME@@`` by one."""

    def value(match: re.Match) -> str:
        name = match[1]
        if name.startswith("explorer "):
            return explorer_html(name.split()[1])
        return values[name]

    return re.sub(r"@@([\w ]+)@@", value, text)


def functions() -> list[str]:
    """The public functions of the package, in the order of their names."""
    import gradlab

    return [name for name in gradlab.__all__ if inspect.isfunction(getattr(gradlab, name))]


def example() -> re.Match[str]:
    """The README's example (``code``) and what it prints (``output``)."""
    match = refresh_readme.EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if match is None:
        raise SiteError("README.md has no example between its marks: see refresh_readme.py")
    return match


def linked(text: str, address: set_address.Address) -> str:
    """Links of a text in notebooks/ as the pages have them: to pages, or to the repository."""
    text = text.replace("](GLOSSARY.md", f"]({GLOSSARY}").replace("](README.md", f"]({GUIDE}")
    return text.replace("](../", f"]({address.repository}/blob/main/")


def lite(name: str) -> str:
    """Where JupyterLite opens a notebook."""
    return f"lite/notebooks/index.html?path={name}"


def picture_html(source: str, alt: str, width: int, eager: bool = False) -> str:
    """A picture of the course: it shrinks with the page, and keeps its room until it is there."""
    data = (PAGES / source).read_bytes()
    pixels = [int.from_bytes(data[start : start + 4], "big") for start in (16, 20)]  # of its IHDR
    height = round(width * pixels[1] / pixels[0])
    late = "" if eager else ' loading="lazy" decoding="async"'
    return (
        f'<img class="picture" src="{source}" alt="{html.escape(alt)}" '
        f'width="{width}" height="{height}"{late}>'
    )


# -------------------------------------------------------------------------------- the notebooks


def notebook_page(
    notebook: nbformat.NotebookNode, name: str, address: set_address.Address
) -> nbformat.NotebookNode:
    """A copy of a notebook, made for the page: alt texts, links, folds, explorers, doors."""
    for cell in notebook.cells:
        tags = cell.metadata.setdefault("tags", [])
        if cell.id == "setup":
            tags.append("remove-cell")
        if cell.cell_type == "markdown":
            source = BADGE.sub(lambda _: open_bar(name, address), cell.source)
            cell.source = linked(source, address)
            continue
        explorer = EXPLORER.match(last_line(cell.source))
        if explorer:
            tags.append("remove-input")
            cell.outputs = [html_output(explorer_html(explorer[1]))]
            continue
        if "answer" in tags:
            tags.append("hide-output")
            cell.metadata["mystnb"] = {
                "code_prompt_show": "Your guess first. Then: what came out",
                "code_prompt_hide": "What came out",
            }
        cell.outputs = list(shown_outputs(cell.outputs))
    return notebook


def last_line(source: str) -> str:
    return source.strip().rpartition("\n")[2]


def shown_outputs(outputs: list[nbformat.NotebookNode]) -> Iterator[nbformat.NotebookNode]:
    """Outputs with pictures that have their alt text, and without the line that stood in for it."""
    for output in outputs:
        data = output.get("data", {})
        if "image/png" in data:
            picture = base64.b64decode(data["image/png"])
            source = f"_static/pictures/{hashlib.sha256(picture).hexdigest()[:16]}.png"
            (PAGES / source).write_bytes(picture)
            about = output.metadata["image/png"]
            yield html_output(picture_html(source, about["alt"], about["width"]))
        elif UNSEEN not in data.get("text/html", ""):
            yield output


def html_output(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_output("display_data", {"text/html": text})


def open_bar(name: str, address: set_address.Address) -> str:
    """The three ways to run a notebook, in place of its badge."""
    colab = f"https://colab.research.google.com/github/{address.slug}/blob/main/notebooks/{name}"
    return (
        f'<p class="open"><span>Run this notebook:</span> '
        f'<a class="needs-server" href="{lite(name)}">here, in the browser</a> '
        f'<a href="{colab}">in Colab</a> '
        f'<a href="notebooks/{name}" download>download it</a></p>'
    )


# -------------------------------------------------------------------------------- the explorers


def explorer_places() -> dict[str, list[tuple[str, str]]]:
    """For every explorer the notebooks that show it, as (file name, title)."""
    places: dict[str, list[tuple[str, str]]] = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.split("\n")[0].lstrip("# ")
        for cell in notebook.cells:
            match = cell.cell_type == "code" and EXPLORER.match(last_line(cell.source))
            if match:
                places.setdefault(match[1], []).append((path.name, title))
    return places


def explorer_html(name: str) -> str:
    """The place of an explorer in a page: its data are fetched when it comes into sight."""
    short = name.removesuffix("_explorer")
    return (
        f'<div class="explorer" data-explorer="{short}"><p class="explorer-waiting">'
        "The explorer needs JavaScript.</p></div>"
    )


def page_of(name: str) -> str:
    return f"explorer-{name.removesuffix('_explorer')}"


def first_sentence(name: str) -> str:
    """What one sees with an explorer, from its docstring."""
    import gradlab

    return inspect.getdoc(getattr(gradlab.explorers, name)).split("\n")[0]


def explorer_title(name: str) -> str:
    module = importlib.import_module(
        getattr(importlib.import_module("gradlab.explorers"), name).__module__
    )
    said = inspect.getdoc(module).split("\n")[0]
    title = said.partition(":")[0].removeprefix("The explorer of ")
    return title[0].upper() + title[1:]


def explorer_page(name: str, places: list[tuple[str, str]]) -> str:
    where = ", ".join(f"[{title}]({file})" for file, title in places)
    return (
        f"---\norphan: true\n---\n\n# {explorer_title(name)}\n\n{first_sentence(name)}\n\n"
        f"{explorer_html(name)}\n\nIts story is told in {where}.\n"
        "[All explorers](explorers.md)\n"
    )


def explorer_list(places: dict[str, list[tuple[str, str]]]) -> str:
    return "\n\n".join(
        f"**[{explorer_title(name)}]({page_of(name)}.md)**. {first_sentence(name)}"
        for name in places
    )


def doors() -> str:
    """The three ways into the course, as links that fill their boxes."""
    offered = (
        (
            f"{NOTEBOOKS[0].stem}.html",
            "Learn",
            "Begin with the two suspects. "
            f"{len(NOTEBOOKS)} notebooks, an hour or so each, from the chain rule to code that you "
            "did not write.",
        ),
        (
            "guide.html",
            "Teach",
            "Plans for an hour, half a day and two weeks; what each exercise "
            "shows; bugs to hand out and to mark.",
        ),
        (
            "check.html",
            "Check your own",
            "You have a gradient to trust by tonight. Paste it in, and read the verdict.",
        ),
    )
    boxes = "".join(
        f'<a class="door" href="{target}"><strong>{title}</strong><span>{text}</span></a>'
        for target, title, text in offered
    )
    return f'<div class="doors">{boxes}</div>'


def take_away(files: Sequence[str]) -> str:
    """What can be taken along: a line with links, or nothing."""
    names = {site_pdf.PDF: "the whole course as a PDF", ZIP: "this site for a folder, offline"}
    links = [f'<a href="{file}" download>{names[file]}</a>' for file in files]
    return f'<p class="open">To take along: {" ".join(links)}</p>' if links else ""


# ------------------------------------------------------------------------------------ the build


def install_npm() -> None:
    """KaTeX (and axe-core, for the tests), once: ``package.json`` says which."""
    if not shutil.which("npm"):
        raise SiteError("Node with npm is missing: the formulas are set with KaTeX")
    wanted = (SOURCES / "package.json").read_text(encoding="utf-8")
    stored = NPM / "package.json"
    if stored.exists() and stored.read_text(encoding="utf-8") == wanted and (NPM / "done").exists():
        return
    NPM.mkdir(parents=True, exist_ok=True)
    stored.write_text(wanted, encoding="utf-8")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    subprocess.run(command, cwd=NPM, check=True, stdout=subprocess.DEVNULL)
    (NPM / "done").touch()


def sphinx(address: set_address.Address) -> None:
    """Run Sphinx; a warning is an error."""
    import os

    environment = {
        **os.environ,
        "GRADLAB_KATEX": str(NPM / "node_modules" / "katex"),
        "GRADLAB_SITE_ADDRESS": address.site,
    }
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-d", str(BUILD / "site-doctrees"), str(PAGES), str(SITE)]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise SiteError("Sphinx has something to say, above; the build allows no warning")
    for path in SITE.glob("*.html"):
        path.write_text(mended(path.read_text(encoding="utf-8")), encoding="utf-8")


def mended(page: str) -> str:
    """A page of Sphinx without what a screen reader would stumble over."""
    for wrong, right in MENDED.items():
        page = page.replace(wrong, right)
    return page


def zipped() -> Path:
    """The site as a zip: unpacked into a folder, it works without a server and without a network."""
    target = BUILD / ZIP
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(SITE.rglob("*")):
            if path.is_file() and "lite" not in path.relative_to(SITE).parts:
                archive.write(path, Path("gradlab") / path.relative_to(SITE))
        archive.writestr("gradlab/lite/notebooks/index.html", NEEDS_SERVER)
    shutil.move(target, SITE / ZIP)
    return SITE / ZIP


def build(address: set_address.Address, taken: Sequence[str] = ()) -> None:
    """The pages and the explorers."""
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.rmtree(BUILD / "site-doctrees", ignore_errors=True)
    names = list(explorer_places())
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        data = beside.submit(export_explorers.export_all, names, BUILD / "site-explorers")
        install_npm()
        prepare(address, taken)
        sphinx(address)
        data.result()
    (SITE / "_static" / "explorers").mkdir()
    for path in (BUILD / "site-explorers").glob("*.js"):
        shutil.copy(path, SITE / "_static" / "explorers")
    (SITE / "notebooks").mkdir()
    for path in NOTEBOOKS:
        shutil.copy(path, SITE / "notebooks")
    (SITE / ".nojekyll").touch()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lite", action="store_true", help="JupyterLite, under lite/")
    parser.add_argument("--lite-pyodide", type=Path, metavar="DIR", help="with the Pyodide in DIR")
    parser.add_argument("--pdf", action="store_true", help="the whole course as gradlab.pdf")
    parser.add_argument("--zip", action="store_true", help="the site for a folder, offline")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        address = set_address.current_address()
        taken = [file for file, made in ((site_pdf.PDF, options.pdf), (ZIP, options.zip)) if made]
        build(address, taken)
        if options.pdf:
            site_pdf.make(SITE, address.site)
        if options.zip:
            zipped()
        if options.lite or options.lite_pyodide:
            build_lite.build(SITE, example()["code"], address, options.lite_pyodide)
    except (SiteError, subprocess.CalledProcessError) as error:
        print(f"build_site: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{SITE}: {size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
