"""Trust outside plain networks: mixed units, coarse formats, quantised and rough losses, by kinds.

Every kind is tried on a family of cases, right and wrong, entry by entry and along directions.
"""

import numpy as np
import pytest

from gradlab import check_gradients, mlp, paraboloid

HOWS = ["entries", "directions"]
PASSES = ("ok", "close")


def verdict(loss, x, gradient, how, **options):
    report = check_gradients(loss, {"x": x}, {"x": gradient}, how=how, progress=False, **options)
    return report["x"].verdict


# ------------------------------------------------------------------------------ units of each entry


def decay():
    """Amplitude, rate and offset of a decay, as a fit hands them over: one vector, three units."""
    t = np.linspace(0, 2e4, 50)
    y = 1.1e6 * np.exp(-1.2e-4 * t) + 30
    x = np.array([9e5, 1e-4, 10.0])

    def residuals(x):
        return x[0] * np.exp(-x[1] * t) + x[2] - y

    e, r = np.exp(-x[1] * t), residuals(x)
    gradient = 2 * np.array([r @ e, r @ (-x[0] * t * e), r.sum()])
    return lambda p: float(np.sum(residuals(p["x"]) ** 2)), x, gradient


def incomes(start):
    """A logistic regression on a constant, a dummy, an income and its square."""
    rng = np.random.default_rng(0)
    income = rng.lognormal(10, 0.5, 200)
    X = np.column_stack([np.ones(200), rng.integers(0, 2, 200), income, income**2])
    y = (rng.random(200) < 0.5) * 1.0
    x = np.array(start, dtype=float)

    def loss(p):
        z = X @ p["x"]
        return float(np.sum(np.logaddexp(0, z) - y * z))

    return loss, x, X.T @ (1 / (1 + np.exp(-X @ x)) - y)


def rotation():
    """An angle that is nearly nothing, a year, and a length."""
    x = np.array([1e-9, 2026.3, 1.5])

    def loss(p):
        angle, year, length = p["x"]
        return float(3 * np.sin(angle) + np.sin(2 * np.pi * year) + length**3)

    slope = 2 * np.pi * np.cos(2 * np.pi * x[1])
    return loss, x, np.array([3 * np.cos(x[0]), slope, 3 * x[2] ** 2])


