"""Every published number that this package is held to, and how each is measured here.

`CLAIMS` is the table of contents of the reproduction: the command line, the tests and the status
page are views of it.  Numbers under `Quantity.expected` are published, or derived from published
tables (then `Claim.origin` says "derived"); nothing is filled in where nothing was published.

Sources: Renner, Sheldon, Zlotnik, Tao, Sornborger, *The backpropagation algorithm implemented on
spiking neuromorphic hardware*, Nature Communications 15, 9691 (2024), doi
10.1038/s41467-024-53827-9 ("the paper"); arXiv 2106.07030 ("the preprint"); the authors' released
code, ``lanl/spikingBackprop`` ("the authors' code").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sbp.errors import SpecError

Origin = Literal["published", "derived", "ours"]

#: Presets, weakest first.  A claim is decided by a run at its own preset or a stronger one.
PRESETS = ("smoke", "paper")


class Quantity(NamedTuple):
    """One number of a claim.

    Attributes
    ----------
    name : str
    expected : float or None
        Published or derived value; None where there is none, and then nothing is decided.
    tolerance : float
        Largest accepted distance between `expected` and the mean over seeds, in `unit`.
    unit : str
    """

    name: str
    expected: float | None = None
    tolerance: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement, where it was made, and what would count as agreement.

    Attributes
    ----------
    id : str
        Names the result file and the figure.
    statement : str
        One sentence.
    source : str
        Table, figure or section.
    origin : {"published", "derived", "ours"}
        Published by the authors; derived here from what they published; or a result of our own,
        with nothing to compare it with.
    quantities : tuple of Quantity
    how : str
        How it is measured here.
    why : str
        Why this tolerance; or why there is none.
    preset : {"smoke", "paper"}
        The weakest preset that decides it.
    seeds : int
        Seeds at that preset; 0 where nothing is random.
    engine : str
        The engine that trains; "" where nothing is trained.
    data : tuple of str
        Data sets it needs.
    in_smoke : bool
        Whether the smoke preset runs it (scaled down, where `preset` is "paper").
    remark : str
        What to make of the result.
    """

    id: str
    statement: str
    source: str
    origin: Origin
    quantities: tuple[Quantity, ...]
    how: str
    why: str
    preset: Literal["smoke", "paper"] = "paper"
    seeds: int = 0
    engine: str = ""
    data: tuple[str, ...] = ()
    in_smoke: bool = False
    remark: str = ""

    def quantity(self, name: str) -> Quantity:
        """The quantity called `name`."""
        return next(quantity for quantity in self.quantities if quantity.name == name)


_SAMPLING = (
    "Two standard errors of one accuracy over 10,000 test images (binomial: {} points each). "
    "How many runs and which of them the published figure stands for is not known to us."
)
_EXACT = "A count: no tolerance."
_OURS = "Nothing was published to compare it with."

