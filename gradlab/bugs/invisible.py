"""Mistakes that no gradient check can see, and for each the computation that shows it.

Forward and backward agree here, or the fault lies outside both: in the initialisation, the data,
the optimiser. The gradient is the right gradient, of a program that is wrong. A ``witness`` returns
two numbers: what the computation gives for the code with the mistake, and for the code without.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gradlab import mlp
from gradlab.bugs.entry import INVISIBLE, Bug
from gradlab.bugs.layers import draw_mask
from gradlab.bugs.networks import (
    COURSE,
    Arrays,
    Network,
    Problem,
    draw,
    dropout,
    on,
    rows_summed,
)
from gradlab.data import paraboloid, random_stream
from gradlab.validation import Params

DrawMask = Callable[[int, tuple[int, ...]], np.ndarray]
Update = Callable[[Arrays, Params], None]

# --- The forward pass, followed by the backward pass ----------------------------------------------


def forward_with_tanh(params: Params, X: np.ndarray) -> tuple[np.ndarray, Arrays]:
    H = np.tanh(X @ params["W1"] + params["b1"])  # the exercise says sigmoid
    y_hat = H @ params["W2"] + params["b2"]
    return y_hat, {"X": X, "H": H, "y_hat": y_hat}


def backward_with_tanh(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    X, H, y_hat = cache["X"], cache["H"], cache["y_hat"]
    dy = (y_hat - y) / len(y)
    dZ1 = dy @ params["W2"].T * (1 - H**2)
    return {"W1": X.T @ dZ1, "b1": rows_summed(dZ1), "W2": H.T @ dy, "b2": rows_summed(dy)}


def tanh_witness(seed: int) -> tuple[float, float]:
    """The distance to one prediction worked out with a calculator's functions."""
    params, X, _ = draw(seed)
    by_hand = params["b2"][0, 0]
    for j in range(5):
        z = math.fsum(x * w for x, w in zip(X[0], params["W1"][:, j], strict=True))
        by_hand += params["W2"][j, 0] / (1 + math.exp(-z - params["b1"][0, j]))
    return tuple(
        abs(forward(params, X)[0][0, 0] - by_hand) for forward in (forward_with_tanh, mlp.forward)
    )


def loss_without_last_row(y_hat: np.ndarray, y: np.ndarray) -> float | np.ndarray:
    errors = (y_hat - y)[..., :-1, :]  # a range that stops one too early
    return 0.5 * np.sum(errors**2, axis=(-2, -1)) / len(y)


