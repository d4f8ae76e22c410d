"""What a run on Lava returns, and what it raises."""

from __future__ import annotations

from dataclasses import dataclass, field

from sbp.errors import SbpError
from sbp.run import Run, faults


class LavaError(SbpError, RuntimeError):
    """A Lava process could not be started, failed or ended; with its traceback, if it has one."""


@dataclass
class LavaRun(Run):
    """A `Run` that also says whether Lava did what the chip would have done.

    Attributes
    ----------
    layout : {"network", "fused"}
    departures : dict of str to int
        Layout ``network``: how many "spikes", "registers" (u or v of a neuron, looked at where a
        Lava run ended) and "weights" differ from what the chip's rules give after the same
        history.  Lava's LIF has no refractory time and clips v, so a neuron that is driven hard
        in its dead step departs.
    """

    layout: str = field(default="network", compare=False)
    departures: dict[str, int] = field(default_factory=dict, compare=False)

    def faults(self) -> dict[str, int]:
        """As `Run.faults`, and the departures."""
        state = self.state.copy()
        for held in state.weights.values():
            held &= ~1  # the stock learning model may leave the grid: a departure, told below
        return faults(self.program, state, self.counters) | {
            f"{kind} in which Lava departed from the chip": n for kind, n in self.departures.items()
        }
