"""The built site behind a server of its own, and pages of it in a browser."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lab

SITE = lab.ROOT / "build" / "site"
AXE = lab.ROOT / "build" / "site-npm" / "node_modules" / "axe-core" / "axe.min.js"
BUILD = "build the site first: python tests/tools/build_site.py"
PAGES = sorted(path.stem for path in SITE.glob("*.html"))
WIDTHS = {"phone": 390, "desk": 1280}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):  # a page that was left while it loaded
            self.close_connection = True


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server for a folder, with a slash at its end."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Page:
    """A page of the site in a tab, and what is wrong with it."""

    def __init__(self, browser, address: str, width: int = 1280, scheme: str = "light"):
        self.address = address
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.abroad: list[str] = []
        self.tab.on("console", self._note)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", self._asked)

    def _note(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.abroad.append(request.url)

    def open(self, name: str) -> Page:
        """Open a page, scroll through it, and wait for its explorers and pictures."""
        self.tab.goto(f"{self.address}{name}.html")
        self.tab.evaluate(
            """async () => {
                for (const image of document.images) image.loading = 'eager';
                for (const place of document.querySelectorAll('.explorer')) {
                    place.scrollIntoView();
                    for (let i = 0; i < 400 && !place.explorer; i++)
                        await new Promise(done => setTimeout(done, 50));
                }
                await Promise.all([...document.images].map(image => image.decode()));
                scrollTo(0, 0);
            }"""
        )
        return self

    def close(self) -> None:
        self.context.close()
