"""Figures with sliders: each explorer is one widget, and a still picture where no kernel runs."""

from __future__ import annotations

from gradlab import validation

validation.require_installed("gradlab.explorers", "matplotlib", "ipywidgets")

from gradlab.explorers.direction import direction_explorer
from gradlab.explorers.epsilon import epsilon_explorer
from gradlab.explorers.error_bars import error_bar_explorer
from gradlab.explorers.fingerprint import fingerprint_explorer
from gradlab.explorers.floats import float_explorer
from gradlab.explorers.graph import graph_explorer
from gradlab.explorers.network import network_explorer
from gradlab.explorers.secant import secant_explorer
from gradlab.explorers.training import training_explorer

__all__ = [
    "direction_explorer",
    "epsilon_explorer",
    "error_bar_explorer",
    "fingerprint_explorer",
    "float_explorer",
    "graph_explorer",
    "network_explorer",
    "secant_explorer",
    "training_explorer",
]
