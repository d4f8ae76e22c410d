"""The compiled engine: the same machine as `reference`, event-driven, in Numba kernels.

Speed comes from the structure of the `Program`, whatever circuit it is:

- a population at which nothing arrives, or nothing that could fire it, costs nothing;
- spikes travel as they are, and are added up where and when somebody looks;
- half a weight is exactly an int8 (see `sbp.rows`), stored with a contiguous row per source
  neuron: only the rows of spiking neurons are read or written;
- projections of one source that carry one parameter alike are one matrix for as long as they
  learn alike, and part in the step in which they do not;
- a sum over the same spikes and the same weights is not added up again;
- nothing is allocated in the loop, and recording is opt-in.
"""

from __future__ import annotations

from sbp.engines import protocol
from sbp.engines.compiled.session import Machine, Session
from sbp.program import Program, State


class Compiled(protocol.Engine):
    """The engine `compiled`."""

    name = "compiled"
    description = "Numba kernels, event-driven; every spike, faster than the chip"
    modules = (__name__,)

    def chunk(self) -> int:
        """A network of 784-2000-10 learns about 10,000 samples a second."""
        return 1000

    def session(self, program: Program, state: State) -> Session:
        """Open `program` at `state`."""
        return Session(program, state)


ENGINE = Compiled()
run = ENGINE.run

__all__ = ["ENGINE", "Machine", "Session", "run"]
