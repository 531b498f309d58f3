"""Try the tests that ``python -m gradlab.exercises otter`` writes with Otter-Grader itself.

    python tests/tools/try_otter.py

Needs ``otter-grader`` in the environment. A notebook with a right, a wrong, a right and an open answer
has to get 1, 0, 1 and 0 points (the open ones none), and for the wrong one the judge's sentence.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from classroom import PATHS, bare, names_of  # noqa: E402

MARKS = {"03_output_layer": "right", "03_hidden_layer": "wrong", "03_backward": "right"}


def otter(*arguments: str, folder: Path) -> None:
    command = [sys.executable, "-m", "otter", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    marks = dict.fromkeys(names_of("03"), "open") | MARKS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write = ["gradlab.exercises", "otter", "tests", "--from", str(PATHS["03"].parent)]
        subprocess.run([sys.executable, "-m", *write], cwd=folder, check=True)
        (folder / "answers.ipynb").write_text(json.dumps(bare("03", marks)), encoding="utf-8")
        tests = f"tests/{PATHS['03'].stem}"
        otter("generate", "-t", tests, "--no-environment", "-o", "03.zip", folder=folder)
        otter("run", "-a", "03.zip", "answers.ipynb", "-o", ".", folder=folder)
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found = {one["name"]: one for one in results["tests"] if "score" in one}
    points = {name: one["score"] for name, one in found.items()}
    print(points)
    wanted = {name: int(mark == "right") for name, mark in marks.items()}
    told = "What is the other factor?" in found["03_hidden_layer"]["output"]
    return int(points != wanted or not told)


if __name__ == "__main__":
    sys.exit(main())
