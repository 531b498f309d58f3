"""The hunt: every case is decided by the evidence on sale, and none by a table of ratios alone."""

from __future__ import annotations

import functools
import inspect
import re

import numpy as np
import pytest

from gradlab.bugs import INNOCENT, PRICES, Hunt, hunt
from gradlab.bugs.hunt import BUDGET, FALSE_CHARGE, HANDS
from gradlab.bugs.hunt_code import BODIES, HEADS
from gradlab.bugs.hunter import feeds, solve, suspects


@functools.cache
def case(seed):
    """The answer of a case, its code, its first table, and what the hunter found and bought."""
    one = hunt(seed)
    another = Hunt(seed, one.code, one._secret.afresh())
    found = solve(another)
    return one.answer, one.code, another.bought[0], found, another


class Blindfolded:
    """What a hunter may use: the code, the names that can be frozen, and the evidence on sale."""

    def __init__(self, seed):
        self._case = hunt(seed)
        self.code, self.freezable = self._case.code, self._case.freezable

    def __getattr__(self, name):
        if name not in PRICES:
            raise AttributeError(f"the hunter reached for {name}")
        return getattr(self._case, name)


@pytest.mark.parametrize("start", range(0, 200, 25))
def test_the_evidence_on_sale_decides_every_case_and_no_table_does_so_alone(start):
    for seed in range(start, start + 25):
        answer, *_, found, another = case(seed)
        assert found == answer, seed
        assert another.points > 0, seed
        _, code, table, *_ = case(seed)
        assert len(suspects(code, table)) >= 2, seed


def test_the_hunter_uses_nothing_else():
    for seed in range(8):
        assert solve(Blindfolded(seed)) == hunt(seed).answer


def test_what_one_line_spoils_the_next_on_its_path_could_spoil_in_the_same_way():
    """The argument of ``suspects``, on a case: the same table from another line."""
    code, where = case(17)[1].splitlines(), case(17)[0][0]
    assert code[where - 1].strip() == 'dH = dout @ (p["W2"] - 0.1 * dW2).T'
    code[where - 1] = '    dH = dout @ p["W2"].T'
    next_line = next(n for n, text in enumerate(code) if text.strip().startswith("dZ1 = "))
    code[next_line] = re.sub(r"\bdH\b", '(dout @ (p["W2"] - 0.1 * dW2).T)', code[next_line])
    names, one = {"np": np}, hunt(17)
    exec("\n".join(code), names)
    _, grads = names["loss_and_gradient"](*one._point())
    for name, array in one.check().analytic.items():
        np.testing.assert_allclose(grads[name], array, rtol=1e-12)


def test_of_any_eight_cases_five_have_one_wrong_line_one_has_two_and_two_have_none():
    for start in (0, 8, 64):
        kinds = [case(seed)[0] for seed in range(start, start + 8)]
        lengths = ["innocent" if isinstance(a, str) else len(a) for a in kinds]
        assert (lengths.count(1), lengths.count(2), lengths.count("innocent")) == (5, 1, 2)
    assert len(HANDS) == 8


def test_every_kind_of_innocence_every_network_and_every_loss_turns_up():
    drawn = [case(seed) for seed in range(72)]
    assert {a for a, *_ in drawn if isinstance(a, str)} == set(INNOCENT)
    for part in (*BODIES, *HEADS):
        assert any(part.forward[0] in code for _, code, *_ in drawn), part.title
    guilty = [code for answer, code, *_ in drawn if not isinstance(answer, str)]
    assert sum("rng" in code for code in guilty) > 3  # a trap is no proof of innocence
    assert sum("float32" in code for code in guilty) > 3
    lengths = [len(code.splitlines()) for _, code, *_ in drawn]
    assert min(lengths) >= 6 and max(lengths) <= 30
    assert len({code for _, code, *_ in drawn}) >= 70  # where two agree, the data differ
    first = [next(iter(case(seed)[4]._point()[0].values())).tobytes() for seed in range(72)]
    assert len(set(first)) == 72


def test_the_same_seed_gives_the_same_case():
    one, another = hunt(31), hunt(31)
    assert one.code == another.code and one.answer == another.answer
    assert str(one.check()) == str(another.check())
    assert str(one.freeze("dH")) == str(another.freeze("dH"))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.title)
@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.title)
def test_every_right_form_of_a_line_is_right_and_every_wrong_form_is_wrong(body, head):
    sizes = hunt.__globals__["Sizes"](N=5, D=3, H=4, K=3)
    drawer = hunt.__globals__["_drawer"](1, body, head, sizes, "")
    params, X, y = drawer(0)
    lines = [*head.backward, *body.backward]
    plain = [one.right[0] for one in lines]
    returned = "return L, {" + ", ".join(f'"{name}": d{name}' for name in params) + "}"

    def run(texts):
        source = [*body.forward, *head.forward, *texts, returned]
        names = {"np": np}
        exec("def f(p, X, y):\n" + "\n".join(f"    {text}" for text in source), names)
        return names["f"](params, X, y)[1]

    right = run(plain)
    for k, one in enumerate(lines):
        for text in one.right:
            grads = run([*plain[:k], text, *plain[k + 1 :]])
            for name in right:
                np.testing.assert_allclose(grads[name], right[name], rtol=1e-9, atol=1e-12)
        for text in one.wrong:
            try:
                grads = run([*plain[:k], text, *plain[k + 1 :]])
            except ValueError:
                continue  # a shape that does not fit here is not dealt here
            off = [name for name in right if not np.allclose(grads[name], right[name], rtol=1e-4)]
            assert off or body.kinked, text  # H >= 0 or sign(Z) may agree where few units rest


