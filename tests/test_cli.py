"""``python -m gradlab`` solves the exercise, says so line by line, and exits accordingly."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from gradlab import __main__ as cli
from gradlab import mlp
from gradlab.differences import METHODS

LINE = re.compile(r"^ *(W1|b1|W2|b2) +relative error (\S+) +(.+)$", re.MULTILINE)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    try:
        status = cli.main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    return status, *capsys.readouterr()


def test_the_command_solves_the_exercise():
    done = subprocess.run([sys.executable, "-m", "gradlab"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    lines = LINE.findall(done.stdout)
    assert [name for name, _, _ in lines] == ["W1", "b1", "W2", "b2"]
    assert all(match == "matches" and float(error) < 1e-9 for _, error, match in lines)


def test_it_reaches_the_decades_of_the_published_run(capsys):
    _, out, _ = run(capsys)
    published = {"W1": 1.8299e-10, "b1": 3.4248e-11, "W2": 5.8844e-12, "b2": 1.0700e-12}
    for name, error, _ in LINE.findall(out):
        assert published[name] / 10 < float(error) < published[name] * 10


def test_the_settings_of_the_exercise_are_the_defaults(capsys):
    spelt_out = run(capsys, "--seed", "42", "--eps", "1e-5", "--method", "central")
    assert run(capsys) == spelt_out


@pytest.mark.parametrize("seed", ["0", "7", "4294967295"])
def test_other_seeds_match_too(capsys, seed):
    status, out, _ = run(capsys, "--seed", seed)
    assert status == 0 and f"seed {seed}" in out
    assert out != run(capsys)[1]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs(capsys, method):
    status, out, _ = run(capsys, "--method", method)
    errors = [float(error) for _, error, _ in LINE.findall(out)]
    assert len(errors) == 4
    # A forward difference at 1e-5 is off by about 1e-5: more than the exercise's cutoff.
    assert status == (1 if method == "forward" else 0)


def test_a_step_far_too_large_does_not_match(capsys):
    status, out, _ = run(capsys, "--eps", "0.5")
    assert status == 1
    assert "DOES NOT MATCH" in out and "Not every array matches" in out


def test_a_step_that_overflows_is_no_match_and_no_warning(capsys, recwarn):
    status, out, err = run(capsys, "--eps", "1e300")
    assert status == 1 and out.count("DOES NOT MATCH") == 4
    assert err == "" and len(recwarn) == 0


def test_a_wrong_gradient_does_not_match(capsys, monkeypatch):
    right = mlp.backward

    def without_the_sum(params, cache, y):
        return {**(grads := right(params, cache, y)), "b1": grads["b1"] / len(y)}

    monkeypatch.setattr(cli.mlp, "backward", without_the_sum)
    status, out, _ = run(capsys)
    matches = {name: match for name, _, match in LINE.findall(out)}
    assert status == 1
    assert matches["b1"] != "matches"
    assert [matches[name] for name in ("W1", "W2", "b2")] == ["matches"] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--eps", "0"], "positive"),
        (["--eps", "nan"], "positive"),
        (["--eps", "inf"], "positive"),
        (["--eps", "-1"], "positive"),
        (["--eps=-1e-5"], "positive"),
        (["--eps", "small"], "'small'"),
        (["--eps", ""], "positive"),
        (["--eps", "1e-200"], "eps"),
        (["--seed", "-1"], "whole number"),
        (["--seed", "4294967296"], "whole number"),
        (["--seed", "1.5"], "whole number"),
        (["--seed", "nan"], "whole number"),
        (["--method", "backward"], "central4"),
        (["--method", ""], "central4"),
        (["--epsilon", "1e-5"], "--epsilon"),
        (["W1"], "W1"),
    ],
)
def test_a_bad_value_gets_one_line_and_status_2(capsys, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert status == 2 and out == ""
    assert len(err.splitlines()) == 1 and said in err


def test_help_explains(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for word in ("--seed", "--eps", "--method", *METHODS, "1e-07", "Exit status"):
        assert word in out