def backward_without_last_row(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    y = y.copy()
    y[-1] = cache["y_hat"][-1]  # the same rows as in the loss
    return mlp.backward(params, cache, y)


WITHOUT_LAST_ROW = Network(mlp.forward, backward_without_last_row, loss_without_last_row)


def unused_samples_witness(seed: int) -> tuple[float, float]:
    """How many samples can be moved without moving the loss."""

    def unused(loss: Callable[[np.ndarray, np.ndarray], mlp.LossValue]) -> int:
        params, X, y = draw(seed)
        y_hat, _ = mlp.forward(params, X)
        nudged = (y + np.eye(len(y))[:, [i]] for i in range(len(y)))
        return sum(loss(y_hat, targets) == loss(y_hat, y) for targets in nudged)

    return unused(loss_without_last_row), unused(mlp.loss)


def broadcast_loss(y_hat: np.ndarray, y: np.ndarray) -> float | np.ndarray:
    errors = y_hat - y[:, 0]  # (N, 1) minus (N,) is (N, N)
    return 0.5 * np.sum(errors**2, axis=(-2, -1)) / errors.shape[-2] / errors.shape[-1]


def broadcast_backward(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    mean_target = np.full(y.shape, np.mean(y))  # every prediction meets every target
    return mlp.backward(params, cache, mean_target)


BROADCAST = Network(mlp.forward, broadcast_backward, broadcast_loss)


def broadcast_witness(seed: int) -> tuple[float, float]:
    """The distance to the loss added up sample by sample in a loop."""
    params, X, y = draw(seed)
    y_hat, _ = mlp.forward(params, X)
    loop = sum(0.5 * (y_hat[i, 0] - y[i, 0]) ** 2 for i in range(len(y))) / len(y)
    return abs(broadcast_loss(y_hat, y) - loop), abs(mlp.loss(y_hat, y) - loop)


def loss_by_features(y_hat: np.ndarray, y: np.ndarray) -> float | np.ndarray:
    return mlp.loss(y_hat, y) * len(y) / 2  # divided by the number of inputs, not of samples


def backward_by_features(params: Params, cache: Params, y: np.ndarray) -> Arrays:
    return {k: g * len(y) / 2 for k, g in mlp.backward(params, cache, y).items()}


BY_FEATURES = Network(mlp.forward, backward_by_features, loss_by_features)


def wrong_count_witness(seed: int) -> tuple[float, float]:
    """The loss of four predictions that are each 1 too large: 1/2, by hand."""
    y = np.zeros((4, 1))
    return float(loss_by_features(y + 1, y)), mlp.loss(y + 1, y)


# --- Initialisation -------------------------------------------------------------------------------


def variance_as_std(sizes: tuple[int, int, int] = (2, 5, 1), seed: int = 0) -> Arrays:
    D, H, K = sizes
    rng = random_stream(seed)
    return {
        "W1": rng.normal(0, 2 / (D + H), (D, H)),  # the square root is missing
        "b1": np.zeros((1, H)),
        "W2": rng.normal(0, 2 / (H + K), (H, K)),
        "b2": np.zeros((1, K)),
    }


def variance_witness(seed: int) -> tuple[float, float]:
    """The spread of the initial weights of a wide layer, over the spread that is intended."""
    sizes = (100, 100, 1)

    def spread(init: Callable[..., Arrays]) -> float:
        return float(np.std(init(sizes, seed)["W1"]) / np.sqrt(2 / 200))

    return spread(variance_as_std), spread(mlp.init_params)


def equal_weights(sizes: tuple[int, int, int] = (2, 5, 1), seed: int = 0) -> Arrays:
    params = mlp.init_params(sizes, seed)
    params["W1"][...] = 0.5  # every hidden unit is the same, and stays the same
    params["W2"][...] = 0.5
    return params


def equal_units_witness(seed: int) -> tuple[float, float]:
    """How many different hidden units there are after training."""

    def different_units(init: Callable[..., Arrays]) -> int:
        X, y = paraboloid(20, seed)
        params = init(seed=seed)
        mlp.train(params, X, y, steps=200)
        _, cache = mlp.forward(params, X)
        return len({tuple(unit) for unit in cache["H"].T.round(6)})

    return different_units(equal_weights), different_units(mlp.init_params)


def at_start(init: Callable[..., Arrays]) -> Callable[[int], Problem]:
    """A function from a seed to the problem at what ``init`` draws."""

    def problem(seed: int) -> Problem:
        X, y = paraboloid(20, seed)
        return COURSE.at(init(seed=seed), X, y)

    return problem


# --- Dropout --------------------------------------------------------------------------------------


def mask_not_rescaled(seed: int, shape: tuple[int, ...], keep: float = 0.6) -> np.ndarray:
    return (np.random.RandomState(seed).uniform(size=shape) < keep) * 1.0  # not divided by keep


def rescaling_witness(seed: int) -> tuple[float, float]:
    """How far the mean over 1,000 training-mode outputs is from the test-mode output, relatively."""
    params, X, _ = draw(seed)
    _, cache = mlp.forward(params, X)
    hidden_part = cache["H"] @ params["W2"]

    def distance(draw_a_mask: DrawMask) -> float:
        masks = draw_a_mask(seed, (1000, *cache["H"].shape))
        mean = np.mean((cache["H"] * masks) @ params["W2"], axis=0)
        return float(np.linalg.norm(mean - hidden_part) / np.linalg.norm(hidden_part))

    return distance(mask_not_rescaled), distance(draw_mask)


def one_mask_for_all(seed: int, shape: tuple[int, ...], keep: float = 0.6) -> np.ndarray:
    row = draw_mask(seed, (1, shape[1]), keep)
    return np.repeat(row, shape[0], axis=0)  # the same units are dropped for every sample


def one_mask_witness(seed: int) -> tuple[float, float]:
    """How many different masks there are in a batch of 20."""

    def different_masks(draw_a_mask: DrawMask) -> int:
        return len({tuple(row) for row in draw_a_mask(seed, (20, 5))})

    return different_masks(one_mask_for_all), different_masks(draw_mask)


def masked(draw_a_mask: DrawMask) -> Callable[[int], Problem]:
    """A function from a seed to a problem with dropout, the mask drawn once and held."""

    def problem(seed: int) -> Problem:
        params, X, y = draw(seed)
        return dropout(draw_a_mask(seed, (len(y), 5))).at(params, X, y)

    return problem


# --- Data -----------------------------------------------------------------------------------------


def shuffled_labels(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = paraboloid(samples, seed)
    return np.random.RandomState(seed).permutation(X), y  # X is shuffled, y is not


def shuffled_problem(seed: int) -> Problem:
    X, y = shuffled_labels(20, seed)
    return COURSE.at(mlp.init_params(seed=seed), X, y)


def held_out_witness(seed: int) -> tuple[float, float]:
    """The loss on fresh samples after training, over that of always predicting their mean."""

    def held_out(samples: tuple[np.ndarray, np.ndarray]) -> float:
        X, y = samples
        params = mlp.init_params(seed=seed)
        mlp.train(params, X, y, steps=1000, learning_rate=1.0)
        X, y = paraboloid(200, seed + 1000)
        return mlp.loss(mlp.forward(params, X)[0], y) / mlp.loss(np.full(y.shape, y.mean()), y)

    return held_out(shuffled_labels(100, seed)), held_out(paraboloid(100, seed))


# --- The update -----------------------------------------------------------------------------------


def ascent(params: Arrays, grads: Params, learning_rate: float = 0.1) -> None:
    for name in params:
        params[name] += learning_rate * grads[name]  # uphill


def update_per_sample(
    params: Arrays, grads: Params, learning_rate: float = 0.1, samples: int = 20
) -> None:
    for _ in range(samples):  # inside the loop over the samples, with the gradient of the batch
        for name in params:
            params[name] -= learning_rate * grads[name]


def decay_upwards(
    params: Arrays, grads: Params, learning_rate: float = 0.1, decay: float = 0.1
) -> None:
    for name in params:
        params[name] -= learning_rate * (grads[name] - decay * params[name])  # should be + decay


def descent(params: Arrays, grads: Params, learning_rate: float = 0.1) -> None:
    """The right update."""
    for name in params:
        params[name] -= learning_rate * grads[name]


def bowl_witness(seed: int) -> tuple[float, float]:
    """The distance to the minimum of a quadratic bowl after 20 steps, over that at the start."""

    def distance(update: Update) -> float:
        w = {"w": np.random.RandomState(seed).normal(size=3)}
        start = np.linalg.norm(w["w"])
        for _ in range(20):
            update(w, {"w": w["w"].copy()})  # the gradient of |w|**2 / 2
        return float(np.linalg.norm(w["w"]) / start)

    return distance(ascent), distance(descent)


def step_length_witness(seed: int) -> tuple[float, float]:
    """The length of one step, in units of the learning rate times the gradient."""

    def length(update: Update) -> float:
        w, gradient = {"w": np.zeros(3)}, {"w": np.random.RandomState(seed).normal(size=3)}
        update(w, gradient)
        return float(np.linalg.norm(w["w"]) / np.linalg.norm(0.1 * gradient["w"]))

    return length(update_per_sample), length(descent)


def decay_witness(seed: int) -> tuple[float, float]:
    """The norm of the weights after 30 steps without a gradient, over that at the start."""

    def growth(sign: int) -> float:
        w = {"w": np.random.RandomState(seed).normal(size=3)}
        start = np.linalg.norm(w["w"])
        for _ in range(30):
            decay_upwards(w, {"w": np.zeros(3)}, decay=sign * 0.1)
        return float(np.linalg.norm(w["w"]) / start)

    return growth(+1), growth(-1)


ENTRIES = (
    Bug(
        name="wrong_activation",
        title="tanh where sigmoid is meant, in both passes",
        wrong="Forward and backward both use tanh; the specification says sigmoid.",
        reported="no report known: such a program passes its own tests",
        function=forward_with_tanh,
        kind=INVISIBLE,
        ordinary=on(Network(forward_with_tanh, backward_with_tanh)),
        witness=tanh_witness,
        verdict="ok",
        revealed_by="Compare one prediction with an independent forward pass.",
    ),
    Bug(
        name="last_row_unused",
        title="The last sample never used",
        wrong="An index stops one too early, in the loss and in the backward pass.",
        reported="iamtrask/Grokking-Deep-Learning, chapter 10, range(rows - kernel_rows)",
        function=loss_without_last_row,
        kind=INVISIBLE,
        ordinary=on(WITHOUT_LAST_ROW),
        witness=unused_samples_witness,
        verdict="ok",
        revealed_by="Nudge each sample: every one must change the loss.",
    ),
    Bug(
        name="broadcast_loss",
        title="(N, 1) minus (N,) is (N, N)",
        wrong="The loss compares every prediction with every target, and backward follows.",
        reported="manzilzaheer/DeepSets#1; pytorch/pytorch#16045",
        function=broadcast_loss,
        kind=INVISIBLE,
        ordinary=on(BROADCAST),
        witness=broadcast_witness,
        verdict="ok",
        revealed_by="Assert the shapes; compare the loss with a loop over the samples.",
    ),
    Bug(
        name="wrong_count",
        title="Loss divided by the wrong count",
        wrong="Loss and gradient are divided by the number of inputs instead of samples.",
        reported="lipiji/rnn-theano#3; Raschka-research-group/coral-pytorch#22",
        function=loss_by_features,
        kind=INVISIBLE,
        ordinary=on(BY_FEATURES),
        witness=wrong_count_witness,
        verdict="ok",
        revealed_by="One value of the loss worked out by hand.",
    ),
    Bug(
        name="variance_as_std",
        title="Variance passed as standard deviation",
        wrong="The initial weights are drawn with 2/(fan_in + fan_out) and no square root.",
        reported="the published solution of the course's exercise; compare mlverse/torch#555",
        function=variance_as_std,
        kind=INVISIBLE,
        ordinary=at_start(variance_as_std),
        witness=variance_witness,
        verdict="ok",
        revealed_by="The spread of the initial weights of a wide layer.",
    ),
    Bug(
        name="equal_weights",
        title="All weights equal",
        wrong="Every hidden unit starts as the same unit, and gets the same gradient for ever.",
        reported="folklore; every initialisation with zeros",
        function=equal_weights,
        kind=INVISIBLE,
        ordinary=at_start(equal_weights),
        witness=equal_units_witness,
        verdict="ok",
        revealed_by="Count the different hidden units after training.",
    ),
    Bug(
        name="mask_not_rescaled",
        title="Dropout not rescaled",
        wrong="The mask is not divided by keep, and test mode does not multiply by it.",
        reported="compare kaldi-asr/kaldi#2814: divided by the wrong probability",
        function=mask_not_rescaled,
        kind=INVISIBLE,
        ordinary=masked(mask_not_rescaled),
        witness=rescaling_witness,
        verdict="ok",
        revealed_by="The mean of the training-mode output against the test-mode output.",
    ),
    Bug(
        name="one_mask_for_all",
        title="One dropout mask for the whole batch",
        wrong="The mask is drawn once and repeated for every sample.",
        reported="0809zheng/CS231n-assignment2019, dropout_forward, rand(1, D)",
        function=one_mask_for_all,
        kind=INVISIBLE,
        ordinary=masked(one_mask_for_all),
        witness=one_mask_witness,
        verdict="ok",
        revealed_by="Look at the masks of one batch.",
    ),
    Bug(
        name="shuffled_labels",
        title="Labels shuffled against the inputs",
        wrong="The rows of X are permuted, those of y are not.",
        reported="mlcommons/GaNDLF#870",
        function=shuffled_labels,
        kind=INVISIBLE,
        ordinary=shuffled_problem,
        witness=held_out_witness,
        verdict="ok",
        revealed_by="The loss on fresh samples against that of always predicting the mean.",
    ),
    Bug(
        name="ascent",
        title="The optimiser adds",
        wrong="The gradient is right, and the update goes uphill.",
        reported="iamtrask/Grokking-Deep-Learning, chapter 10; SlopDotCash/asi#2349",
        function=ascent,
        kind=INVISIBLE,
        ordinary=on(COURSE),
        witness=bowl_witness,
        verdict="ok",
        revealed_by="A quadratic bowl whose minimum is known.",
    ),
    Bug(
        name="update_per_sample",
        title="Update inside the loop over samples",
        wrong="The gradient of the whole batch is applied once for every sample.",
        reported="iamtrask/Grokking-Deep-Learning, chapter 8, last cell",
        function=update_per_sample,
        kind=INVISIBLE,
        ordinary=on(COURSE),
        witness=step_length_witness,
        verdict="ok",
        revealed_by="The length of one step, in units of learning rate times gradient.",
    ),
    Bug(
        name="decay_upwards",
        title="Weight decay with the wrong sign",
        wrong="The update lets the weights grow instead of shrink.",
        reported="andersbll/nnet#4",
        function=decay_upwards,
        kind=INVISIBLE,
        ordinary=on(COURSE),
        witness=decay_witness,
        verdict="ok",
        revealed_by="Steps without a gradient: the weights must shrink.",
    ),
)