CLAIMS = (
    Claim(
        "circuit-sizes",
        "The learning circuit for 400-400-10 has 3,282 neurons and 517,203 synapses, 500,000 of "
        "them plastic; the inference circuit 814 neurons and 165,215 synapses.",
        "The paper's Methods and the authors' code (topology tables), summed up",
        "derived",
        (
            Quantity("neurons, learning", 3282),
            Quantity("synapses, learning", 517_203),
            Quantity("plastic synapses", 500_000),
            Quantity("neurons, inference", 814),
            Quantity("synapses, inference", 165_215),
        ),
        "Counted in the lowered programs that the engines run: neurons without the external "
        "sources, synapses with those of the sources and the kick (411 and 401 of them).",
        _EXACT,
        preset="smoke",
        in_smoke=True,
    ),
    Claim(
        "steps-per-sample",
        "Learning takes 12 time steps a sample, inference 4.",
        "The paper, Fig. 2 and Methods",
        "published",
        (Quantity("learning", 12, 0, "steps"), Quantity("inference", 4, 0, "steps")),
        "Time between two spikes of the first gate, g0, on the reference engine.",
        _EXACT,
        preset="smoke",
        in_smoke=True,
    ),
    Claim(
        "digits-circuit-equals-algebra",
        "What the spiking circuit computes is exactly the backpropagation step of the algebra.",
        "The paper's Methods, written out in sbp.algebra",
        "derived",
        (
            Quantity("differing output spikes", 0),
            Quantity("differing weights", 0),
            Quantity("unscheduled learning", 0),
        ),
        "300 embedded digits through the learning circuit 64-32-10 on the reference engine and "
        "through the algebra, from the same random weights.",
        _EXACT,
        preset="smoke",
        seeds=1,
        engine="reference",
        data=("digits",),
        in_smoke=True,
    ),
    Claim(
        "digits",
        "The circuit learns scikit-learn's 8x8 digits (64-400-10, binarised).",
        "This package",
        "ours",
        (
            Quantity("exact", unit="%"),
            Quantity("spike", unit="%"),
            Quantity("membrane", unit="%"),
        ),
        "Test accuracy after 30 epochs on the embedded digits; the writers of the test set are "
        "not in the training set.",
        _OURS,
        preset="smoke",
        seeds=5,
        engine="algebra",
        data=("digits",),
        in_smoke=True,
    ),
    Claim(
        "mnist-best-checkpoint",
        "On-chip training reaches 96.3 % (97.5 %) on MNIST with 400-400-10.",
        "The paper, Table 1 and its footnote b",
        "published",
        (
            Quantity("spike", 96.3, 0.4, "%"),
            Quantity("membrane", 97.5, 0.3, "%"),
            Quantity("exact", unit="%"),
        ),
        "The best of 60 epochs by test accuracy, for each measure by itself.  This is how we read "
        "the two published figures: the best checkpoint by output spikes, and by membrane "
        "potentials.  Choosing an epoch by the test set flatters by a few tenths of a point.",
        _SAMPLING.format("0.19 and 0.16"),
        seeds=10,
        engine="algebra",
        data=("mnist",),
        in_smoke=True,
    ),
    Claim(
        "mnist-60-epochs",
        "On-chip training reaches 95.7 % on MNIST with 400-400-10.",
        "The preprint",
        "published",
        (
            Quantity("spike", 95.7, 0.4, "%"),
            Quantity("membrane", unit="%"),
            Quantity("exact", unit="%"),
            Quantity("mse"),
        ),
        "Test accuracy after the 60th epoch.  Which measure and which checkpoint the preprint's "
        "figure stands for is not known to us; it is compared with the output spikes.",
        _SAMPLING.format("0.20"),
        seeds=10,
        engine="algebra",
        data=("mnist",),
        in_smoke=True,
    ),
    Claim(
        "mnist-learning-curve",
        "Accuracy and mean squared error per epoch of on-chip training, mean of 3 runs.",
        "The paper, Fig. 3",
        "published",
        (
            Quantity("spike, epoch 1", unit="%"),
            Quantity("spike, epoch 10", unit="%"),
            Quantity("spike, last epoch", unit="%"),
            Quantity("mse, epoch 1"),
            Quantity("mse, epoch 10"),
            Quantity("mse, last epoch"),
        ),
        "Three runs of the spiking circuit on the compiled engine; after each epoch the test set "
        "goes through the inference circuit.",
        "Published as a picture; its numbers are not known to us, so nothing is decided.",
        seeds=3,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "mnist-circuit-equals-algebra",
        "Over a whole training the circuit and the algebra stay equal, bit for bit.",
        "The paper's Methods, written out in sbp.algebra",
        "derived",
        (
            Quantity("differing weights", 0),
            Quantity("unscheduled learning", 0),
            Quantity("register wraps", 0),
        ),
        "60 epochs of 60,000 samples, same seed: every weight of the circuit (compiled engine) "
        "against every weight of the algebra, compared after every 4,000 samples.",
        _EXACT,
        seeds=3,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "mnist-closing-gate",
        "On MNIST with 400-400-10 no input gets past a closing gate (17,344 weight units).",
        "The paper's parameter tables: 1024 + 8192 + 8128",
        "derived",
        (
            Quantity("samples past a closing gate", 0),
            Quantity("largest input of h when closed", unit="weight units"),
            Quantity("largest input of o when closed", unit="weight units"),
            Quantity("ungated samples by epoch 10"),
            Quantity("ungated samples in all"),
        ),
        "Synaptic current of h at p = 8 and of o at p = 0, 6 and 10, every sample of 60 epochs.  "
        "A sample is ungated if h fires at p = 0 without a gate: nothing learns from it.",
        "Beyond the limit h is dead when it should learn, and circuit and algebra part.",
        seeds=3,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "mnist-weight-symmetry",
        "The copies of the weights, each learning by itself, stay equal over a whole training.",
        "The paper's learning rule: equal copies see equal coincidences",
        "derived",
        (
            Quantity("parted copies of W1", 0),
            Quantity("parted copies of W2, same sign", 0),
            Quantity("parted synapses of the negated copy of W2"),
            Quantity("largest distance of the negated copy", unit="weight units"),
            Quantity("weights of W2 at a bound", unit="%"),
        ),
        "All eight matrices of the learning circuit after 60 epochs on MNIST.",
        "Counts: no tolerance.  The negated copy of W2 may part where a weight reaches a bound, "
        "so nothing is expected of it.",
        seeds=3,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "digits-weight-bounds",
        "Where a weight of W2 reaches a bound (-256 or 254), its negated copy stops beside it, 2 "
        "apart for good; from then on the circuit need not equal the algebra.",
        "The paper's learning rule and the chip's weight range, -256 .. 254",
        "derived",
        (
            Quantity("parted copies of W1", 0),
            Quantity("parted copies of W2, same sign", 0),
            Quantity("largest distance of the negated copy", 2, 0, "weight units"),
            Quantity("parted synapses of the negated copy of W2"),
            Quantity("samples before circuit and algebra part"),
            Quantity("membrane, circuit", unit="%"),
            Quantity("membrane, algebra", unit="%"),
        ),
        "A network so narrow that its weights start near the bounds: 64-24-10 on the embedded "
        "digits, 30 epochs on the compiled engine, the algebra beside it.",
        _EXACT,
        seeds=3,
        engine="compiled",
        data=("digits",),
    ),
    Claim(
        "fashion-mnist",
        "Fashion-MNIST with 784-400-10 in the authors' NumPy model: exact 73.4, spike 76.9, "
        "membrane 79.9 %.",
        "Comments in the authors' code (threshold 0.5; weights clipped at +-254)",
        "published",
        (
            Quantity("exact, last epoch", 73.4, 6.2, "%"),
            Quantity("spike, last epoch", 76.9, 2.2, "%"),
            Quantity("membrane, last epoch", 79.9, 1.9, "%"),
            Quantity("exact, best epoch", unit="%"),
            Quantity("spike, best epoch", unit="%"),
            Quantity("membrane, best epoch", unit="%"),
        ),
        "Test accuracy after the 60th epoch, weights clipped at -256 and 254 as on the chip.  The "
        "number of epochs and the checkpoint behind the authors' figures are not known to us; "
        "three figures of one network cannot each be the best of its own epoch, so they are "
        "compared with the last one, and the best of 60 epochs is shown beside.",
        "Two standard deviations of a single run's last epoch (over the ten seeds here: 3.1, 1.1 "
        "and 1.0 points), since the authors' figures are taken for one run; accuracy still moves "
        "by as much from epoch to epoch.",
        seeds=10,
        engine="algebra",
        data=("fashion-mnist",),
    ),
    Claim(
        "fashion-mnist-circuit",
        "On Fashion-MNIST the input of h passes the closing gate, and the circuit learns "
        "otherwise than the algebra.",
        "The paper's parameter tables: 1024 + 8192 + 8128",
        "ours",
        (
            Quantity("samples before they part"),
            Quantity("largest input of h when closed", unit="weight units"),
            Quantity("samples past the gate"),
            Quantity("spike, circuit", unit="%"),
            Quantity("spike, algebra", unit="%"),
            Quantity("membrane, circuit", unit="%"),
            Quantity("membrane, algebra", unit="%"),
        ),
        "60 epochs side by side from the same seed; accuracies are the best of 60 epochs.",
        _OURS,
        seeds=3,
        engine="compiled",
        data=("fashion-mnist",),
    ),
    Claim(
        "off-chip-baseline",
        "On-chip training is competitive with training off the chip.",
        "The paper (stated in words)",
        "ours",
        (
            Quantity("spike, on the chip's grid", unit="%"),
            Quantity("membrane, on the chip's grid", unit="%"),
            Quantity("spike, float weights", unit="%"),
            Quantity("membrane, float weights", unit="%"),
            Quantity("on-chip minus off-chip, spike", unit="points"),
        ),
        "The same binary 400-400-10 network trained with batches of 100 and float shadow weights "
        "(sbp.reproduce.baseline, 20 epochs), then rounded to the chip's even integers; last epoch "
        "against last epoch, same seeds.",
        "No figure for the off-chip training is known to us, so nothing is decided.",
        seeds=3,
        engine="algebra",
        data=("mnist",),
    ),
    Claim(
        "spike-counts",
        "Spikes per sample and per neuron, by population, while learning.",
        "This package",
        "ours",
        (
            Quantity("spikes per sample"),
            Quantity("spikes per neuron and sample"),
            Quantity("synaptic operations per sample"),
            Quantity("synaptic updates per sample"),
        ),
        "Counters of the compiled engine over the last epoch of training on MNIST.",
        _OURS,
        seeds=3,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "energy-learning",
        "Learning costs 0.59 mJ and 1.5 ms a sample (measured on Loihi).",
        "The paper, Table 1",
        "published",
        (
            Quantity("energy, modelled", unit="mJ"),
            Quantity("latency in one core, modelled", unit="ms"),
            Quantity("latency over the fewest cores, modelled", unit="ms"),
            Quantity("energy-delay product in one core, modelled", unit="uJ s"),
        ),
        "Modelled, not measured: operations counted by the compiled engine in the last epoch, "
        "times the cost of each published for Loihi (sbp.reproduce.energy, which lists what that "
        "leaves out).",
        "A model of the cores' operations beside a measurement of the system: nothing is decided.",
        seeds=1,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "energy-inference",
        "Inference costs 0.0025 mJ and 0.17 ms a sample (measured on Loihi).",
        "The paper, Table 1",
        "published",
        (
            Quantity("energy, modelled", unit="mJ"),
            Quantity("latency in one core, modelled", unit="ms"),
            Quantity("latency over the fewest cores, modelled", unit="ms"),
            Quantity("energy-delay product in one core, modelled", unit="uJ s"),
        ),
        "Modelled, not measured, as for learning; the test set through the inference circuit with "
        "the weights of the last epoch.",
        "A model of the cores' operations beside a measurement of the system: nothing is decided.",
        seeds=1,
        engine="compiled",
        data=("mnist",),
    ),
    Claim(
        "beyond-the-paper",
        "How far the same chip-legal circuit gets with more hidden neurons, a wider crop and "
        "shifted training images.",
        "This package (sbp.reproduce.sweeps)",
        "ours",
        (
            Quantity("spike, best network", unit="%"),
            Quantity("membrane, the same network", unit="%"),
            Quantity("share of the chip's neurons", unit="%"),
            Quantity("share of the chip's synaptic memory, at least", unit="%"),
        ),
        "A sweep over hidden sizes, crops and training-time shifts, 40 epochs; the last epoch of "
        "each network counts, and the one with the best mean over seeds by spike is shown here.",
        _OURS,
        seeds=2,
        engine="algebra",
        data=("mnist",),
    ),
)


