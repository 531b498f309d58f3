"""How Sphinx makes the web site; ``python tests/tools/build_site.py`` prepares the pages and calls it.

The theme is furo: search, dark mode, outline, previous and next in 60 kB, where the book theme
brings 2 MB of icons. Formulas are set by KaTeX while the site is built, so that a page carries
only the fonts that it uses and no program.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

HERE = Path(__file__).resolve().parent

project = "gradlab"
author = "the gradlab authors"
copyright = f"%Y, {author}"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["README.md"]
html_theme = "furo"
html_title = "gradlab"
html_static_path = ["_static"]
html_css_files = ["katex/katex.min.css", "site.css"]
html_js_files = [("site.js", {"defer": "defer"}), ("explorers.js", {"defer": "defer"})]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_favicon = "_static/icon.svg"
html_baseurl = os.environ.get("GRADLAB_SITE_ADDRESS", "")
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
# Blue and purple of the course's palette, and their lighter sisters: 4.5:1 on their backgrounds.
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#005a9c",
        "color-brand-content": "#005a9c",
        "color-brand-visited": "#7a3e6b",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7cc4f5",
        "color-brand-content": "#7cc4f5",
        "color-brand-visited": "#d9a5c6",
    },
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
copybutton_selector = "div.cell_input pre, div.highlight-python pre, div.highlight-sh pre"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False


class Formulas:
    """KaTeX in a process of its own, asked for one formula after the other."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.known: dict[tuple[str, bool], str] = {}

    def html(self, tex: str, display: bool) -> str:
        """A formula as HTML for the eye and MathML for the ear.

        Raises
        ------
        ValueError
            If KaTeX does not understand it.
        """
        if (tex, display) not in self.known:
            self.known[tex, display] = self._ask(tex, display)
        return self.known[tex, display]

    def _ask(self, tex: str, display: bool) -> str:
        if self.process is None:
            self.process = subprocess.Popen(
                ["node", str(HERE / "formulas.js")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"tex": tex, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(f"{answer['error']} in {tex!r}")
        return answer["html"]

    def close(self, *_: object) -> None:
        if self.process is not None and self.process.stdin:
            self.process.stdin.close()
            self.process.wait(10)


def setup(app: Sphinx) -> None:
    """Hand every formula to KaTeX, and let wide tables scroll under a keyboard."""
    formulas = Formulas()

    def inline(self: HTML5Translator, node: nodes.math) -> None:
        self.body.append(formulas.html(node.astext(), display=False))
        raise nodes.SkipNode

    def block(self: HTML5Translator, node: nodes.math_block) -> None:
        formula = formulas.html(node.astext(), display=True)
        self.body.append(f'<div class="formula" tabindex="0">{formula}</div>\n')
        raise nodes.SkipNode

    app.add_html_math_renderer("katex", (inline, None), (block, None))
    app.config.html_math_renderer = "katex"
    app.connect("build-finished", formulas.close)
