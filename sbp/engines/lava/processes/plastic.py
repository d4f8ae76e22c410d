"""An exact and lean model of Lava's `LearningDense`, for simulation on the CPU."""

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.learning.constants import W_ACCUMULATOR_S, W_WEIGHTS_S
from lava.magma.core.learning.learning_rule import LoihiLearningRule
from lava.magma.core.learning.learning_rule_applier import LearningRuleApplierBitApprox
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyLearningDenseModelBitApproximate
from lava.proc.dense.process import LearningDense

WEIGHT_MIN, WEIGHT_MAX = -256, 254  # of a mixed-sign 8-bit synapse of the chip


def increments(rule: LoihiLearningRule) -> tuple[int, int]:
    """Weight change of a coincident pair with y1 = 0 and with y1 = 1, before saturation.

    Read off the rule by Lava's own evaluation of it, for one synapse whose neurons both spiked.
    """
    applier = LearningRuleApplierBitApprox(rule.active_product_series["dw"])
    one = np.ones((1, 1), np.int32)
    values = {"shape": (1, 1), "x0": one, "y0": one, "u": 0, "weights": 0 * one}
    changes = []
    for y1 in (0, 1):
        for dependency in ("x0", "y0", "u"):
            values |= {f"{trace}_{dependency}": 0 * one for trace in ("x1", "x2", "y2", "y3")}
            values[f"y1_{dependency}"] = y1 * one
        accumulated = int(applier.apply(0 * one, **values)[0, 0])
        changes.append(accumulated >> W_ACCUMULATOR_S - W_WEIGHTS_S)
    return changes[0], changes[1]


@implements(proc=LearningDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "exact")
class ExactLearningDense(PyLearningDenseModelBitApproximate):
    """Weights change by exactly what the learning rule says, and saturate at -256 and 254.

    Lava's own model differs in two places.  It adds the terms of the rule one after the other in
    an accumulator of 15 bits: at 254 the first, +4, is cut to 32767 / 128 = 255.99, the second,
    -2, leaves 253.99, and that is rounded at random, once in 128 times to 253.  And it decays the
    third factor y1 by a random draw before the rule reads it.

    The increments are not written here a second time: they are read off the rule in the graph.
    """

    def __init__(self, proc_params: dict) -> None:
        super().__init__(proc_params)
        self._dw = increments(self._learning_rule)
        self._exponent: int = proc_params.get("weight_exp", 0)
        self._pre = self._post = np.zeros(0, np.intp)

    def run_spk(self) -> None:
        """Send what was read in the last step; read with the weights of this moment."""
        self.a_out.send(self.a_buff)
        self._pre = np.flatnonzero(self.s_in.recv())
        self.a_buff: np.ndarray = (
            self.weights[:, self._pre].sum(axis=1, dtype=np.int32) << self._exponent
        )
        self._post = np.flatnonzero(self.s_in_bap.recv())
        self._reward = self.s_in_y1.recv()

    def lrn_guard(self) -> bool:
        """Ask for the learning phase only where a pair of neurons spiked together."""
        return bool(self._pre.size and self._post.size)

    def run_lrn(self) -> None:
        """Change the weights of the coincident pairs, after this step's read."""
        if self._pre.size and self._post.size:
            pairs = np.ix_(self._post, self._pre)
            change = np.where(self._reward[self._post] > 0, self._dw[1], self._dw[0])
            self.weights[pairs] = np.clip(
                self.weights[pairs] + change[:, np.newaxis], WEIGHT_MIN, WEIGHT_MAX
            )
