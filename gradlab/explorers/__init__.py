"""Figures with sliders: each explorer is one widget, and a still picture where no kernel runs."""

from __future__ import annotations

from gradlab.explorers.network import network_explorer

__all__ = ["network_explorer"]
