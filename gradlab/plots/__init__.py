"""Figures: functions from data to a matplotlib axes, and the style that they share."""

from __future__ import annotations

from gradlab import validation

validation.require_installed("gradlab.plots", "matplotlib", "IPython")

from gradlab.plots.bughunt import *
from gradlab.plots.chances import *
from gradlab.plots.differences import *
from gradlab.plots.error_bars import *
from gradlab.plots.heatmap import *
from gradlab.plots.network import *
from gradlab.plots.precision import *
from gradlab.plots.scale import *
from gradlab.plots.style import *
