"""What a newcomer installs, types and clicks is what the project says it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import check_notebooks
import nbformat
import pytest
import refresh_readme
import set_address
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from rattler import MatchSpec

from gradlab import validation

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")
EVERYTHING = "@tests/everything"  # the options of a run of all there is, a line each
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
PAGES = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        CONTRIBUTING,
        *(ROOT / "notebooks").glob("*.md"),
    )
    if path.exists()
]


def tracked_texts() -> list[Path]:
    """Every text file of the project; outside a clone, every file that looks like one."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        folders = ("gradlab", "notebooks", "tests")
        paths = [path for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]
    return [path for path in paths if path.exists() and b"\0" not in path.read_bytes()]


# -------------------------------------------------------------------------------- requirements


def from_pyproject() -> dict[str, frozenset[str]]:
    ranges = {}
    for requirement in [*PROJECT["dependencies"], *with_extras("lab"), *with_extras("test")]:
        parsed = Requirement(requirement)
        ranges[parsed.name] = frozenset(map(str, parsed.specifier))
    return ranges


def with_extras(extra: str) -> list[str]:
    """The requirements of an extra, and of the extras that it asks for."""
    extras = PROJECT["optional-dependencies"]
    found = []
    for text in extras[extra]:
        asked = Requirement(text)
        own = asked.name == PROJECT["name"]
        found += sum(map(with_extras, sorted(asked.extras)), []) if own else [text]
    return found


def from_conda(environment: dict) -> dict[str, frozenset[str]]:
    """Names and ranges, as conda's own grammar reads them."""
    ranges = {}
    for spec in environment["dependencies"]:
        if isinstance(spec, str):
            parsed = MatchSpec(spec)
            name = parsed.name if isinstance(parsed.name, str) else parsed.name.normalized
            assert name not in ranges, name
            text = "" if parsed.version is None else str(parsed.version)
            ranges[name] = frozenset(filter(None, text.split(",")))
    assert ranges.pop("pip") == frozenset()
    assert ranges.pop("python")
    return ranges


@pytest.fixture
def environment() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_conda_installs_what_pip_installs(environment):
    assert from_conda(environment) == from_pyproject()
    assert {"pip": ["-e ."]} in environment["dependencies"]


def test_repo2docker_finds_a_python_that_will_do(environment):
    """Its own pattern; of a range such as >=3.11 it makes its default, which was 3.10 in 2026."""
    specs = [spec for spec in environment["dependencies"] if isinstance(spec, str)]
    (named,) = re.findall(r"^python\s*=+\s*([\d\.]+)$", "\n".join(specs), re.MULTILINE)
    assert SpecifierSet(PROJECT["requires-python"]).contains(named)


@pytest.mark.parametrize("spec", ["numpy >=2.1", "numpy", "scipy >=2.0"])
def test_a_drifting_requirement_is_noticed(environment, spec):
    at = environment["dependencies"].index("numpy >=2.0")
    environment["dependencies"][at] = spec
    assert from_conda(environment) != from_pyproject()


def test_the_runtime_needs_little():
    assert [Requirement(text).name for text in PROJECT["dependencies"]] == ["numpy"]
    course = [Requirement(text).name for text in PROJECT["optional-dependencies"]["course"]]
    assert course == list(validation.COURSE)


def test_the_lab_has_what_the_notebooks_import():
    lab = {Requirement(text).name for text in with_extras("lab")}
    installed = {"gradlab", "numpy", "IPython", *sys.stdlib_module_names}
    for path in check_notebooks.notebook_paths():
        notebook = nbformat.read(path, as_version=4)
        code = "\n".join(cell.source for cell in check_notebooks.code_cells(notebook))
        imported = set(re.findall(r"^ *(?:from|import) (\w+)", code, re.MULTILINE))
        ran = set(re.findall(r"-m (\w+)", code))
        written = set(re.findall(r'"(\w+)\.py"', code))  # by the notebook itself
        others = {"scikit-learn" if name == "sklearn" else name for name in imported | ran}
        assert others - installed - written <= lab, path.name


def test_the_version_stands_in_step():
    import gradlab

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d\S+)", changelog, re.MULTILINE)[1]
    assert PROJECT["version"] == gradlab.__version__ == citation["version"] == newest


