"""The whole course as one PDF, printed by Chromium from the pages of the built site.

The notebooks follow one another in one page, with their outline as bookmarks and their links
leading to one another. What is folded on the site, hints, solutions and what answers a guess,
stands at the end, where nobody reads it by accident, with links there and back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bs4 import BeautifulSoup, Tag

PDF = "gradlab.pdf"
STYLE = """
body { font: 10.5pt/1.45 sans-serif; color: #000; background: #fff; }
h1 { break-before: page; font-size: 22pt; }
section.cover h1 { break-before: avoid; font-size: 30pt; margin-top: 20vh; }
h2, h3, summary { break-after: avoid; }
pre { white-space: pre-wrap; font-size: 8.5pt; background: #f5f5f5; padding: 0.6em; }
img.picture { max-width: 100%; height: auto; }
.headerlink, .open, .copybtn, .explorer-controls { display: none !important; }
.explorer, img.picture, tr { break-inside: avoid; }
table { border-collapse: collapse; } td, th { padding: 0.2em 0.6em; text-align: left; }
"""


def browser_path() -> str:
    """The Chromium to print with.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("GRADLAB_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise RuntimeError("there is no Chromium to print with: set GRADLAB_CHROMIUM to its path")
    return found


def make(site: Path, address: str) -> Path:
    """Print the course into ``site``; links that lead out of it go to the site at ``address``."""
    from playwright.sync_api import sync_playwright

    page = site / "course.html"
    page.write_text(str(one_page(site, address)), encoding="utf-8")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
            )
            tab = browser.new_page(viewport={"width": 800, "height": 1100})
            tab.goto(page.as_uri())
            tab.evaluate(
                """async () => {
                    for (const place of document.querySelectorAll('.explorer')) {
                        place.scrollIntoView();
                        while (!place.explorer) await new Promise(done => setTimeout(done, 50));
                    }
                    await Promise.all([...document.images].map(image => image.decode()));
                    await document.fonts.ready;
                }"""
            )
            tab.pdf(
                path=site / PDF,
                format="A4",
                print_background=True,
                outline=True,
                tagged=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template='<span style="font-size:8px;margin:auto" class="pageNumber"></span>',
                margin={"top": "16mm", "bottom": "18mm", "left": "17mm", "right": "17mm"},
            )
            browser.close()
    finally:
        page.unlink()
    return site / PDF


def one_page(site: Path, address: str) -> BeautifulSoup:
    """All pages of the course in one, with what is folded at its end."""
    stems = [path.stem for path in sorted(site.glob("[0-9]*.html"))] + ["glossary"]
    document = BeautifulSoup(
        '<!doctype html><html lang="en" data-content_root="./"><head><meta charset="utf-8">'
        "<title>gradlab: a course on gradient checking</title></head>"
        '<body data-theme="light"><main></main></body></html>',
        "html.parser",
    )
    for sheet in ("_static/katex/katex.min.css", "_static/pygments.css", "_static/site.css"):
        document.head.append(document.new_tag("link", rel="stylesheet", href=sheet))
    style = document.new_tag("style")
    style.string = STYLE
    document.head.append(style)
    script = document.new_tag("script", src="_static/explorers.js", defer="defer")
    document.head.append(script)
    main = document.main
    cover = BeautifulSoup(
        '<section class="cover"><h1>How do you know that a gradient is right?</h1>'
        f'<p>The course, to read and to print. Alive it is at <a href="{address}">{address}</a>.</p>'
        "</section>",
        "html.parser",
    )
    main.append(cover)
    folded: list[tuple[str, Tag]] = []
    for stem in stems:
        soup = BeautifulSoup((site / f"{stem}.html").read_text(encoding="utf-8"), "html.parser")
        article = soup.find(id="furo-main-content")
        assert isinstance(article, Tag)
        title = article.find("h1").get_text().removesuffix("#").strip()
        lead_inside(article, stem, stems, address)
        for number, fold in enumerate(article.find_all("details")):
            summary = fold.find("summary")
            closed = summary.select_one(".collapsed") or summary  # what is said while it is folded
            words = closed.get_text(" ", strip=True)
            mark = f"{stem}--fold-{number}"
            here = document.new_tag("a", href=f"#{mark}", id=f"{mark}-here")
            here.string = f"{words} (at the end)"
            line = document.new_tag("p")
            line.append(here)
            fold.replace_with(line)
            summary.name = "p"
            fold.name, fold["id"] = "div", mark
            back = document.new_tag("a", href=f"#{mark}-here")
            back.string = words
            summary.clear()
            summary.append(back)
            folded.append((title, fold))
        main.append(article)
    heading = document.new_tag("h1")
    heading.string = "What was folded"
    main.append(heading)
    previous = ""
    for title, fold in folded:
        if title != previous:
            below = document.new_tag("h2")
            below.string = previous = title
            main.append(below)
        main.append(fold)
    for image in main.find_all("img"):
        image.attrs.pop("loading", None)
        image.attrs.pop("decoding", None)
    return document


def lead_inside(article: Tag, stem: str, stems: list[str], address: str) -> None:
    """Give every anchor the name of its page, and lead the links between pages to them."""
    for element in article.find_all(id=True):
        element["id"] = f"{stem}--{element['id']}"
    article["id"] = stem
    for link in article.find_all("a", href=True):
        target = link["href"]
        if "://" in target or target.startswith("mailto:"):
            continue
        page, _, anchor = target.partition("#")
        page = page.removesuffix(".html") or stem
        if page in stems:
            link["href"] = f"#{page}--{anchor}" if anchor else f"#{page}"
        else:
            link["href"] = address + target
