"""All notebooks in JupyterLite, in a browser without a network, on a Pyodide beside the pages.

``python tests/tools/build_site.py --lite-pyodide DIR`` makes what is tested here.
"""

from __future__ import annotations

import build_lite
import lab
import nbformat
import pytest
from site_browser import SITE, Page, served

NAMES = [*(path.name for path in lab.NOTEBOOKS), build_lite.OWN]
SECONDS = 900  # a notebook on two busy cores; it ends as soon as it is done
READY = """() => {
    const panel = window.jupyterapp?.shell.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    return panel?.content?.model && kernel?.status === 'idle';
}"""
SETTLED = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const waiting = panel.content.widgets.some(c => c.model.type === 'code' && c.prompt === '*');
    return window.allRun && !waiting && panel.sessionContext.session?.kernel?.status === 'idle';
}"""
CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"


@pytest.fixture(scope="module")
def address():
    assert (SITE / "lite").exists(), "build it first: build_site.py --lite-pyodide DIR"
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with lab.chromium() as browser:
        yield browser


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs(name, browser, address, screenshots):
    page = Page(browser, address)
    try:
        page.tab.goto(f"{address}lite/lab/index.html?path={name}")
        page.tab.wait_for_function(READY, timeout=1000 * SECONDS)
        page.tab.evaluate(
            """() => {
                window.allRun = false;
                window.jupyterapp.commands.execute('notebook:run-all-cells')
                    .then(() => { window.allRun = true; });
            }"""
        )
        page.tab.wait_for_function(SETTLED, timeout=1000 * SECONDS)
        cells = nbformat.from_dict(page.tab.evaluate(CELLS))
        page.tab.screenshot(path=screenshots / f"lite-{name}.png")
        wrong = [
            (cell.id, output.get("evalue") or output.get("text"))
            for cell in cells
            for output in cell.get("outputs", [])
            if output.output_type == "error" or output.get("name") == "stderr"
        ]
        assert wrong == []
        assert page.abroad == []
        if any("explorers." in cell.source for cell in cells if cell.cell_type == "code"):
            move_a_slider(page.tab)
        if name == build_lite.OWN:
            said = "".join(output.text for output in cells[-1].outputs)
            assert "wrong: c" in said
    finally:
        page.close()


def move_a_slider(tab) -> None:
    """Press a key on the first slider of the first explorer: there must be another picture."""
    tab.evaluate(
        """async () => {
            const notebook = window.jupyterapp.shell.currentWidget.content;
            const at = notebook.widgets.findIndex(
                c => c.model.type === 'code' && /explorers\\.\\w+\\(\\)/.test(
                    c.model.sharedModel.source));
            notebook.activeCellIndex = at;
            await notebook.scrollToItem(at, 'start');
        }"""
    )
    handle = tab.locator(".widget-vbox .noUi-handle:visible").first
    handle.wait_for(timeout=60_000)
    before = tab.locator(".widget-vbox img:visible").first.get_attribute("src")
    handle.focus()
    for key in ("ArrowRight", "ArrowLeft"):  # one of them is not at the end
        tab.keyboard.press(key)
        tab.wait_for_timeout(1500)
        if tab.locator(".widget-vbox img:visible").first.get_attribute("src") != before:
            return
    raise AssertionError("the slider does not move the picture")
