"""Every notebook in a real JupyterLab, and every explorer in it under a hand on the keyboard."""

from __future__ import annotations

import re

import nbformat
import pytest
from check_notebooks import output_texts, with_solutions
from lab import NOTEBOOKS

CALL = re.compile(r"explorers\.(\w+_explorer)\(")
PLACES = [
    (path.stem, name)
    for path in NOTEBOOKS
    for cell in nbformat.read(path, as_version=4).cells
    if cell.cell_type == "code"
    for name in CALL.findall(cell.source)
]
NAMES = sorted({path.stem for path in NOTEBOOKS})

# What the kernel says about an explorer: its values, its words, and the picture that a new explorer
# with the same values makes.
WITNESS = """
def _witness(name):
    import gc, hashlib
    from gradlab import explorers
    from gradlab.explorers.frame import Explorer

    make = getattr(explorers, name)
    (live,) = (
        thing
        for thing in gc.get_objects()
        if isinstance(thing, Explorer)
        and type(thing.scene).__module__ == make.__module__
        and not hasattr(thing, "is_witness")
    )
    if name not in _fresh:
        _fresh[name] = make()
        _fresh[name].is_witness = True
    fresh = _fresh[name]
    for key, control in fresh.controls.items():
        control.value = live.controls[key].value
    return [
        [str(control.value) for control in live.controls.values()],
        hashlib.sha256(bytes(fresh.picture.value)).hexdigest(),
        fresh.readout.value,
    ]


_fresh = {}
"""


class LiveExplorer:
    """An explorer in the page, as a learner has it before them."""

    def __init__(self, notebook, name):
        self.notebook, self.name = notebook, name
        index = next(i for i, cell in enumerate(notebook.cells) if f".{name}(" in cell["source"])
        self.box = notebook.output(index).query_selector(".widget-vbox")
        self.box.scroll_into_view_if_needed()
        notebook.run(WITNESS)

    @property
    def controls(self):
        """What is given the focus in each control, in their order; a player is none of them."""
        row = self.box.query_selector(".gradlab-controls")
        found = []
        for control in row.query_selector_all(":scope > *:not(.widget-play)"):
            inner = control.query_selector(".noUi-handle, select, input[type=checkbox]")
            found.append(inner or control)
        return found

    @property
    def seen(self):
        """The picture, as a digest of its bytes, and the words below it, both from the page."""
        return self.box.evaluate(
            """async box => {
                const image = box.querySelector('img');
                const bytes = await (await fetch(image.src)).arrayBuffer();
                const digest = await crypto.subtle.digest('SHA-256', bytes);
                const hex = [...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, '0'));
                return [hex.join(''), box.querySelector('[role=status]').innerHTML];
            }"""
        )

    def settled(self):
        """What the kernel says of its values, and what is seen, when neither changes any more."""
        earlier = None
        for _ in range(100):
            said, seen = self.notebook.ask(f"_witness({self.name!r})"), self.seen
            values, picture, words = said
            if (said, seen) == earlier and seen[0] == picture and seen[1] in words:
                return values, seen
            earlier = said, seen
            self.notebook.page.wait_for_timeout(150)
        assert seen[0] == picture, "the last picture is not the one that these values make"
        assert seen[1] in words, "the words are not those of these values"
        raise AssertionError("it does not come to rest")


@pytest.fixture(scope="module")
def tab(browse, screenshots):
    """The notebook that is open: what it shows as it is opened, and then with all its cells run."""
    opened = {}

    def close():
        for name, notebook in opened.items():
            notebook.photograph(screenshots / f"{name}.png")
            notebook.close()
        opened.clear()

    def turn_to(name):
        if name not in opened:
            close()
            opened[name] = browse(f"{name}.ipynb")
            opened[name].stills = opened[name].pictures()
            opened[name].folded_at_first = opened[name].folded()
            opened[name].run_all()
        return opened[name]

    yield turn_to
    close()


@pytest.fixture
def notebook(request, tab):
    """The notebook named by the parameter; it stays open until a test asks for another one."""
    return tab(request.param)


def with_places(test):
    return pytest.mark.parametrize(
        "notebook, name", PLACES, indirect=["notebook"], ids=[f"{a}-{b}" for a, b in PLACES]
    )(test)


