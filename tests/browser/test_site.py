"""The built site: links, pictures, explorers, and every page in a real browser.

``python tests/tools/build_site.py --pdf --zip`` makes what is tested here.
"""

from __future__ import annotations

import re
import zipfile
from functools import lru_cache

import export_explorers
import lab
import numpy as np
import pytest
import site_pdf
from bs4 import BeautifulSoup
from site_browser import AXE, BUILD, PAGES, SITE, WIDTHS, Page, served

EXPLORERS = sorted(path.stem for path in (SITE / "_static" / "explorers").glob("*.js"))
STATES = 40  # of each explorer, compared with Python's own
LOOKS = [(width, scheme) for width in WIDTHS for scheme in ("light", "dark")]
# Sphinx makes these pages of links, and a test of links reads them.
MADE = {"genindex", "py-modindex", "search"}


@pytest.fixture(scope="module")
def address():
    assert PAGES, BUILD
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with lab.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def visit(browser, address):
    """Open a page in a way to look at it: (name, width, scheme)."""
    opened = {}

    def visit(name, width="desk", scheme="light"):
        if (width, scheme) not in opened:
            opened[width, scheme] = Page(browser, address, WIDTHS[width], scheme)
        page = opened[width, scheme]
        page.complaints.clear()
        page.abroad.clear()
        return page.open(name)

    yield visit
    for page in opened.values():
        page.close()


@lru_cache
def soup(name):
    return BeautifulSoup((SITE / name).read_text(encoding="utf-8"), "html.parser")


# -------------------------------------------------------------------------------------- pages