VECTORS = {
    "decay": decay,
    "incomes": lambda: incomes([-0.5, 0.3, 1e-5, 1e-10]),
    "incomes from zero": lambda: incomes(np.zeros(4)),
    "rotation": rotation,
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", VECTORS)
def test_every_entry_of_a_vector_is_judged_in_its_own_units(name, how):
    loss, x, right = VECTORS[name]()
    assert verdict(loss, x, right, how) == "ok"
    for entry in range(len(x)):
        for factor in (1.1, -1.0, 0.0):
            wrong = right.copy()
            wrong[entry] *= factor
            assert verdict(loss, x, wrong, how) == "wrong", (entry, factor)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("scale", [1e5, 1e6, 1e8, 1e9, 1e11])
def test_a_zero_whose_natural_unit_is_tiny_is_judged_all_the_same(scale, how):
    x, right = np.array([0.5, 0.0]), np.array([1.0, scale])

    def loss(p):
        return float(p["x"][0] ** 2 + np.exp(scale * p["x"][1]))

    assert verdict(loss, x, right, how) == "ok"
    for factor in (-1, 100, 1.1):
        assert verdict(loss, x, right * [1, factor], how) == "wrong"


@pytest.mark.parametrize("how", HOWS)
def test_a_poisson_regression_from_a_zero_coefficient_of_a_large_column(how):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = np.column_stack([np.ones(50), rng.uniform(0.5, 1.5, 50) * 1e6])
        x, y = np.array([0.5, 0.0]), rng.poisson(2, 50)

        def loss(p, X=X, y=y):
            return float(np.sum(np.exp(X @ p["x"]) - y * (X @ p["x"])))

        right = X.T @ (np.exp(X @ x) - y)
        assert verdict(loss, x, right, how) == "ok"
        assert verdict(loss, x, right * [1, -1], how) == "wrong"


def mixed_network(seed):
    """A network each of whose entries is kept in a unit of its own, from 1e-6 to 1e6."""
    stream = np.random.RandomState(seed)
    X, y = paraboloid(seed=seed)
    params = mlp.init_params(seed=seed)
    params = {n: a + stream.normal(0, 0.3, a.shape) for n, a in params.items()}
    units = {n: 10.0 ** stream.uniform(-6, 6, a.shape) for n, a in params.items()}
    plain = mlp.loss_function(X, y)
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    return (
        lambda p: plain({n: a * units[n] for n, a in p.items()}),
        {n: a / units[n] for n, a in params.items()},
        {n: grads[n] * units[n] for n in params},
    )


@pytest.mark.parametrize("how", HOWS)
def test_ten_per_cent_in_an_entry_that_matters_never_pass_however_units_are_mixed(how):
    for seed in range(12):
        loss, params, grads = mixed_network(seed)
        assert check_gradients(loss, params, grads, how=how, progress=False).passed
        name = list(grads)[seed % 4]
        terms = np.abs(grads[name] * params[name])
        largest = max(np.max(np.abs(grads[n] * params[n])) for n in grads)
        chosen = np.argwhere(terms >= 1e-3 * largest)
        if not len(chosen):
            continue
        index = tuple(chosen[seed % len(chosen)].tolist())
        wrong = {n: a.copy() for n, a in grads.items()}
        wrong[name][index] *= 1.1
        report = check_gradients(loss, params, wrong, how=how, progress=False)
        assert not report.passed and report[name].verdict == "wrong"
        assert report[name].worst_index == index


def test_the_units_of_the_parameters_change_no_verdict_and_no_count():
    for seed in range(6):
        X, y = paraboloid(seed=seed)
        stream = np.random.RandomState(seed)
        mixed, params, grads = mixed_network(seed)
        units = {n: 2.0 ** stream.randint(-20, 20, a.shape) for n, a in params.items()}
        one = check_gradients(mixed, params, grads, progress=False)
        other = check_gradients(
            lambda p, units=units, mixed=mixed: mixed({n: a * units[n] for n, a in p.items()}),
            {n: a / units[n] for n, a in params.items()},
            {n: g * units[n] for n, g in grads.items()},
            progress=False,
        )
        assert {n: a.verdict for n, a in one.items()} == {n: a.verdict for n, a in other.items()}


# ----------------------------------------------------------------------- precision of each array


@pytest.mark.parametrize("how", HOWS)
def test_nothing_is_excused_by_the_precision_or_the_size_of_another_array(how):
    rng = np.random.default_rng(0)
    coarse, w = np.array([3.0], np.float16), rng.normal(size=6)

    def loss(p):
        return float(np.sum(np.asarray(p["h"], float) ** 2) + np.sum(np.sin(p["w"])))

    for factor, expected in ((1.0, "ok"), (1.09, "wrong"), (1.001, "wrong")):
        grads = {"h": 2 * coarse, "w": factor * np.cos(w)}
        report = check_gradients(loss, {"h": coarse, "w": w}, grads, how=how, progress=False)
        assert report["w"].verdict == expected and report["h"].verdict == "ok"

    large, b = (1e4 * rng.normal(size=5)).astype("f4"), rng.normal(size=20).astype("f4")
    for factor, expected in ((1.0, "ok"), (1.05, "wrong")):
        grads = {"a": np.ones(5, "f4"), "b": np.cos(b) * np.float32(factor)}
        report = check_gradients(
            lambda p: float(np.sum(p["a"]) + np.sum(np.sin(p["b"]))),
            {"a": large, "b": b},
            grads,
            how=how,
            progress=False,
        )
        assert report["b"].verdict == expected


def formats():
    found = {"float32": np.float32, "float16": np.float16}
    try:
        import ml_dtypes
    except ImportError:
        return found
    return {**found, "bfloat16": ml_dtypes.bfloat16}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("told", [True, False], ids=["typed", "shown by its numbers"])
@pytest.mark.parametrize("name", formats())
def test_a_gradient_rounded_to_a_coarse_format_is_right(name, told, how):
    for seed in range(6):
        X, y = paraboloid(seed=seed)
        params = mlp.init_params(seed=seed)
        right = mlp.backward(params, mlp.forward(params, X)[1], y)
        coarse = {n: g.astype(formats()[name]) for n, g in right.items()}
        if not told:
            coarse = {n: g.astype(float) for n, g in coarse.items()}
        loss = mlp.loss_function(X, y)
        assert check_gradients(loss, params, coarse, how=how, progress=False).passed
        coarse["W1"] = (2 * coarse["W1"].astype(float)).astype(coarse["W1"].dtype)
        found = check_gradients(loss, params, coarse, how=how, progress=False)["W1"].verdict
        # Rounding in eight bits can do much to a backward pass whose slopes differ in size.
        assert found == "wrong" or (name, found) == ("bfloat16", "undecided")


@pytest.mark.parametrize("how", HOWS)
def test_three_entries_in_float32_are_enough(how):
    for seed in range(20):
        x = np.random.RandomState(seed).normal(size=1 + seed % 3)
        found = verdict(lambda p: float(np.sum(np.sin(p["x"]))), x, np.cos(x).astype("f4"), how)
        assert found == "ok"


def test_a_format_that_cannot_show_can_be_said():
    x = np.random.RandomState(0).normal(size=8)
    noise = 1 + 2.0**-11 * np.random.RandomState(1).uniform(-1, 1, 8)

    def check(**options):
        return verdict(
            lambda p: float(np.sum(np.sin(p["x"]))), x, np.cos(x) * noise, "entries", **options
        )

    assert check() == "wrong"
    assert check(gradient_precision="tf32") == check(gradient_precision=2.0**-11) == "ok"
    with pytest.raises(ValueError, match="unknown gradient_precision 'half'; choose one of 'tf32'"):
        check(gradient_precision="half")
    with pytest.raises(ValueError, match="between 0 and 1"):
        check(gradient_precision=2.0)


# ------------------------------------------------------------------------------------ the noise


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("frequency", [1e5, 1e7])
def test_a_fast_oscillation_is_part_of_the_loss(frequency, how):
    x = np.array([0.7, 1.3, -0.4])

    def loss(p):
        return float(np.sum(p["x"] ** 2 + 1e-3 * np.sin(frequency * p["x"])))

    right = 2 * x + 1e-3 * frequency * np.cos(frequency * x)
    assert verdict(loss, x, right, how) == "ok"
    assert verdict(loss, x, 2 * x, how) == "wrong"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("samples", [300, 3000])
def test_a_row_of_kinks_is_no_noise(samples, how):
    rng = np.random.default_rng(1)
    grid, at = np.arange(10 * samples), np.linspace(0, 9 * samples, samples)
    signal, target = rng.normal(size=10 * samples), rng.normal(size=samples)
    x = np.array([1.01, 3.3])

    def loss(p):
        return float(np.mean((np.interp(p["x"][0] * at + p["x"][1], grid, signal) - target) ** 2))

    place = x[0] * at + x[1]
    slope = np.diff(signal)[np.floor(place).astype(int)]
    off = np.interp(place, grid, signal) - target
    right = np.array([np.mean(2 * off * slope * at), np.mean(2 * off * slope)])
    assert verdict(loss, x, right, how) == "ok"
    assert verdict(loss, x, 1.01 * right, how) == "wrong"


ROUNDED = {
    "nine decimals": lambda value: round(value, 9),
    "six digits": lambda value: float(f"{value:.6g}"),
    "float32": lambda value: float(np.float32(value)),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ROUNDED)
def test_a_loss_that_is_rounded_is_never_called_wrong(name, how):
    passed = 0
    for seed in range(25):
        x = np.random.RandomState(seed).normal(size=4)
        weights = np.arange(1, 5)

        def loss(p, weights=weights):
            return ROUNDED[name](float(np.sum(weights * np.sin(p["x"]))))

        found = verdict(loss, x, weights * np.cos(x), how)
        assert found in (*PASSES, "undecided")
        passed += found in PASSES
        assert verdict(loss, x, -weights * np.cos(x), how) == "wrong"
    assert passed > 15


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("scatter", [1e-15, 1e-14, 1e-12, 1e-8])
def test_scatter_from_call_to_call_of_the_size_of_rounding_is_noise(scatter, how):
    stream = np.random.RandomState(0)
    x = np.array([0.7, 1.3, -0.4])

    def loss(p):
        return float(np.sum(np.exp(np.sin(p["x"])))) * (1 + scatter * stream.normal())

    right = np.cos(x) * np.exp(np.sin(x))
    assert verdict(loss, x, right, how) in (*PASSES, "undecided")
    assert verdict(loss, x, -right, how) == "wrong"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e3])