def test_evidence_is_paid_for_and_remembered():
    one = hunt(2)
    one.check()
    one.direction("W2")
    one.sample()
    one.freeze("dH")
    assert [e.price for e in one.bought] == [2, 1, 2, 3]
    assert one.points == BUDGET - 8


def test_settings_stay():
    held = next(s for s in range(72) if case(s)[0] == "dice")
    one = hunt(held)
    assert one.check().wrong and not one.hold().wrong and not one.check().wrong
    lifted = next(s for s in range(72) if case(s)[0] == "float32")
    one = hunt(lifted)
    assert one.check().wrong and not one.float64().wrong and not one.check().wrong
    moved = next(s for s in range(72) if case(s)[0] == "kink")
    one = hunt(moved)
    assert one.check().wrong and not one.reseed().wrong and not one.check().wrong


def test_a_direction_agrees_with_the_check():
    one = hunt(2)
    table = one.check()
    for name in table.analytic:
        assert bool(one.direction(name).wrong) == (name in table.wrong)


def test_freezing_takes_the_lines_above_out_of_the_account():
    one = hunt(2)  # the first line of the gradient is wrong
    assert one.check().wrong
    assert not one.freeze("dP").wrong


def test_a_right_answer_tells_the_line_the_points_and_what_a_hunter_needs(capsys):
    one = hunt(2)
    one.check()
    one.accuse(*one.answer)
    said = capsys.readouterr().out
    assert said.startswith("Right. Line 11 should read `dP = -y / P / len(y)`.")
    assert "28 of 30 points are left; evidence cost you 2." in said
    assert f"needs {one.par}." in said and one.par == 5


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((12,), "That is as it should be."),
        ((5,), "Down to L the code computes the loss"),
        ((11, 12), "One of these is wrong; not all of them are."),
        ((99,), "The lines are numbered from 1 to 22."),
        ("dice", "Something else is going on here"),
    ],
)
def test_a_wrong_answer_costs_ten_points_and_says_as_much_as_it_may(capsys, answer, sentence):
    one = hunt(2)
    one.acquit(answer) if isinstance(answer, str) else one.accuse(*answer)
    assert sentence in capsys.readouterr().out
    assert one.points == BUDGET - FALSE_CHARGE


def test_one_of_two_lines_is_not_enough_and_an_innocent_has_none(capsys):
    two = hunt(11)
    two.accuse(two.answer[0])
    assert "That is one of two." in capsys.readouterr().out
    hunt(4).accuse(16)
    assert "There is nothing wrong with that." in capsys.readouterr().out


def test_after_the_answer_evidence_is_free(capsys):
    one = hunt(2)
    one.accuse(*one.answer)
    left = one.points
    one.check()
    one.accuse(12)
    assert one.points == left


@pytest.mark.parametrize(
    ("ask", "error", "names"),
    [
        (lambda one: one.freeze("dX"), ValueError, "these can: dP, dout"),
        (lambda one: one.direction("W9"), ValueError, "there is no array 'W9'"),
        (lambda one: one.acquit("luck"), ValueError, "'kink', 'dice', 'float32', 'dead units'"),
        (lambda one: one.accuse("dP"), TypeError, "by their numbers"),
        (lambda one: one.accuse(), TypeError, "by their numbers"),
    ],
)
def test_what_cannot_be_bought_is_said_and_costs_nothing(ask, error, names):
    one = hunt(2)
    with pytest.raises(error, match=names):
        ask(one)
    assert one.points == BUDGET


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", None, np.random.RandomState(1)])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises((TypeError, ValueError), match="seed"):
        hunt(seed)


def test_printed_it_shows_numbered_code_prices_and_no_answer():
    one = hunt(2)
    text = repr(one)
    assert " 11      dP = -y / P / y.size" in text
    assert "direction 1, check 2, reseed 2, hold 2, float64 2, sample 2, freeze 3" in text
    assert "len(y)`" not in text and str(one.answer) not in text
    assert repr(one) == str(one)


def test_feeds_follows_the_names():
    fed = feeds(case(2)[1])
    assert fed[11] == fed[12] == {"V", "g", "b1", "W2", "b2"}
    assert fed[13] == {"W2"} and fed[20] == {"V"}


def test_prices_and_their_methods_agree():
    for name, price in PRICES.items():
        method = getattr(type(hunt(2)), name)
        assert re.search(rf"\b{price} points?\.", inspect.getdoc(method)), name
