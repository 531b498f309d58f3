"""Figures with sliders: each explorer is one widget, and a still picture where no kernel runs."""

from __future__ import annotations

from gradlab.explorers.epsilon import epsilon_explorer
from gradlab.explorers.network import network_explorer

__all__ = ["epsilon_explorer", "network_explorer"]
