// What every page needs: folds that a link or a search leads into open, and no dead doors offline.
"use strict";
(() => {
  // JupyterLite needs a server; in a folder on a disk its links lead nowhere.
  if (location.protocol === "file:") document.documentElement.classList.add("without-server");

  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  }
  addEventListener("hashchange", unfold);
  unfold();

  // What scrolls sideways must be reachable by keyboard.
  for (const box of document.querySelectorAll("div.highlight pre, div.cell_output, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
})();
