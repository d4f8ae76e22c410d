"""A trained network in other people's formats, above all the field's common one, NIR.

The inference network is ``h = [W1 x > 512]``, ``o = [W2 h > 512]`` (`sbp.algebra`), and so on for
more layers.  As a graph of the Neuromorphic Intermediate Representation it is ::

    input -> W1 (Affine) -> h (CubaLIF) -> W2 (Affine) -> o (CubaLIF) -> output

* **CubaLIF**, a neuron with synaptic current and membrane potential, is what a compartment of
  the chip is.  Both its time constants are one step of `STEP` seconds: Euler's rule then carries
  nothing over from one step to the next, which is the chip's decay of 4096/4096.
* **The threshold is 513**, not 512: weights are even, so no sum lies between 512 and 514, and a
  receiver that tests ``v >= threshold``, or whose Euler factor dt / tau is off by a rounding
  error, fires exactly when the chip does.
* **Numbers are float32**, exact for every sum below 2**24 weight units.
* **Gating.** In the circuit a ring of gates decides in which step a layer may fire.  Neurons that
  forget everything need no gate for that, because the order of the layers says it: the graph is
  the network as the gates let it act.  The ring itself is left out; see `NOT_SAID`.
"""

from sbp.app.exchange.grid import SAME_THRESHOLD, THRESHOLD, Loss, quantise
from sbp.app.exchange.reading import read
from sbp.app.exchange.writing import FORMATS, MODELS, NOT_SAID, STEP, facts, to_nir, write

__all__ = [
    "FORMATS",
    "MODELS",
    "NOT_SAID",
    "SAME_THRESHOLD",
    "STEP",
    "THRESHOLD",
    "Loss",
    "facts",
    "quantise",
    "read",
    "to_nir",
    "write",
]
