"""What the web site is made with: pages from notebooks, explorers as tables, JupyterLite's copies."""

from __future__ import annotations

import itertools
import re

import build_lite
import build_site
import export_explorers
import ipywidgets as widgets
import nbformat
import numpy as np
import pytest
import set_address
from conftest import ROOT

ADDRESS = set_address.current_address()


def numbers_of(letters: str) -> list[int]:
    """``export_explorers.packed`` backwards, as the page's renderer does it."""
    found, value, weight = [], 0, 1
    for letter in letters:
        digit = 57 if letter == "!" else ord(letter) - 35
        value += digit % 46 * weight
        weight *= 46
        if digit < 46:
            found.append(-(value + 1) // 2 if value % 2 else value // 2)
            value, weight = 0, 1
    return found


# ---------------------------------------------------------------------------------- explorers


def test_packed_numbers_come_back():
    numbers = [0, 1, -1, 22, 23, -23, -24, 1057, 1058, -30_000, 123_456, 57, -29]
    letters = export_explorers.packed(numbers)
    assert numbers_of(letters) == numbers
    assert "\\" not in letters and '"' not in letters


@pytest.mark.parametrize("mode", ["r", "c", "b"])
def test_curves_are_written_as_differences(mode):
    curves = [(5, 7, 9), (6, 8, 9), (-4, 0, 1)]
    lengths, body = export_explorers.coded(curves)[mode]
    assert np.cumsum(numbers_of(lengths)).tolist() == [3, 3, 3]
    steps = np.array(numbers_of(body))
    block = {
        "r": lambda: np.cumsum(steps.reshape(3, 3), axis=1),
        "c": lambda: np.cumsum(steps.reshape(3, 3).T, axis=0),
        "b": lambda: np.cumsum(np.cumsum(steps.reshape(3, 3), axis=1), axis=0),
    }[mode]()
    assert block.tolist() == [list(curve) for curve in curves]


def test_a_thinned_curve_stays_within_a_unit():
    x = np.arange(0, 2001, 2)
    y = np.round(1000 + 900 * np.sin(x / 90)).astype(int)
    thin_x, thin_y = export_explorers.thinned(x.tolist(), y.tolist())
    assert len(thin_x) < len(x) / 4
    slope = 900 / 90  # of the steepest part: a unit sideways is so many upwards
    assert np.abs(np.interp(x, thin_x, thin_y) - y).max() <= 1 + slope


def test_a_table_keeps_only_the_controls_that_matter():
    column = [(a, b)[0] for a, b in itertools.product("pqr", "xy")]
    table = export_explorers.Table.of(column, (3, 2))
    assert table.axes == (0,)
    assert [table.at((i, j)) for i in range(3) for j in range(2)] == column


def test_tables_say_what_the_explorer_says_for_every_state():
    dials = [
        export_explorers.Dial("step", "slider", "step", list(range(9)), list("012345678"), 0),
        export_explorers.Dial("loud", "tick", "loud", [False, True], [], 0),
        export_explorers.Dial("seed", "slider", "seed", list(range(7)), list("0123456"), 0),
        export_explorers.Dial("open", "button", "open", [False, True], [], 0),
    ]

    def witness(values):
        step, seed, loud = values["step"], values["seed"], values["loud"]
        said = {"curve": (step, step**2), "v": int(loud)}
        if values["open"]:
            said["w"] = "one" if (step, seed) == (8, 6) else f"{seed + step}"
        return said

    tables = export_explorers.tabulated(witness, dials)
    for state in itertools.product(range(9), range(2), range(7), range(2)):
        values = {
            one.name: bool(i) if one.switch else one.values[i]
            for one, i in zip(dials, state, strict=True)
        }
        assert {k: v for k, v in tables.at(state).items() if v is not None} == witness(values)


@pytest.mark.parametrize("name", ["secant", "float"])
def test_an_explorer_is_exported_as_it_is(name):
    explorer, tables = export_explorers.exported(f"{name}_explorer")
    witness = export_explorers.Witness(explorer)
    stream = np.random.RandomState(0)
    for _ in range(50):
        state = [int(stream.randint(len(one.values))) for one in tables.dials]
        values = {one.name: one.values[i] for one, i in zip(tables.dials, state, strict=True)}
        said = {key: leaf for key, leaf in tables.at(state).items() if leaf is not None}
        assert said == witness(values)
    about = export_explorers.description(explorer, tables)
    assert about["task"] == explorer.task
    assert {item["kind"] for item in about["items"]} <= {"line", "text", "area"}


def test_a_control_that_the_page_lacks_is_named():
    with pytest.raises(export_explorers.ExportError, match="ColorPicker"):
        export_explorers.dial("colour", widgets.ColorPicker())


@pytest.mark.parametrize(
    ("tex", "letters"),
    [
        (r"$\mathdefault{10^{-12}}$", "10⁻¹²"),
        ("the data:  $x_1^2 + x_2^2$", "the data:  x₁² + x₂²"),
        (r"$\hat y$", "ŷ"),
        ("plain", "plain"),
    ],
)
def test_labels_are_written_in_letters(tex, letters):
    import unicodedata

    assert unicodedata.normalize("NFC", export_explorers.plain(tex)) == letters


def test_a_label_beyond_letters_is_refused():
    with pytest.raises(export_explorers.ExportError, match="frac"):
        export_explorers.plain(r"$\frac{1}{2}$")


# -------------------------------------------------------------------------------------- pages


@pytest.fixture
def pages(tmp_path, monkeypatch):
    (tmp_path / "_static" / "pictures").mkdir(parents=True)
    monkeypatch.setattr(build_site, "PAGES", tmp_path)
    return tmp_path


@pytest.fixture(params=build_site.NOTEBOOKS, ids=lambda path: path.stem)
def stored(request):
    return request.param


def page_of(path):
    return build_site.notebook_page(nbformat.read(path, as_version=4), path.name, ADDRESS)


def test_a_page_shows_every_picture_with_its_words(stored, pages):
    notebook, page = nbformat.read(stored, as_version=4), page_of(stored)
    for before, after in zip(notebook.cells, page.cells, strict=True):
        pictures = [o for o in before.get("outputs", []) if "image/png" in o.get("data", {})]
        shown = "".join(o.get("data", {}).get("text/html", "") for o in after.get("outputs", []))
        if "remove-input" in after.metadata.get("tags", []):
            assert "data-explorer=" in shown
            continue
        assert len(re.findall(r'<img[^>]* alt="[^"]{20,}"', shown)) == len(pictures)
        assert build_site.UNSEEN not in shown


def test_a_page_folds_its_answers_and_leaves_out_the_setup(stored, pages):
    for cell in page_of(stored).cells:
        tags = cell.metadata.get("tags", [])
        assert ("remove-cell" in tags) == (cell.id == "setup")
        if "answer" in tags and "remove-input" not in tags:
            assert "hide-output" in tags


def test_a_page_links_to_pages(stored, pages):
    text = "\n".join(cell.source for cell in page_of(stored).cells if cell.cell_type == "markdown")
    assert "colab-badge" not in text
    assert f'href="notebooks/{stored.name}" download' in text
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    local = {target for target in targets if "://" not in target}
    known = {path.name for path in build_site.NOTEBOOKS} | {"guide.md", "glossary.md"}
    assert local <= known


def test_building_a_page_leaves_the_notebook_alone(stored, pages):
    before = stored.read_bytes()
    page_of(stored)
    assert stored.read_bytes() == before


def test_every_explorer_of_a_notebook_has_a_place():
    called = {
        name
        for path in build_site.NOTEBOOKS
        for name in re.findall(r"explorers\.(\w+_explorer)\(", path.read_text(encoding="utf-8"))
    }
    assert called == set(build_site.explorer_places())
    for name in called:
        assert build_site.explorer_title(name)[0].isupper()
        assert build_site.first_sentence(name).endswith(".")


def test_texts_with_marks_are_filled():
    values = {"a": "1", "b c": "2"}
    assert build_site.filled("@@a@@ and @@b c@@", values) == "1 and 2"
    with pytest.raises(KeyError):
        build_site.filled("@@unknown@@", values)
    sources = {
        path.name: path.read_text(encoding="utf-8") for path in build_site.SOURCES.glob("*.md")
    }
    assert "@@explorer" in sources["index.md"]


# ---------------------------------------------------------------------------------------- lite


def test_jupyterlites_copies_know_where_they_are(stored):
    page = build_lite.for_browser(nbformat.read(stored, as_version=4), ADDRESS)
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    setup = next(cell for cell in code if cell.id == "setup")
    assert "git+https" not in setup.source and "gradlab-course[course]" in setup.source
    for cell in code:
        alive = "\n".join(line for line in cell.source.split("\n") if not line.startswith("#"))
        for pattern in build_lite.CANNOT:
            assert not re.search(pattern, alive, re.MULTILINE)
    assert "colab-badge" not in "".join(cell.source for cell in page.cells)


def test_what_cannot_run_says_so(capsys):
    cell = build_lite.instead("import jax\n\njax.grad", build_lite.CANNOT[r"\brun_pytest\("])
    exec(cell)
    assert "does not run here" in capsys.readouterr().out
    assert "# import jax\n#\n# jax.grad" in cell


def test_the_example_stands_ready():
    notebook = build_lite.own_notebook(build_site.example()["code"])
    nbformat.validate(notebook)
    assert "check_gradients" in notebook.cells[-1].source


# ------------------------------------------------------------------------------------ addresses


def test_the_address_of_the_site_follows_from_the_repository():
    assert set_address.Address("ada/gradlab").site == "https://ada.github.io/gradlab/"
    assert set_address.Address("ada/ada.github.io").site == "https://ada.github.io/"
    text = "See https://ada.github.io/gradlab/guide.html and https://github.com/ada/gradlab"
    moved = set_address.readdress(text, "ada/gradlab", "bob/course")
    assert moved == "See https://bob.github.io/course/guide.html and https://github.com/bob/course"


def test_nothing_of_the_site_is_fetched_from_elsewhere():
    for path in sorted((ROOT / "notebooks" / "site").rglob("*")):
        if path.suffix in (".js", ".css", ".py"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert not re.search(r"https?://", text), path