def test_there_is_a_page_for_every_notebook_and_text():
    notebooks = {path.stem for path in lab.NOTEBOOKS}
    assert notebooks | {"index", "glossary", "guide", "check", "api", "accessibility"} <= {*PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    lost = []
    for element in soup(f"{name}.html").find_all(["a", "link", "script", "img"]):
        target = element.get("href") or element.get("src")
        if not target or re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = path.partition("?")[0] or f"{name}.html"
        if path.startswith("lite/") and not (SITE / "lite").exists():
            continue
        if not (SITE / path).is_file():
            lost.append(target)
        elif anchor and path.endswith(".html") and not soup(path).find(id=anchor):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("name", sorted({*PAGES} - MADE))
def test_every_picture_says_what_it_shows(name):
    pictures = soup(f"{name}.html").find(id="furo-main-content").find_all("img")
    said = [image.get("alt") for image in pictures if not image.get("aria-hidden")]
    assert [alt for alt in said if alt is None or (alt and len(alt) < 20)] == []
    if name in {path.stem for path in lab.NOTEBOOKS}:
        assert said and all(said)


@pytest.mark.parametrize("name", sorted(path.stem for path in lab.NOTEBOOKS))
def test_a_notebook_hides_its_setup_and_its_answers(name):
    page = soup(f"{name}.html")
    assert "gradlab.paraboloid  # an unrelated package" not in page.get_text()
    for fold in page.find_all("details"):
        assert not fold.has_attr("open")
    notebook = next(path for path in lab.NOTEBOOKS if path.stem == name)
    answers = notebook.read_text(encoding="utf-8").count('"answer"\n')
    assert len(page.select("div.tag_hide-output details")) == answers


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound(name, width, scheme, visit, screenshots):
    page = visit(name, width, scheme)
    assert page.complaints == []
    assert page.abroad == []
    wide = page.tab.evaluate("document.documentElement.scrollWidth")
    assert wide <= WIDTHS[width], f"{wide} pixels wide"
    page.tab.screenshot(path=screenshots / f"site-{name}-{width}-{scheme}.png", full_page=True)
    if (width == "phone") != (scheme == "light"):
        return  # each page is judged once in light and once in dark, at the one width and the other
    page.tab.add_script_tag(path=AXE)
    # What is folded is judged as well: it is unfolded first.
    found = page.tab.evaluate(
        """async () => {
            for (const fold of document.querySelectorAll('details')) fold.open = true;
            const {violations} = await axe.run(document, {
                runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
            });
            return violations.map(v => `${v.id}: ${v.nodes.slice(0, 3).map(n => n.html).join(' ')}`);
        }"""
    )
    assert found == []


def test_the_search_finds_a_word(visit):
    page = visit("index")
    page.tab.goto(f"{page.address}search.html?q=truncation")
    page.tab.wait_for_selector("ul.search li a", timeout=20_000)
    assert page.abroad == []


# ---------------------------------------------------------------------------------- explorers


def test_every_explorer_of_the_package_is_on_the_site():
    from gradlab import explorers

    assert {f"{name}_explorer" for name in EXPLORERS} == {
        name for name in explorers.__all__ if name.endswith("_explorer")
    }


@lru_cache
def pythons_own(name):
    """The explorer in Python, its controls as the page has them, and what it says and shows."""
    from gradlab import explorers

    explorer = getattr(explorers, f"{name}_explorer")()
    dials = [
        export_explorers.dial(key, control, export_explorers.KEPT.get((name, key)))
        for key, control in explorer.controls.items()
    ]
    return dials, export_explorers.Witness(explorer)


@pytest.mark.parametrize("name", EXPLORERS)
def test_words_and_numbers_are_pythons_own(name, visit):
    page = visit(f"explorer-{name}")
    dials, witness = pythons_own(name)
    stream = np.random.RandomState(1)
    for _ in range(STATES):
        state = [int(stream.randint(len(one.values))) for one in dials]
        values = {one.name: one.values[i] for one, i in zip(dials, state, strict=True)}
        expected = {key: leaf for key, leaf in witness(values).items() if leaf is not None}
        words, leaves = page.tab.evaluate(
            """state => {
                const place = document.querySelector('.explorer'), explorer = place.explorer;
                state.forEach((value, i) => explorer.set(i, value));
                return [place.querySelector('[role=status]').textContent, explorer.leaves];
            }""",
            state,
        )
        said = {key: tuple(v) if isinstance(v, list) else v for key, v in leaves.items()}
        assert {key: said.get(key) for key in expected} == expected, values
        assert words == witness.scene.update(**values), values


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_has_a_name_and_answers_the_keyboard(name, visit):
    page = visit(f"explorer-{name}", "phone").tab
    box = page.query_selector(".explorer")

    def seen():
        return box.evaluate(
            "e => [e.querySelector('svg').outerHTML, e.querySelector('[role=status]').textContent]"
        )

    controls = box.query_selector_all("input, select, .explorer-button button")
    assert len(controls) == len(pythons_own(name)[0])
    for control in controls:
        label = control.evaluate("e => e.labels?.[0]?.textContent || e.textContent")
        assert label.strip()
        kind = control.evaluate("e => e.type")
        keys = {"range": ("ArrowRight", "ArrowLeft"), "select-one": ("ArrowDown", "ArrowUp")}
        moved = False
        for key in keys.get(kind, ("Space", "Space")):
            before = seen()
            control.focus()
            page.keyboard.press(key)
            after = seen()
            moved |= before != after
            if kind == "range":
                spoken = control.get_attribute("aria-valuetext")
                shown = control.evaluate(
                    "e => e.parentNode.querySelector('.explorer-value').textContent"
                )
                assert spoken == shown
        assert moved, f"{label}: neither picture nor words change"


def test_the_player_plays_and_stops(visit):
    page = visit("explorer-training").tab
    button = page.get_by_role("button", name="Play")
    slider = page.locator(".explorer input[type=range]").first
    slider.evaluate("e => { e.value = 0; e.dispatchEvent(new Event('input')); }")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.explorer input').value > 2")
    page.keyboard.press("Enter")
    stopped = slider.input_value()
    page.wait_for_timeout(500)
    assert slider.input_value() == stopped


# --------------------------------------------------------------------------- what is taken along


def test_the_pdf_has_the_pictures_the_formulas_and_the_outline():
    from pypdf import PdfReader

    reader = PdfReader(SITE / site_pdf.PDF)
    text = "\n".join(page.extract_text() for page in reader.pages)
    pictures = sum(len(page.images) for page in reader.pages)
    shown = sum(
        len(soup(f"{path.stem}.html").find(id="furo-main-content").find_all("img"))
        for path in lab.NOTEBOOKS
    )
    assert pictures >= shown
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in reader.pages
        for font in (page["/Resources"].get("/Font") or {}).values()
    }
    assert any("KaTeX_Math" in font for font in fonts)
    assert not re.search(r"\\(?:frac|sum|partial|hat)\b", text)
    # Where a heading goes on in another line, Chromium leaves out the space.
    titles = {
        "".join(entry.title.split()) for entry in reader.outline if not isinstance(entry, list)
    }
    for path in lab.NOTEBOOKS:
        heading = soup(f"{path.stem}.html").find("h1").get_text().rstrip("#")
        assert "".join(heading.split()) in titles


def test_the_zip_works_from_a_folder(browser, tmp_path):
    (archive,) = SITE.glob("*.zip")
    zipfile.ZipFile(archive).extractall(tmp_path)
    page = Page(browser, (tmp_path / "gradlab").as_uri() + "/")
    for name in ("index", lab.NOTEBOOKS[-1].stem):
        page.open(name)
        assert page.complaints == [] and page.abroad == []
    page.open("index")
    before = page.tab.inner_text(".explorer [role=status]")
    page.tab.focus(".explorer input")
    page.tab.keyboard.press("ArrowLeft")
    assert page.tab.inner_text(".explorer [role=status]") != before
    assert not page.tab.is_visible(".needs-server >> nth=0")
    page.close()
