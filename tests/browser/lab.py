"""A real JupyterLab in a real browser, driven from Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))

CHROMIUM = os.environ.get("GRADLAB_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}
TOKEN = "browser-tests"
BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'


def why_not() -> str:
    """Why there is no browser to drive, or an empty string."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install -e '.[browser]'"
    try:
        import jupyterlab  # noqa: F401
    except ImportError:
        return "JupyterLab is not installed: pip install -e '.[browser]'"
    if not Path(CHROMIUM).exists():
        return f"there is no browser at {CHROMIUM}: apt-get install chromium"
    return ""


@contextmanager
def jupyterlab(root: Path):
    """JupyterLab serving ``root``; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = root / ".jupyter"
    settings = home / "labconfig"
    settings.mkdir(parents=True)
    (settings / "default_setting_overrides.json").write_text(json.dumps(SETTINGS))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"]
    command += [f"--IdentityProvider.token={TOKEN}", "--expose-app-in-browser"]
    with open(root / ".jupyter" / "log", "wb") as log:
        server = subprocess.Popen(
            command, env=environment, cwd=root, stdout=log, stderr=log, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/api?token={TOKEN}", server)
            yield address
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address: str, server: subprocess.Popen, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError("JupyterLab did not start")
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not answer within {seconds} s")


@contextmanager
def chromium():
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Notebook:
    """A notebook in a tab of its own."""

    def __init__(self, browser, address: str, name: str):
        self.page = browser.new_page(viewport={"width": 1280, "height": 1000})
        self.complaints: list[str] = []
        # Badges come from elsewhere; the tests need no network.
        self.page.route(
            re.compile(r"^https?://(?!127\.0\.0\.1)"),
            lambda route: route.fulfill(body=BLANK, content_type="image/svg+xml"),
        )
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp?.shell.currentWidget;
                const session = panel?.sessionContext;
                return panel?.content?.model && session?.session?.kernel?.status === 'idle';
            }""",
            timeout=60_000,
        )

    def _note(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    @property
    def cells(self) -> list[dict]:
        """The cells as they would be saved now."""
        return self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON().cells"
        )

    @property
    def errors(self) -> list[str]:
        """What went wrong in the cells: exceptions, and anything on standard error."""
        found = []
        for cell in self.cells:
            for output in cell.get("outputs", []):
                if output["output_type"] == "error":
                    found.append(f"{cell['id']}: {output['ename']}: {output['evalue']}")
                elif output.get("name") == "stderr":
                    found.append(f"{cell['id']}: {output['text']}")
        return found

    def run_all(self, seconds: float = 180) -> None:
        """Run every cell and wait for the last one."""
        self.page.evaluate(
            """async () => {
                await window.jupyterapp.commands.execute('notebook:run-all-cells');
            }""",
        )
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp.shell.currentWidget;
                const idle = panel.sessionContext.session?.kernel?.status === 'idle';
                const waiting = panel.content.widgets.some(
                    cell => cell.model.type === 'code' && cell.prompt === '*');
                return idle && !waiting;
            }""",
            timeout=1000 * seconds,
        )

    def unrun(self, cell: dict) -> bool:
        """Whether a code cell with something in it has not been run."""
        return cell["cell_type"] == "code" and cell["source"] and not cell["execution_count"]

    def run(self, code: str) -> str:
        """Run Python in the notebook's kernel, beside the cells; what it prints."""
        answer = self.page.evaluate(
            """async code => {
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const future = kernel.requestExecute({code, store_history: false});
                const answer = {text: '', error: ''};
                future.onIOPub = message => {
                    const type = message.header.msg_type;
                    if (type === 'stream') answer.text += message.content.text;
                    if (type === 'error') answer.error = message.content.traceback.join('\\n');
                };
                await future.done;
                return answer;
            }""",
            code,
        )
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return answer["text"]

    def ask(self, expression: str) -> object:
        """The value of a Python expression in the notebook's kernel, through JSON."""
        return json.loads(self.run(f"import json as _json; print(_json.dumps({expression}))"))

    def output(self, index: int):
        """The outputs of a cell, as an element of the page."""
        return self.page.evaluate_handle(
            """index => window.jupyterapp.shell.currentWidget.content.widgets[index].node
                .querySelector('.jp-Cell-outputArea')""",
            index,
        ).as_element()

    def pictures(self) -> list[int]:
        """How many pictures that have loaded each cell shows among its outputs."""
        return self.page.evaluate(
            """async () => {
                const cells = window.jupyterapp.shell.currentWidget.content.widgets;
                const counts = [];
                for (const cell of cells) {
                    const images = [...cell.node.querySelectorAll('.jp-Cell-outputArea img')];
                    await Promise.all(images.map(image => image.decode().catch(() => null)));
                    counts.push(images.filter(image => image.naturalWidth > 0).length);
                }
                return counts;
            }"""
        )

    def folded(self) -> list[str]:
        """The cells whose output is folded."""
        return self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === 'code' && cell.outputHidden)
                .map(cell => cell.model.id)"""
        )

    def photograph(self, path: Path) -> None:
        """A picture of the whole notebook, however long it is."""
        height = self.page.evaluate(
            """() => Math.max(...[...document.querySelectorAll('.jp-WindowedPanel-outer')]
                .map(panel => panel.scrollHeight))"""
        )
        self.page.set_viewport_size({"width": 1280, "height": min(height + 150, 16_000)})
        self.page.evaluate(
            "() => document.querySelectorAll('.jp-WindowedPanel-outer').forEach(p => p.scrollTo(0, 0))"
        )
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=path)
        self.page.set_viewport_size({"width": 1280, "height": 1000})

    def close(self) -> None:
        self.page.evaluate(
            "async () => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
        )
        self.page.close()