@pytest.mark.parametrize("notebook", NAMES, indirect=True)
def test_every_cell_runs(notebook):
    assert notebook.errors == []
    assert notebook.complaints == []
    assert [cell["id"] for cell in notebook.cells if notebook.unrun(cell)] == []


@pytest.mark.parametrize("notebook", NAMES, indirect=True)
def test_what_answers_a_guess_is_folded_until_it_is_run(notebook):
    answers = [
        cell["id"] for cell in notebook.cells if "answer" in cell["metadata"].get("tags", [])
    ]
    assert notebook.folded_at_first == answers != []
    assert notebook.folded() == []


@with_places
def test_a_freshly_opened_notebook_shows_a_picture(notebook, name):
    (index,) = (i for i, cell in enumerate(notebook.cells) if f".{name}(" in cell["source"])
    answers = "answer" in notebook.cells[index]["metadata"].get("tags", [])
    assert notebook.stills[index] >= (0 if answers else 1)  # an answer is folded at first


@with_places
def test_every_control_answers_the_keyboard(notebook, name, screenshots):
    explorer = LiveExplorer(notebook, name)
    page = notebook.page
    values, before = explorer.settled()
    assert len(explorer.controls) == len(values)
    for number, control in enumerate(explorer.controls):
        for keys in keys_for(control):
            control.focus()
            for key in keys:
                page.keyboard.press(key)
                page.wait_for_timeout(100)
            moved, seen = explorer.settled()
            if moved != values:
                break
        assert [
            i for i, pair in enumerate(zip(values, moved, strict=True)) if len({*pair}) > 1
        ] == [number]
        assert seen[0] != before[0], f"control {number} leaves the picture as it is"
        assert seen[1] != before[1], f"control {number} leaves the words as they are"
        values, before = moved, seen
    explorer.box.screenshot(path=screenshots / f"{name}.png")
    assert notebook.complaints == []


def keys_for(control):
    """The keys that may move a control: the second ones where the first meet the end.

    JupyterLab takes an arrow down for itself until a menu is open; the space bar opens it.
    """
    kind = control.evaluate("e => e.tagName").lower()
    if kind == "div":
        return ["ArrowRight"], ["ArrowLeft"]
    if kind == "select":
        return ["Space", "ArrowDown", "Enter"], ["Space", "ArrowUp", "Enter"]
    return (["Space"],)


@with_places
def test_thirty_fast_presses_end_on_the_right_picture(notebook, name):
    explorer = LiveExplorer(notebook, name)
    slider = next(c for c in explorer.controls if c.get_attribute("role") == "slider")
    low, now, high = (
        round(float(slider.get_attribute(f"aria-value{which}"))) for which in ("min", "now", "max")
    )
    ahead = min(30, high - now)
    slider.focus()
    for number in range(30):
        notebook.page.keyboard.press("ArrowRight" if number < ahead else "ArrowLeft")
    explorer.settled()
    expected = max(low, now + ahead - (30 - ahead))
    assert round(float(slider.get_attribute("aria-valuenow"))) == expected
    assert notebook.complaints == []


@pytest.mark.parametrize(
    "notebook", [place for place, name in PLACES if name == "training_explorer"], indirect=True
)
def test_the_player_moves_the_steps(notebook):
    explorer = LiveExplorer(notebook, "training_explorer")
    values, before = explorer.settled()
    explorer.box.query_selector(".widget-play button").focus()
    notebook.page.keyboard.press("Space")
    notebook.page.wait_for_timeout(1500)
    notebook.page.keyboard.press("Space")
    moved, after = explorer.settled()
    assert moved[0] != values[0]
    assert after[0] != before[0]


@pytest.mark.parametrize("notebook", NAMES)
def test_with_the_solutions_pasted_in_every_exercise_says_it_is_right(notebook, browse, course):
    solved = with_solutions(nbformat.read(course / f"{notebook}.ipynb", as_version=4))
    nbformat.write(solved, course / f"solved_{notebook}.ipynb")
    notebook = browse(f"solved_{notebook}.ipynb")
    try:
        notebook.run_all()
        assert notebook.errors == []
        said = {
            cell["id"]: "".join(output_texts(nbformat.from_dict(cell)))
            for cell in notebook.cells
            if cell["id"].startswith("exercise-")
        }
        assert said
        assert {key: text for key, text in said.items() if not text.startswith("Right")} == {}
    finally:
        notebook.close()
