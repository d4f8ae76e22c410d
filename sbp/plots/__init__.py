"""Pictures of circuits, runs and results, each with a text that says what it shows.

Every function takes data and returns a `Picture`, a matplotlib figure made without pyplot.
`alt_text` gives the words, `save` writes a PNG, SVG or PDF that carries them.  Colours are
those of Okabe and Ito; nothing is told by colour alone.
"""

from sbp.plots.phases import counters_by_phase, phase_diagram
from sbp.plots.picture import Picture, alt_text, format_of, save
from sbp.plots.results import (
    confusion_matrix,
    digits,
    learning_curve,
    learning_curves,
    weight_images,
)
from sbp.plots.spikes import raster
from sbp.plots.wiring import circuit_diagram

__all__ = [
    "Picture",
    "alt_text",
    "circuit_diagram",
    "confusion_matrix",
    "counters_by_phase",
    "digits",
    "format_of",
    "learning_curve",
    "learning_curves",
    "phase_diagram",
    "raster",
    "save",
    "weight_images",
]