def test_an_import_draws_nothing():
    code = "import sys, gradlab; gradlab.check_gradients; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "numpy" in loaded
    assert loaded & {"matplotlib", "ipywidgets", "IPython", "tqdm", "scipy"} == set()


# ------------------------------------------------------------------------------------- address


def addresses(root: Path) -> dict[str, set[str]]:
    """Where each file's badges, links and Colab cells lead, as ``OWNER/REPO``."""
    link = re.compile(
        r"(?:colab\.research\.google\.com/github/|mybinder\.org/v2/gh/|git\+https://github\.com/"
        r"|repository-code: https://github\.com/|git clone https://github\.com/)"
        r"([\w-]+/[\w.-]+?)(?=\.git\b|[^\w.-]|$)"
    )
    names = ["README.md", "CITATION.cff", "notebooks/README.md"]
    texts = {name: (root / name).read_text(encoding="utf-8") for name in names}
    for path in (root / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        texts[path.name] = "\n".join(cell.source for cell in notebook.cells)
    return {name: set(link.findall(text)) for name, text in texts.items()}


def test_every_link_leads_to_the_repository():
    slug = set_address.current_slug()
    assert {name for name, found in addresses(ROOT).items() if found != {slug}} == set()


@pytest.fixture
def copy(tmp_path) -> Path:
    for name in ("pyproject.toml", "README.md", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    return tmp_path


def test_one_command_writes_the_address_everywhere(copy):
    set_address.set_address(copy, "some-one/grad.lab")
    found = addresses(copy)
    assert set().union(*found.values()) == {"some-one/grad.lab"}
    assert len(found) == len(addresses(ROOT))
    assert set_address.current_slug(copy) == "some-one/grad.lab"
    texts = [
        path.read_text(encoding="utf-8") for path in copy.rglob("*.*") if path.suffix != ".png"
    ]
    assert not any(f"/{set_address.current_slug()}" in text for text in texts)


def test_writing_the_address_twice_changes_nothing(copy):
    slug = set_address.current_slug()
    assert set_address.set_address(copy, slug) == []
    set_address.set_address(copy, "some-one/grad.lab")
    set_address.set_address(copy, slug)
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert (copy / "notebooks" / path.name).read_bytes() == path.read_bytes()
    assert (copy / "README.md").read_text(encoding="utf-8") == README


@pytest.mark.parametrize("url", ["OWNER/REPO", "http://github.com/a/b", "https://github.com/a", ""])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match=r"https://github\.com/OWNER/REPO"):
        set_address.slug_of(url)


# ------------------------------------------------------------------------------ README and pages


def test_ci_runs_the_test_command_of_the_readme():
    section = README.split("## Run all the tests")[1]
    command = re.search(r"```sh\n(.*?)\n```", section, re.DOTALL)[1]
    marker = re.search(r"grep -m 1 -F -- '([^']+)' README\.md", CI)[1]
    assert command == next(line for line in README.splitlines() if marker in line)
    assert command.endswith(f"python -m pytest {EVERYTHING}")
    assert EVERYTHING in re.search(r"^colab\(\).*?^\}", CI, re.DOTALL | re.MULTILINE)[0]


def test_every_other_way_runs_the_same_tests():
    section = README.split("## Run all the tests")[1].split("\n## ")[0]
    others = re.findall(r"^\| .* `(.*)` \|$", section, re.MULTILINE)
    assert len(others) == 3
    assert all(command.endswith(f"python -m pytest {EVERYTHING}") for command in others)


def test_everything_is_the_notebooks_too_and_compares_every_output():
    options = (ROOT / "tests/everything").read_text(encoding="utf-8").splitlines()
    assert {"notebooks", "tests", "--nbval", "--nbval-current-env"} <= {*options}
    assert "--nbval-lax" not in options


def test_one_file_runs_with_pytest_alone():
    """In an environment that has neither nbval nor xdist."""
    hidden = "import sys; sys.modules |= dict.fromkeys(['nbval', 'xdist', 'hypothesis'])\n"
    code = hidden + "import pytest; sys.exit(pytest.main(['tests/test_signatures.py']))"
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_the_readme_prints_what_stands_there():
    assert refresh_readme.with_output(README) == README
    assert refresh_readme.EXAMPLE.search(README)["output"].strip() != ""


def test_the_first_screen_shows_a_picture():
    first = "\n".join(README.splitlines()[:12])
    name = f"![{refresh_readme.ALT}]({refresh_readme.PICTURE.relative_to(ROOT)})"
    assert name in first and refresh_readme.PICTURE.read_bytes()[:4] == b"\x89PNG"


def test_the_syllabus_of_the_readme_asks_what_the_notebooks_ask():
    rows = re.findall(r"^\| \[(\w+)\]\(notebooks/\1\.ipynb\) \| ([^|]+) \|", README, re.MULTILINE)
    asked = {}
    for path in check_notebooks.notebook_paths():
        title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        asked[path.stem] = re.sub(r"^# \d\. ", "", title)
    assert dict(rows) == asked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_readable_by_everyone(page):
    text = page.read_text(encoding="utf-8")
    assert list(check_notebooks.heading_complaints(text)) == []
    assert list(check_notebooks.pictures_without_alt(text)) == []


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    texts = [
        re.sub(r"[^\w\- ]", "", text.lower()) for _, text in check_notebooks.headings(markdown)
    ]
    return {text.replace(" ", "-") for text in texts}


def dead_links(path: Path, markdown: str) -> list[str]:
    prose = re.sub(r"^(```|~~~).*?^\1|`[^`\n]+`", "", markdown, flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)|href=\"([^\"]+)\"|src=\"([^\"]+)\"", prose):
        target = "".join(target)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        aim = path.parent / name if name else path
        if not aim.exists():
            dead.append(target)
        elif anchor and aim.suffix == ".md":
            if anchor not in anchors(aim.read_text(encoding="utf-8")):
                dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_resolve(page):
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


