"""The code that the hunt puts on the table: networks, and each line in right and in wrong forms.

A case is a body (what is between the inputs and ``out``) and a head (from ``out`` to the loss ``L``,
and back to ``dout``), written as one function that returns a loss and its gradient. Of each line the
first form is the plain one; further right forms look odder and are as right, so that an odd line is
no proof. A gradient bears the name of what it belongs to with a ``d`` in front, which is how
:mod:`gradlab.bugs.hunt` finds the two lines that have to agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradlab.bugs.networks import Arrays

__all__ = ["BODIES", "HEADS", "Body", "Head", "Line", "Sizes"]


@dataclass(frozen=True)
class Sizes:
    """How large a case is: samples ``N``, inputs ``D``, hidden units ``H``, outputs ``K``."""

    N: int
    D: int
    H: int
    K: int


@dataclass(frozen=True)
class Line:
    """One line of the gradient: its right forms, and the wrong ones that people write."""

    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """From ``X`` to ``out`` and back.

    ``shapes(sizes)`` gives the parameters, ``columns(sizes)`` the columns of ``X``. ``kinked`` is the
    pre-activation that has a kink at zero and the bias that moves it, if there is one.
    """

    title: str
    forward: tuple[str, ...]
    backward: tuple[Line, ...]
    shapes: Callable[[Sizes], dict[str, tuple[int, ...]]]
    columns: Callable[[Sizes], int]
    kinked: tuple[str, str] | None = None


@dataclass(frozen=True)
class Head:
    """From ``out`` to the loss, and back to ``dout``; ``targets(rng, N, K)`` draws what it fits."""

    title: str
    forward: tuple[str, ...]
    backward: tuple[Line, ...]
    targets: Callable[[np.random.RandomState, int, int], np.ndarray]


def line(*right: str, wrong: tuple[str, ...] = ()) -> Line:
    return Line(right, wrong)


def bias(name: str, upstream: str) -> Line:
    """The gradient of a bias, in three right forms and two wrong ones."""
    return line(
        f"d{name} = {upstream}.sum(axis=0, keepdims=True)",
        f"d{name} = np.ones((1, len({upstream}))) @ {upstream}",
        f"d{name} = np.sum({upstream}, axis=0)[None, :]",
        wrong=(
            f"d{name} = {upstream}.mean(axis=0, keepdims=True)",
            f"d{name} = {upstream}[-1:]",
        ),
    )


def weight(name: str, inputs: str, upstream: str, wrong: tuple[str, ...] = ()) -> Line:
    """The gradient of a weight matrix, in two right forms."""
    return line(
        f"d{name} = {inputs}.T @ {upstream}",
        f'd{name} = np.einsum("ni,nj->ij", {inputs}, {upstream})',
        wrong=wrong or (f"d{name} = {inputs}.T @ {upstream} / len(y)",),
    )


def one_hot(rng: np.random.RandomState, N: int, K: int) -> np.ndarray:
    return np.eye(K)[rng.randint(K, size=N)]


def between(rng: np.random.RandomState, N: int, K: int) -> np.ndarray:
    return rng.uniform(0.1, 0.9, (N, K))


def signed(rng: np.random.RandomState, N: int, K: int) -> np.ndarray:
    return rng.uniform(-0.9, 0.9, (N, K))


HEADS = (
    Head(
        "squared errors behind a tanh",
        (
            "y_hat = np.tanh(out)",
            "L = 0.5 * np.sum((y_hat - y) ** 2) / len(y)",
        ),
        (
            line(
                "dy_hat = (y_hat - y) / len(y)",
                "dy_hat = -(y - y_hat) / len(y)",
                wrong=(
                    "dy_hat = (y_hat - y) / y.size",
                    "dy_hat = 2 * (y_hat - y) / len(y)",
                    "dy_hat = y_hat - y",
                ),
            ),
            line(
                "dout = dy_hat * (1 - y_hat**2)",
                "dout = dy_hat / np.cosh(out) ** 2",
                "dout = dy_hat * (1 - y_hat) * (1 + y_hat)",
                wrong=(
                    "dout = dy_hat * (1 - out**2)",
                    "dout = dy_hat * (1 - y_hat) ** 2",
                    "dout = dy_hat * (1 - np.tanh(y_hat) ** 2)",
                ),
            ),
        ),
        signed,
    ),
    Head(
        "cross-entropy of a softmax",
        (
            "e = np.exp(out - out.max(axis=1, keepdims=True))",
            "P = e / e.sum(axis=1, keepdims=True)",
            "L = -np.sum(y * np.log(P)) / len(y)",
        ),
        (
            line(
                "dP = -y / P / len(y)",
                "dP = -y / (len(y) * P)",
                wrong=("dP = -y / P", "dP = -y / P / y.size", "dP = (P - y) / len(y)"),
            ),
            line(
                "dout = P * (dP - np.sum(P * dP, axis=1, keepdims=True))",
                'dout = P * dP - P * np.einsum("nk,nk->n", P, dP)[:, None]',
                wrong=(
                    "dout = P * (1 - P) * dP",
                    "dout = P * (dP - np.sum(P * dP, axis=0, keepdims=True))",
                    "dout = P * (dP - np.mean(P * dP, axis=1, keepdims=True))",
                ),
            ),
        ),
        one_hot,
    ),
    Head(
        "log-likelihood of independent outputs",
        (
            "y_hat = 1 / (1 + np.exp(-out))",
            "L = -np.sum(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)) / len(y)",
        ),
        (
            line(
                "dy_hat = (y_hat - y) / (y_hat * (1 - y_hat)) / len(y)",
                "dy_hat = ((1 - y) / (1 - y_hat) - y / y_hat) / len(y)",
                wrong=(
                    "dy_hat = (y_hat - y) / len(y)",
                    "dy_hat = ((1 - y) / (1 - y_hat) - y / y_hat) / y.size",
                    "dy_hat = (y_hat - y) / y_hat * (1 - y_hat) / len(y)",
                ),
            ),
            line(
                "dout = dy_hat * y_hat * (1 - y_hat)",
                "dout = dy_hat * (y_hat - y_hat**2)",
                wrong=(
                    "dout = dy_hat * out * (1 - out)",
                    "dout = dy_hat * y_hat * (1 - y)",
                    "dout = dy_hat * (1 - y_hat**2)",
                ),
            ),
        ),
        between,
    ),
)


def two_layers(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    D, H, K = sizes.D, sizes.H, sizes.K
    return {"W1": (D, H), "b1": (1, H), "W2": (H, K), "b2": (1, K)}


RELU = Body(
    "two layers with a ReLU",
    (
        'Z1 = X @ p["W1"] + p["b1"]',
        "H = np.maximum(Z1, 0)",
        'out = H @ p["W2"] + p["b2"]',
    ),
    (
        weight("W2", "H", "dout"),
        bias("b2", "dout"),
        line(
            'dH = dout @ p["W2"].T',
            'dH = np.einsum("nk,hk->nh", dout, p["W2"])',
            wrong=(
                'dH = dout @ (p["W2"] - 0.1 * dW2).T',
                "dH = dout @ dW2.T",
                'dH = dout @ p["W2"].T / len(y)',
            ),
        ),
        line(
            "dZ1 = dH * (Z1 > 0)",
            "dZ1 = dH * np.sign(H)",
            "dZ1 = np.where(H > 0, dH, 0)",
            wrong=(
                "dZ1 = dH * (H >= 0)",
                "dZ1 = dH * np.sign(Z1)",
                "dZ1 = dH * (dH > 0)",
                "dZ1 = dH * H",
            ),
        ),
        weight("W1", "X", "dZ1"),
        bias("b1", "dZ1"),
    ),
    two_layers,
    lambda sizes: sizes.D,
    ("Z1", "b1"),
)

SKIP = Body(
    "three layers, one of them skipped",
    (
        'Z1 = X @ p["W1"] + p["b1"]',
        "H1 = np.tanh(Z1)",
        'Z2 = H1 @ p["W2"] + p["b2"]',
        "T2 = np.tanh(Z2)",
        "H2 = H1 + T2",
        'out = H2 @ p["W3"] + p["b3"]',
    ),
    (
        weight("W3", "H2", "dout", ("dW3 = T2.T @ dout",)),
        bias("b3", "dout"),
        line(
            'dH2 = dout @ p["W3"].T',
            'dH2 = (p["W3"] @ dout.T).T',
            wrong=("dH2 = dout @ dW3.T", 'dH2 = dout @ p["W3"].T / len(y)'),
        ),
        line("dT2 = dH2", "dT2 = dH2.copy()", wrong=("dT2 = dH2 * T2",)),
        line(
            "dZ2 = dT2 * (1 - T2**2)",
            "dZ2 = dT2 - dT2 * T2**2",
            wrong=("dZ2 = dT2 * (1 - H2**2)", "dZ2 = dT2 * (1 - np.tanh(T2) ** 2)", "dZ2 = dT2"),
        ),
        weight("W2", "H1", "dZ2", ("dW2 = H2.T @ dZ2",)),
        bias("b2", "dZ2"),
        line(
            'dH1 = dH2 + dZ2 @ p["W2"].T',
            'dH1 = dZ2 @ p["W2"].T + dH2',
            wrong=(
                'dH1 = dZ2 @ p["W2"].T',
                'dH1 = dH2 + dZ2 @ p["W2"]',
                'dH1 = dT2 * (1 + p["W2"].sum(axis=1))',
            ),
        ),
        line(
            "dZ1 = dH1 * (1 - H1**2)",
            "dZ1 = dH1 * (1 + H1) * (1 - H1)",
            wrong=("dZ1 = dH1 * (1 - H1) ** 2", "dZ1 = dH1 * H1 * (1 - H1)", "dZ1 = dH1"),
        ),
        weight("W1", "X", "dZ1"),
        bias("b1", "dZ1"),
    ),
    lambda s: {
        "W1": (s.D, s.H),
        "b1": (1, s.H),
        "W2": (s.H, s.H),
        "b2": (1, s.H),
        "W3": (s.H, s.K),
        "b3": (1, s.K),
    },
    lambda sizes: sizes.D,
)

LAYER_NORM = Body(
    "a layer norm",
    (
        'Z = X @ p["W1"] + p["b1"]',
        "mean = Z.mean(axis=1, keepdims=True)",
        "std = np.sqrt(((Z - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)",
        "Zn = (Z - mean) / std",
        'A = p["g"] * Zn + p["c"]',
        "H = np.tanh(A)",
        'out = H @ p["W2"]',
    ),
    (
        weight("W2", "H", "dout"),
        line(
            'dH = dout @ p["W2"].T',
            'dH = np.einsum("nk,hk->nh", dout, p["W2"])',
            wrong=('dH = dout @ (p["W2"] - 0.1 * dW2).T', "dH = dout @ dW2.T"),
        ),
        line(
            "dA = dH * (1 - H**2)",
            "dA = dH / np.cosh(A) ** 2",
            wrong=("dA = dH * (1 - A**2)", "dA = dH * H * (1 - H)", "dA = dH * (1 - H)"),
        ),
        line(
            "dg = (dA * Zn).sum(axis=0, keepdims=True)",
            wrong=("dg = (dA * Z).sum(axis=0, keepdims=True)",),
        ),
        bias("c", "dA"),
        line(
            'dZn = dA * p["g"]',
            'dZn = np.multiply(p["g"], dA)',
            wrong=("dZn = dA", 'dZn = dA / p["g"]', "dZn = dA * dg"),
        ),
        line(
            "dZ = (dZn - dZn.mean(axis=1, keepdims=True)"
            " - Zn * (dZn * Zn).mean(axis=1, keepdims=True)) / std",
            wrong=(
                "dZ = (dZn - dZn.mean(axis=0, keepdims=True)"
                " - Zn * (dZn * Zn).mean(axis=0, keepdims=True)) / std",
                "dZ = (dZn - dZn.mean(axis=1, keepdims=True)) / std",
                "dZ = dZn / std",
            ),
        ),
        weight("W1", "X", "dZ"),
        bias("b1", "dZ"),
    ),
    lambda s: {
        "W1": (s.D, s.H + 1),
        "b1": (1, s.H + 1),
        "g": (1, s.H + 1),
        "c": (1, s.H + 1),
        "W2": (s.H + 1, s.K),
    },
    lambda sizes: sizes.D,
)

GATE = Body(
    "a recurrent cell with a gate",
    (
        "x, h = X[:, :2], X[:, 2:]",
        'Zz = x @ p["Wz"] + h @ p["Uz"]',
        "z = 1 / (1 + np.exp(-Zz))",
        "zh = z * h",
        'Zn = x @ p["Wn"] + zh @ p["Un"]',
        "n = np.tanh(Zn)",
        "H = (1 - z) * h + z * n",
        'out = H @ p["W2"]',
    ),
    (
        weight("W2", "H", "dout"),
        line(
            'dH = dout @ p["W2"].T',
            'dH = (p["W2"] @ dout.T).T',
            wrong=('dH = dout @ p["W2"].T / len(y)', "dH = dout @ dW2.T"),
        ),
        line(
            "dn = dH * z",
            "dn = dH - dH * (1 - z)",
            wrong=("dn = dH * (1 - z)", "dn = dH * z * (1 - z)", "dn = dH"),
        ),
        line(
            "dZn = dn * (1 - n**2)",
            "dZn = dn * (1 - n) * (1 + n)",
            wrong=("dZn = dn * n * (1 - n)", "dZn = dn * (1 - z**2)", "dZn = dn * (1 - Zn**2)"),
        ),
        weight("Wn", "x", "dZn"),
        weight("Un", "zh", "dZn", ("dUn = h.T @ dZn",)),
        line(
            'dzh = dZn @ p["Un"].T',
            'dzh = np.einsum("nj,ij->ni", dZn, p["Un"])',
            wrong=('dzh = dZn @ p["Un"]', 'dzh = dn @ p["Un"].T'),
        ),
        line(
            "dz = dH * (n - h) + dzh * h",
            "dz = h * (dzh - dH) + dH * n",
            wrong=("dz = dH * (n - h)", "dz = dH * (h - n) + dzh * h", "dz = dH * n + dzh * h"),
        ),
        line(
            "dZz = dz * z * (1 - z)",
            "dZz = dz * (z - z**2)",
            wrong=("dZz = dz * (1 - z**2)", "dZz = dz * zh * (1 - zh)", "dZz = dz * z"),
        ),
        weight("Wz", "x", "dZz"),
        weight("Uz", "h", "dZz", ("dUz = H.T @ dZz",)),
    ),
    lambda s: {
        "Wz": (2, s.H),
        "Uz": (s.H, s.H),
        "Wn": (2, s.H),
        "Un": (s.H, s.H),
        "W2": (s.H, s.K),
    },
    lambda sizes: 2 + sizes.H,
)

ATTENTION = Body(
    "one head of attention",
    (
        'Q = X @ p["Wq"]',
        'K = X @ p["Wk"]',
        'V = X @ p["Wv"]',
        "S = Q @ K.T / np.sqrt(K.shape[1])",
        "E = np.exp(S - S.max(axis=1, keepdims=True))",
        "A = E / E.sum(axis=1, keepdims=True)",
        "C = A @ V",
        'out = C @ p["Wo"]',
    ),
    (
        weight("Wo", "C", "dout"),
        line(
            'dC = dout @ p["Wo"].T', wrong=('dC = dout @ p["Wo"].T / len(y)', "dC = dout @ dWo.T")
        ),
        line("dV = A.T @ dC", 'dV = np.einsum("ij,ik->jk", A, dC)', wrong=("dV = A @ dC",)),
        line("dA = dC @ V.T", wrong=("dA = C @ dC.T", "dA = V @ dC.T")),
        line(
            "dS = A * (dA - np.sum(A * dA, axis=1, keepdims=True))",
            "dS = A * dA - A * np.sum(A * dA, axis=1)[:, None]",
            wrong=(
                "dS = A * (dA - np.sum(A * dA, axis=0, keepdims=True))",
                "dS = A * (1 - A) * dA",
                "dS = A * dA - A * np.sum(A * dA, axis=1)",
            ),
        ),
        line(
            "dQ = dS @ K / np.sqrt(K.shape[1])",
            "dQ = dS @ (K / np.sqrt(K.shape[1]))",
            wrong=("dQ = dS @ K", "dQ = dS.T @ K / np.sqrt(K.shape[1])"),
        ),
        line(
            "dK = dS.T @ Q / np.sqrt(Q.shape[1])",
            "dK = dS.T @ Q / np.sqrt(K.shape[1])",
            wrong=("dK = dS @ Q / np.sqrt(Q.shape[1])", "dK = dS.T @ K / np.sqrt(Q.shape[1])"),
        ),
        weight("Wq", "X", "dQ"),
        weight("Wk", "X", "dK"),
        weight("Wv", "X", "dV"),
    ),
    lambda s: {
        "Wq": (s.D, s.H),
        "Wk": (s.D, s.H),
        "Wv": (s.D, s.H),
        "Wo": (s.H, s.K),
    },
    lambda sizes: sizes.D,
)

CONVOLUTION = Body(
    "a convolution, a ReLU and an average",
    (
        "B = np.lib.stride_tricks.sliding_window_view(X, 3, axis=1)",
        'Z = B @ p["W1"] + p["b1"]',
        "R = np.maximum(Z, 0)",
        "G = R.mean(axis=1)",
        'out = G @ p["W2"] + p["b2"]',
    ),
    (
        weight("W2", "G", "dout"),
        bias("b2", "dout"),
        line(
            'dG = dout @ p["W2"].T', wrong=("dG = dout @ dW2.T", 'dG = dout @ p["W2"].T / len(y)')
        ),
        line(
            "dR = np.ones(R.shape) * dG[:, None, :] / R.shape[1]",
            "dR = np.repeat(dG[:, None, :] / R.shape[1], R.shape[1], axis=1)",
            wrong=(
                "dR = np.ones(R.shape) * dG[:, None, :]",
                "dR = np.repeat(dG[:, None, :] / R.shape[2], R.shape[1], axis=1)",
                "dR = np.ones(R.shape) * dG[:, None, :] / X.shape[1]",
            ),
        ),
        line(
            "dZ = dR * (Z > 0)",
            "dZ = dR * (R > 0)",
            "dZ = dR * np.sign(R)",
            wrong=("dZ = dR * (R >= 0)", "dZ = dR * np.sign(Z)", "dZ = dR * (dR > 0)"),
        ),
        line(
            'dW1 = np.einsum("nsw,nsh->wh", B, dZ)',
            wrong=('dW1 = np.einsum("nsw,nsh->wh", B[:, ::-1], dZ)',),
        ),
        line(
            "db1 = dZ.sum(axis=(0, 1))[None, :]",
            "db1 = dZ.sum(axis=0).sum(axis=0, keepdims=True)",
            wrong=("db1 = dZ.mean(axis=1).sum(axis=0, keepdims=True)",),
        ),
    ),
    lambda s: {"W1": (3, s.H), "b1": (1, s.H), "W2": (s.H, s.K), "b2": (1, s.K)},
    lambda sizes: sizes.D + 4,
    ("Z", "b1"),
)

WEIGHT_NORM = Body(
    "weights of a length of their own",
    (
        'length = np.sqrt((p["V"] ** 2).sum(axis=0, keepdims=True))',
        'U = p["V"] / length',
        'W = p["g"] * U',
        'Z = X @ W + p["b1"]',
        "H = np.tanh(Z)",
        'out = H @ p["W2"] + p["b2"]',
    ),
    (
        weight("W2", "H", "dout"),
        bias("b2", "dout"),
        line(
            'dH = dout @ p["W2"].T', wrong=("dH = dout @ dW2.T", 'dH = dout @ p["W2"].T / len(y)')
        ),
        line(
            "dZ = dH * (1 - H**2)",
            "dZ = dH * (1 - H) * (1 + H)",
            wrong=("dZ = dH * (1 - H) ** 2", "dZ = dH * (1 - np.tanh(H) ** 2)", "dZ = dH"),
        ),
        bias("b1", "dZ"),
        line(
            "dW = X.T @ dZ",
            'dW = np.einsum("ni,nj->ij", X, dZ)',
            wrong=("dW = X.T @ dZ / len(y)", "dW = X.T @ dH"),
        ),
        line(
            "dg = (dW * U).sum(axis=0, keepdims=True)",
            wrong=('dg = (dW * p["V"]).sum(axis=0, keepdims=True)',),
        ),
        line(
            'dU = dW * p["g"]',
            'dU = np.multiply(p["g"], dW)',
            wrong=("dU = dW", 'dU = dW / p["g"]', "dU = dW * dg"),
        ),
        line(
            "dV = (dU - U * (U * dU).sum(axis=0, keepdims=True)) / length",
            wrong=(
                "dV = dU / length",
                "dV = dU - U * (U * dU).sum(axis=0, keepdims=True)",
                "dV = (dU - U * (U * dU).sum(axis=1, keepdims=True)) / length",
            ),
        ),
    ),
    lambda s: {
        "V": (s.D, s.H),
        "g": (1, s.H),
        "b1": (1, s.H),
        "W2": (s.H, s.K),
        "b2": (1, s.K),
    },
    lambda sizes: sizes.D,
)

BODIES = (RELU, SKIP, LAYER_NORM, GATE, ATTENTION, CONVOLUTION, WEIGHT_NORM)


def drawn_parameters(rng: np.random.RandomState, shapes: dict[str, tuple[int, ...]]) -> Arrays:
    """Parameters of ordinary size, biases included, so that no zero hides a mistake."""
    return {
        name: rng.normal(0.0, 0.8, shape) + (1.0 if name == "g" else 0.0)
        for name, shape in shapes.items()
    }
