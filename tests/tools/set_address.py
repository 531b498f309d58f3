"""Write the repository's address into every badge, link and Colab cell of the course.

    python tests/tools/set_address.py https://github.com/OWNER/REPO   a new address, or a fork's
    python tests/tools/set_address.py                                 the present one, once more

The address stands in one place, ``[project.urls]`` of pyproject.toml; everything else is a copy.
The first code cell of every notebook, which installs the package on Colab, is written here too.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
TEXT_FILES = ("pyproject.toml", "README.md", "CITATION.cff", "CHANGELOG.md", "notebooks/README.md")

SETUP_CELL = '''\
# Colab needs this cell. Where the course's package is installed already, it does nothing.
try:
    import gradlab

    gradlab.paraboloid  # an unrelated package of the same name does not have it
except (ImportError, AttributeError):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "gradlab"]:
        del sys.modules[name]
    %pip uninstall -qqy gradlab
    %pip install -q "gradlab-course[course] @ git+https://github.com/{slug}@main"'''

FOLDED = {"jupyter": {"source_hidden": True}}  # JupyterLab then shows its first line alone


@dataclass(frozen=True)
class Address:
    """Where the course is: its repository and its web site, from ``OWNER/REPO``."""

    slug: str

    @property
    def repository(self) -> str:
        return f"https://github.com/{self.slug}"

    @property
    def site(self) -> str:
        """Where GitHub Pages publishes the site."""
        owner, repository = self.slug.split("/")
        host = f"{owner}.github.io"
        return (
            f"https://{host}/"
            if repository.lower() == host.lower()
            else f"https://{host}/{repository}/"
        )


def current_address(root: Path = ROOT) -> Address:
    """The address of the course as pyproject.toml has it."""
    return Address(current_slug(root))


def current_slug(root: Path = ROOT) -> str:
    """``OWNER/REPO`` as pyproject.toml has it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return slug_of(project["urls"]["Repository"])


def slug_of(url: str) -> str:
    """``OWNER/REPO`` of a GitHub address.

    Raises
    ------
    ValueError
        If ``url`` is not of the form https://github.com/OWNER/REPO.
    """
    match = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?", url)
    if not match:
        raise ValueError(f"the address must look like https://github.com/OWNER/REPO, not {url!r}")
    return "/".join(match.groups())


def readdress(text: str, old: str, new: str) -> str:
    """``text`` with every link to the repository ``old`` (GitHub, Colab, Binder) led to ``new``."""
    link = (
        rf"(github\.com/|colab\.research\.google\.com/github/|mybinder\.org/v2/gh/){re.escape(old)}"
    )
    text = re.sub(link + r"(?=\.git\b|[^\w.-]|\.\s|$)", lambda match: match[1] + new, text)
    return text.replace(Address(old).site, Address(new).site)


def set_address(root: Path, new: str) -> list[Path]:
    """Write the address ``new`` (``OWNER/REPO``) under ``root``; return the files that changed."""
    old = current_slug(root)
    texts = {path: readdress(path.read_text(encoding="utf-8"), old, new) for path in _texts(root)}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.source = readdress(cell.source, old, new)
        write_setup_cell(notebook, new)
        texts[path] = nbformat.writes(notebook) + "\n"
    changed = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


def write_setup_cell(notebook: nbformat.NotebookNode, slug: str) -> None:
    """Give the notebook's setup cell the text that all of them have."""
    for cell in notebook.cells:
        if cell.id == "setup":
            cell.source = SETUP_CELL.format(slug=slug)
            cell.metadata = nbformat.from_dict(FOLDED)


def _texts(root: Path) -> list[Path]:
    return [root / name for name in TEXT_FILES if (root / name).exists()]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="https://github.com/OWNER/REPO")
    options = parser.parse_args(arguments)
    try:
        slug = slug_of(options.url) if options.url else current_slug()
    except ValueError as error:
        parser.error(str(error))
    for path in set_address(ROOT, slug):
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