def test_what_the_map_of_the_code_names_is_there():
    named = re.findall(r"`([\w./]+(?:\.py|\.md|/))`", CONTRIBUTING.read_text(encoding="utf-8"))
    places = [ROOT, ROOT / "gradlab", *(ROOT / "gradlab").glob("*/")]
    unfound = [name for name in named if not any((place / name).exists() for place in places)]
    assert set(unfound) <= {"lessonNN.py"} and len(named) > 30


def test_the_commands_that_it_lists_are_there():
    commands = re.findall(r"^\| [^|]+ \| `(.*)` \|$", CONTRIBUTING.read_text(), re.MULTILINE)
    for command in commands:
        for word in command.split():
            if re.fullmatch(r"@?[\w.]+/[\w./]+", word):
                assert (ROOT / word.lstrip("@")).exists(), command
    assert len(commands) > 10


def test_an_issue_has_a_form_that_github_can_read():
    forms = [
        path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"
    ]
    assert len(forms) == 3
    for path in forms:
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= {*form}
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert len({part["id"] for part in asked}) == len(asked) > 2
        assert all(part["attributes"]["label"] for part in asked)
        assert any(part.get("validations", {}).get("required") for part in asked)


@pytest.mark.parametrize("path", check_notebooks.notebook_paths(), ids=lambda path: path.stem)
def test_links_of_a_notebook_resolve(path):
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in check_notebooks.markdown_cells(notebook))
    assert dead_links(path, text) == []


def test_a_dead_link_is_noticed():
    page = ROOT / "README.md"
    text = "[a](LICENSE) [b](missing.md) [c](README.md#nowhere) [d](README.md#the-course) [e](#no)"
    assert dead_links(page, text) == ["missing.md", "README.md#nowhere", "#no"]


def test_notebooks_that_are_named_exist():
    """In prose, comments and docstrings too: no name of a notebook that is not there."""
    names = {path.stem for path in check_notebooks.notebook_paths()}
    for path in tracked_texts():
        found = set(re.findall(r"\b0[1-9]_[a-z_]+(?=\.ipynb)", path.read_text(encoding="utf-8")))
        assert found <= names, path


# ------------------------------------------------------------------------- what must not be said


def test_no_path_of_a_machine_and_no_wrong_install():
    unrelated = "pip install " + r"gradlab(?!-course)\b"
    machine = "|".join(["/" + "work/", "/" + "root/", "/" + r"home/\w", r"[A-Z]:\\" + "Users"])
    for path in tracked_texts():
        text = path.read_text(encoding="utf-8")
        assert not re.search(unrelated, text), path
        assert not re.search(machine, text), path
