"""Real weights of neurons with real thresholds, brought to the chip's grid; what that loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sbp.errors import SpecError
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN
from sbp.weights import nearest

THRESHOLD = 513.0  #: weight units, in the middle between not firing (512) and firing (514)
SAME_THRESHOLD = (512.0, 514.0)  #: on even weights, any threshold from ... to below ... is the same


@dataclass(frozen=True)
class Loss:
    """What the chip's grid did to one matrix, in weight units.

    Attributes
    ----------
    scale : (float, float)
        Least and largest factor that brought a neuron's threshold to the chip's.
    largest, rms : float
        Rounding error of the weights that did not saturate.
    saturated : int
        Weights beyond -256 .. 254, clipped.
    vanished : int
        Weights that were not 0 and became 0.
    relative : float
        Root of the mean square of all errors, saturated weights included, over that of the
        weights; 0 where all weights are 0.
    furthest : float
        How far the furthest of them lay beyond.
    weights : int
        All weights.
    """

    scale: tuple[float, float]
    largest: float
    rms: float
    saturated: int
    furthest: float
    vanished: int
    relative: float
    weights: int

    @property
    def mostly_lost(self) -> bool:
        """Whether most of what the matrix said is gone."""
        return self.relative > 0.5 or 2 * self.vanished > self.weights


def quantise(matrix: np.ndarray, threshold: np.ndarray) -> tuple[np.ndarray, Loss]:
    """Real weights of neurons with real thresholds, on the chip's grid.

    Each row is scaled so that its neuron's threshold becomes 513, the middle of the gap in which
    the chip's lies; a row whose threshold is 512 or up to 514 already keeps its scale.  Then
    weights are rounded to the nearest even integer and clipped to -256 .. 254.

    Parameters
    ----------
    matrix : ndarray of float, shape (n_post, n_pre)
    threshold : ndarray of float, shape (n_post,)
        Positive.

    Returns
    -------
    matrix : ndarray of int16, shape (n_post, n_pre)
    loss : Loss

    Raises
    ------
    SpecError
        If a threshold is so small beside the weights that scaling overflows.
    """
    low, high = SAME_THRESHOLD
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.where((threshold >= low) & (threshold < high), 1.0, THRESHOLD / threshold)
        wanted = matrix * scale[:, None]
    if not np.isfinite(wanted).all():
        raise SpecError(
            f"the threshold {threshold.min():g} cannot be scaled to {THRESHOLD:g}: too small"
        )
    rounded = nearest(wanted)
    clipped = np.clip(rounded, WEIGHT_MIN, WEIGHT_MAX)
    error = np.abs(clipped - wanted)
    saturated = clipped != rounded
    fine = error[~saturated]
    return clipped.astype(np.int16), Loss(
        scale=(float(scale.min()), float(scale.max())),
        largest=float(fine.max(initial=0)),
        rms=float(np.sqrt(np.square(fine).mean())) if fine.size else 0.0,
        saturated=int(saturated.sum()),
        furthest=float(error[saturated].max(initial=0)),
        vanished=int(((clipped == 0) & (wanted != 0)).sum()),
        relative=_norm(error) / norm if (norm := _norm(wanted)) else 0.0,
        weights=matrix.size,
    )


def _norm(values: np.ndarray) -> float:
    """Length of `values`; scaled first, so that no square overflows."""
    largest = float(np.abs(values).max(initial=0))
    return largest * float(np.linalg.norm(values / largest)) if largest else 0.0