@pytest.mark.parametrize("zero", [True, False])
def test_a_bias_before_batch_norm_is_unused_in_any_unit(unit, zero, how):
    for seed in range(5):
        stream = np.random.RandomState(seed)
        X, W = stream.normal(size=(20, 3)), stream.normal(size=(3, 2))
        b = np.zeros(2) if zero else unit * stream.normal(size=2)

        def loss(p, X=X, W=W):
            z = X @ W + p["x"] / unit
            z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
            return float(np.sum(np.tanh(z) * [1, 2]) + np.sum(z**3))

        assert verdict(loss, b, np.zeros(2), how) == "unused"


@pytest.mark.parametrize("how", HOWS)
def test_float32_zeros_that_the_loss_reads_by_another_name(how):
    own = np.zeros(4, np.float32)
    assert verdict(lambda p: float(np.sum(np.exp(own))), own, np.ones(4, np.float32), how) == "ok"


# ----------------------------------------------------------------------------- close, by a tolerance


def soft_sign():
    x = np.array([0.5, -1.2, 0.03])
    return lambda p: float(np.sum(np.abs(p["x"]))), x, x / (np.abs(x) + 1e-8)


def small_constant():
    x = np.array([0.05, 0.4, 0.9])
    return lambda p: float(-np.log(p["x"] + 1e-9).sum()), x, -1 / x