class Entry(NamedTuple):
    """A row of the paper's Table 1: MNIST test accuracy in percent, as published."""

    system: str
    accuracy: str


#: Context only: nothing here was measured by this package.
TABLE_1 = (
    Entry("The paper, on-chip training on Loihi, 400-400-10", "96.3 (97.5, footnote b)"),
    Entry("EM-STDP on Loihi", "94.7"),
    Entry("SPOON", "95.3"),
    Entry("ODIN", "84.5"),
    Entry("mod. SD chip", "98.1"),
)


class Measured(NamedTuple):
    """The paper's measured energy (mJ) and latency (ms) of one sample on Loihi, Table 1."""

    energy: float
    latency: float

    @property
    def product(self) -> float:
        """Energy-delay product, uJ s; the product of the two published figures."""
        return self.energy * self.latency


MEASURED = {"learning": Measured(0.59, 1.5), "inference": Measured(0.0025, 0.17)}


def select(ids: tuple[str, ...] | list[str] = ()) -> tuple[Claim, ...]:
    """The claims with these ids, in the table's order; all of them if none is given.

    Raises
    ------
    SpecError
        For an unknown id.
    """
    known = [claim.id for claim in CLAIMS]
    for name in ids:
        if name not in known:
            raise SpecError(f"no claim is called {name!r}", allowed=", ".join(known))
    return tuple(claim for claim in CLAIMS if not ids or claim.id in ids)
