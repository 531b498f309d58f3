"""Every reference is complete, and the same source is cited in the same words."""

from __future__ import annotations

import re

import nbformat
import pytest
from execute_notebooks import notebook_paths

from gradlab.bugs import CATALOGUE

REPORT = re.compile(r"[\w.-]+/[\w.-]+#\d+")


def references(path):
    notebook = nbformat.read(path, as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.id == "next"]
    return [line[2:] for line in cell.source.splitlines() if line.startswith("- ")]


def faults(reference):
    """What is missing from one line of further reading."""
    if len(REPORT.findall(reference)) > 1:  # a list of reports has no author and no year
        return
    if not re.search(r"\b(19|20)\d\d\b", reference):
        yield "no year"
    if "and others" in reference or "et al" in reference:
        yield "not all authors"
    if not re.match(r"[^\"*]+, [\"*]", reference):
        yield "no author before a title in quotes or italics"
    if not re.search(r"\*[^*]+\*|arXiv:\d{4}\.\d{4,5}|Medium|technical report", reference):
        yield "nothing says where it appeared"
    without_links = re.sub(r"\[doi:[^\]]+\]\([^)]+\)|\]\([^)]+\)|CMU-CS-88-162", "", reference)
    if re.search(r"\d-\d", without_links):
        yield "a hyphen in a range of pages"


def title(reference):
    found = re.search(r"\"([^\"]+)\"|\*([^*]+)\*", reference)
    return (found[1] or found[2]).lower()


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda path: path.stem)
def test_every_reference_is_complete(path):
    assert references(path)
    assert [(line, list(faults(line))) for line in references(path) if list(faults(line))] == []


@pytest.mark.parametrize(
    "reference, fault",
    [
        ('Jane Roe, "A title", *Journal* 3 (1), pages 1–2. Why.', "no year"),
        ('Jane Roe and others, "A title", *Journal* 3 (1), 2001. Why.', "not all authors"),
        ('"A title", *Journal* 3, 2001. Why.', "no author before a title in quotes or italics"),
        ('Jane Roe, "A title", 2001. Why.', "nothing says where it appeared"),
        ('Jane Roe, "A title", *Journal* 3, 2001, pages 1-2. Why.', "a hyphen in a range of pages"),
    ],
)
def test_an_incomplete_reference_is_found(reference, fault):
    assert list(faults(reference)) == [fault]


def test_the_same_source_is_cited_in_the_same_words():
    cited = {}
    for path in notebook_paths():
        for line in references(path):
            if len(REPORT.findall(line)) <= 1:
                cited.setdefault(title(line), set()).add(line)
    assert [lines for lines in cited.values() if len(lines) > 1] == []


def test_a_number_of_a_report_stands_with_its_repository():
    for bug in CATALOGUE.values():
        assert "#" not in REPORT.sub("", bug.reported), bug.reported