def fixed_point():
    """The root of w = cos(x w), iterated until it moves by less than 1e-8."""
    x = np.array([0.9])

    def root(a, tolerance):
        w = 1.0
        while True:
            w, before = w - (w - np.cos(a * w)) / (1 + a * np.sin(a * w)), w
            if abs(w - before) < tolerance:
                return w

    w = root(0.9, 1e-8)
    exact = -np.sin(0.9 * w) * w / (1 + 0.9 * np.sin(0.9 * w))
    return lambda p: float(root(p["x"][0], 1e-8)), x, np.array([exact * (1 + 3e-9)])


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", [soft_sign, small_constant, fixed_point])
def test_what_is_right_to_a_tolerance_is_close_and_says_how_close(case, how):
    loss, x, gradient = case()
    report = check_gradients(loss, {"x": x}, {"x": gradient}, how=how, progress=False)
    assert report.passed and report["x"].verdict == "close"
    assert report["x"].hint.startswith("right to ") and "e-" in report["x"].hint
    strict = check_gradients(loss, {"x": x}, {"x": gradient}, how=how, tolerance=0, progress=False)
    assert not strict.passed
    assert verdict(loss, x, 1.01 * gradient, how) == "wrong"


@pytest.mark.parametrize("how", HOWS)
def test_a_small_wrong_entry_does_not_hide_behind_its_neighbours(how):
    scale = np.array([1e6, 1.0, 1e5])
    x = np.array([1.0, 1.2, 0.8])
    right = scale * np.cos(x)

    def loss(p):
        return float(np.sum(scale * np.sin(p["x"])))

    assert verdict(loss, x, right, how) == "ok"
    for factor in (1.01, 1.5, 0.0):
        assert verdict(loss, x, right * [1, factor, 1], how) == "wrong"


# --------------------------------------------------------------------------------- what it could see


def test_the_resolution_is_what_would_have_been_seen():
    X, y = paraboloid()
    params = mlp.init_params()
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    loss = mlp.loss_function(X, y)
    clean = check_gradients(loss, params, grads)
    for name in params:
        assert 0 < clean[name].resolution < 1e-8
        wrong = {n: g.copy() for n, g in grads.items()}
        wrong[name].flat[0] += 3 * clean[name].resolution
        found = check_gradients(loss, params, wrong, tolerance=0)[name]
        assert found.verdict in ("wrong", "undecided")


@pytest.mark.parametrize("how", HOWS)
def test_the_report_counts_the_calls_of_the_loss(how):
    X, y = paraboloid()
    params, calls = mlp.init_params(), []
    grads = mlp.backward(params, mlp.forward(params, X)[1], y)
    plain = mlp.loss_function(X, y)
    report = check_gradients(lambda p: calls.append(1) or plain(p), params, grads, how=how)
    assert report.evaluations == len(calls)
    assert len(calls) <= {"entries": 126, "directions": 60}[how]


@pytest.mark.parametrize(("n", "most"), [(1, 20), (3, 40), (5, 40)])
def test_a_clean_check_of_a_few_numbers_is_cheap(n, most):
    x = np.random.RandomState(n).normal(size=n)
    report = check_gradients(
        lambda p: float(np.sum(np.exp(np.sin(p["x"])))),
        {"x": x},
        {"x": np.cos(x) * np.exp(np.sin(x))},
    )
    assert report.passed and report.evaluations <= most
