r"""The same learning step without spikes: the second oracle, and the fast path.

For one sample and L layers of weights (bit for bit what the circuits compute)

.. math::

    a_k &= W_k l_{k-1}, \quad l_k = [a_k > 512], \quad b_k = [0 < a_k \le 1024]
    \qquad k = 1 .. L, \quad l_0 = x

    d_L^+ &= t \wedge \neg l_L \wedge [a_L > 0], \quad
    d_L^- = l_L \wedge \neg t \wedge [a_L \le 1024]

    d_k^{\pm} &= [W_{k+1}^T d_{k+1}^{\pm} + N_{k+1}^T d_{k+1}^{\mp} > 0] \wedge b_k
    \qquad k = L-1 .. 1

    W_k &\leftarrow \mathrm{clip}(W_k + 2 (d_k^+ - d_k^-) l_{k-1}^T)

with every error taken from the weights before the update, and clip to -256 .. 254 (mantissas,
whatever the weight exponent).  For L = 2 this is the step of Renner et al. 2024, Methods.

The negated copies
------------------
:math:`N_k` is the chip's copy of :math:`-W_k`, which sends the other sign of the error back.  It
begins as clip(-W) and learns from the same coincidences with the opposite sign.  -256 and 254 are
not each other's negative, so a synapse *parts* from its copy where one of them is clipped:

.. math:: N = -W - 2 m, \qquad m \in \{0, 1\}

m becomes 1 when W is pushed up at 254 (N goes on to -256) or down to -256 (N stays at 254), and is
1 ever after, because from then on both move by 2 in opposite directions between bounds that are 2
apart in just this way.  So a bit for each synapse is all that the copies add to the weights.
(W + N is never positive; hence a hidden neuron never gets both signs of the error.)  Without
copies, N = -W, the step is plain backpropagation:
:math:`d_k = \mathrm{sign}(W_{k+1}^T d_{k+1}) \, b_k`.

How it is made fast
-------------------
See `sbp.rows`.  Forward, the rows of spiking neurons are summed; backward, the rows of neurons with
:math:`b_k = 1` are multiplied with the error; then the rows of spiking neurons change.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sbp.errors import SpecError
from sbp.kernels import jit
from sbp.loihi import WEIGHT_STEP
from sbp.program import check_spikes
from sbp.rows import (
    FLUSH,
    HALF_MAX,
    HALF_MIN,
    pack,
    padded,
    spiking,
    sum_rows,
    unpack,
)
from sbp.spec import as_array
from sbp.weights import Weights

if TYPE_CHECKING:
    from jaxtyping import Bool, Int16, Int32, Integer, Shaped

CIRCUITS = ("learning", "deep", "single_layer")  #: families whose step this is

HALF_THRESHOLD, HALF_ABOVE = 256, 512  # 512 and 1024 weight units, in half weights
FEW = 2  # up to so many errors of a layer are looked at one by one


@jit(inline="always")
def matrix(halves, layout, k):
    """Rows of the matrix between layers k and k + 1, out of the flat array of all."""
    start, n_pre, wide = layout[k, 0], layout[k, 1], layout[k, 3]
    return halves[start : start + n_pre * wide].reshape((n_pre, wide))


@jit
def learn(rows, active, count, change):
    """Add `change` to the rows of spiking neurons, saturating: the chip's clip to -256 .. 254."""
    for place in range(count):
        j = active[place]
        for i in range(change.shape[0]):
            changed = np.int16(rows[j, i]) + np.int16(change[i])
            rows[j, i] = np.int8(min(max(changed, np.int16(HALF_MIN)), np.int16(HALF_MAX)))


@jit
def note_parting(rows, active, count, change, parted, marked):
    """Note in `parted` where `change` will clip a weight or its negated copy.

    That is where a half weight goes beyond -127 .. 127, so that the sum as an int8 is -128.  It
    also is where -256 stays -256, which has parted before.
    """
    for place in range(count):
        j = active[place]
        least = np.int8(0)
        for i in range(change.shape[0]):
            least = min(least, np.int8(np.int16(rows[j, i]) + change[i]))
        if least == HALF_MIN:
            marked[j] = 1
            for i in range(change.shape[0]):
                parted[j, i] |= np.int8(np.int16(rows[j, i]) + change[i]) == HALF_MIN


@jit
def learn_few(rows, active, count, change, places, copies, parted, marked):
    """`learn` and `note_parting` where `change` is nonzero at few `places`."""
    for i in places:
        by = np.int16(change[i])
        for place in range(count):
            j = active[place]
            changed = rows[j, i] + by
            if copies and not HALF_MIN < changed <= HALF_MAX:
                parted[j, i] = marked[j] = 1
            rows[j, i] = min(max(changed, HALF_MIN), HALF_MAX)


@jit
def product(row, error):
    """Sum of ``row[i] * error[i]`` where an int16 holds it; `error` is -1, 0 or 1, as int16."""
    total = np.int16(0)
    for i in range(row.shape[0]):
        total = np.int16(total + np.int16(np.int16(row[i]) * error[i]))
    return np.int32(total)


@jit
def long_product(row, error):
    """`product` where an int16 need not hold it."""
    total = np.int32(0)
    for start in range(0, row.shape[0], FLUSH):
        total += product(row[start : start + FLUSH], error[start : start + FLUSH])
    return total


@jit
def send_back(rows, sums, error, places, copies, parted, marked, open_to, flags, widened, below):
    """Errors of the layer below, and how many neurons have one.

    Parameters
    ----------
    rows : ndarray of int8, shape (n_pre, wide)
        Of the matrix between the two layers.
    sums : ndarray of int32
        a of the layer below.
    error : ndarray of int8, shape (wide,)
        Of this layer.
    places : ndarray of uint32
        Where `error` is nonzero.
    open_to, flags, widened : ndarray of uint32, uint8 and int16
        Scratch: the neurons whose derivative lets an error through; `error` as int16.
    below : ndarray of int8
        Is written.
    """
    n, wide = rows.shape
    for i in range(wide):
        widened[i] = error[i]
    for j in range(n):
        flags[j] = (sums[j] > 0) & (sums[j] <= HALF_ABOVE)
        below[j] = 0
    found = 0
    for place in range(spiking(flags[:n], open_to)):
        j = open_to[place]
        plus = np.int32(0)
        if len(places) <= FEW:
            for i in places:
                plus += np.int32(rows[j, i]) * np.int32(error[i])
        elif len(places) <= FLUSH:
            plus = product(rows[j], widened[:wide])
        else:
            plus = long_product(rows[j], widened[:wide])
        minus = -plus
        if copies and marked[j]:
            for i in range(error.shape[0]):
                plus -= parted[j, i] & (error[i] < 0)
                minus -= parted[j, i] & (error[i] > 0)
        below[j] = np.int8(plus > 0) - np.int8(minus > 0)
        found += below[j] != 0
    return found


@jit
def forward(halves, layout, x, active, count, sums, partial, fired):
    """Sums and spikes of every layer for one input; `active[k, :count[k]]` are those of layer k."""
    count[0] = spiking(x, active[0])
    for k in range(layout.shape[0]):
        n_post, wide = layout[k, 2], layout[k, 3]
        a = sums[k + 1, :wide]
        sum_rows(matrix(halves, layout, k), active[k], count[k], partial[:wide], a)
        for j in range(n_post):
            fired[j] = a[j] > HALF_THRESHOLD
        count[k + 1] = spiking(fired[:n_post], active[k + 1])


@jit(nogil=True)
def train_samples(halves, layout, parted, marked, copies, silent, inputs, targets, order):
    """Learn ``inputs[order[0]], inputs[order[1]], ...`` in place; return the exact answers.

    Parameters
    ----------
    halves : ndarray of int8
        Rows of all matrices, one after the other.
    layout : ndarray of int64, shape (L, 4)
        Of each matrix: where it starts, rows, neurons it leads to, width of a row.
    parted : ndarray of uint8
        Laid out like `halves`: m of each synapse.
    marked : ndarray of uint8, shape (L, widest)
        Whether any synapse of a row has parted.
    copies : bool
        Whether `parted` counts.
    silent : ndarray of int64, shape (L + 1,)
        Samples in which no neuron of a layer fired; added to.
    """
    last, widest = layout.shape[0], sums_width(layout)
    active = np.empty((last + 1, widest), np.uint32)
    count = np.zeros(last + 1, np.int64)
    sums = np.empty((last + 1, widest), np.int32)
    partial, fired = np.empty(widest, np.int16), np.empty(widest, np.uint8)
    errors = np.zeros((last + 1, widest), np.int8)
    where = np.empty((last + 1, widest), np.uint32)  # neurons with an error
    wrong = np.zeros(last + 1, np.int64)
    n_o = targets.shape[1]
    exact = 0
    for sample in order:
        forward(halves, layout, inputs[sample], active, count, sums, partial, fired)
        for k in range(last + 1):
            silent[k] += count[k] == 0

        target, a, d = targets[sample], sums[last], errors[last]
        right = True
        wrong[last] = 0
        for i in range(n_o):
            o = a[i] > HALF_THRESHOLD
            t = target[i] != 0
            right &= o == t
            d[i] = np.int8(t and not o and a[i] > 0) - np.int8(o and not t and a[i] <= HALF_ABOVE)
            wrong[last] += d[i] != 0
        exact += right

        lowest = last  # the lowest layer with an error
        while wrong[lowest] and lowest > 1:
            k = lowest
            lowest -= 1
            wide = layout[lowest, 3]
            spiking(errors[k, :wide], where[k])
            wrong[lowest] = send_back(
                matrix(halves, layout, lowest), sums[lowest], errors[k, :wide],
                where[k, : wrong[k]], copies, matrix(parted, layout, lowest), marked[lowest],
                where[lowest], fired, partial, errors[lowest],
            )  # fmt: skip
        for k in range(lowest, last + 1):
            if wrong[k] == 0:
                continue
            rows, change = matrix(halves, layout, k - 1), errors[k, : layout[k - 1, 3]]
            carried = copies and k > 1
            apart = matrix(parted, layout, k - 1)
            if wrong[k] <= FEW:
                spiking(change, where[k])
                learn_few(rows, active[k - 1], count[k - 1], change, where[k, : wrong[k]],
                          carried, apart, marked[k - 1])  # fmt: skip
                continue
            if carried:
                note_parting(rows, active[k - 1], count[k - 1], change, apart, marked[k - 1])
            learn(rows, active[k - 1], count[k - 1], change)
    return exact


@jit(inline="always")
def sums_width(layout):
    """Entries that hold one layer, whichever, padding included."""
    widest = 0
    for k in range(layout.shape[0]):
        widest = max(widest, layout[k, 1], layout[k, 3])
    return widest


@jit(nogil=True)
def read_samples(halves, layout, inputs, out_spikes, out_sums):
    """Outputs of every input row: spikes (n, n_o) uint8 and half sums a_L / 2 (n, n_o) int32."""
    last, widest = layout.shape[0], sums_width(layout)
    active = np.empty((last + 1, widest), np.uint32)
    count = np.zeros(last + 1, np.int64)
    sums = np.empty((last + 1, widest), np.int32)
    partial, fired = np.empty(widest, np.int16), np.empty(widest, np.uint8)
    for sample in range(inputs.shape[0]):
        forward(halves, layout, inputs[sample], active, count, sums, partial, fired)
        for i in range(out_spikes.shape[1]):
            out_spikes[sample, i] = sums[last, i] > HALF_THRESHOLD
            out_sums[sample, i] = sums[last, i]


class Network:
    """A network of any depth that learns by the algebra, weights packed for speed.

    Parameters
    ----------
    weights : mapping
        W1 (n_1, n_0) .. WL (n_L, n_(L-1)), or W alone; even integers in -256 .. 254.
    copies : bool
        Carry the chip's negated copies, which part at the bounds: what the circuits compute.
        Without them it is plain backpropagation.

    Raises
    ------
    SpecError
        For a missing or unknown matrix, one that a chip could not hold, or shapes that do not
        follow each other.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], copies: bool = True) -> None:
        weights = Weights.chain(weights)
        self.names, self.sizes, self.copies = weights.names, weights.sizes, bool(copies)
        packed = [pack(matrix) for matrix in weights.values()]
        starts = np.cumsum([0, *(rows.size for rows in packed)])
        self._layout = np.array(
            [
                (start, n_pre, n_post, padded(n_post))
                for start, (n_pre, n_post) in zip(starts, pairwise(self.sizes), strict=False)
            ],
            np.int64,
        )
        self._halves = np.concatenate([rows.ravel() for rows in packed])
        self._marked = np.zeros((len(packed), max(self.sizes)), np.uint8)
        self._parted = np.zeros(self._halves.size, np.uint8)
        #: samples in which no neuron of a layer fired, int64 (L + 1,), since the network was made
        self.silent = np.zeros(len(self.sizes), np.int64)
        if copies:
            # The copy of -256 begins as 254.
            self._part({name: weights[name] == -256 for name in self.names[1:]})

    def _rows(self, k: int, flat: np.ndarray) -> np.ndarray:
        """The rows of the matrix between layers k and k + 1 in `flat`."""
        start, n_pre, _, wide = self._layout[k]
        return flat[start : start + n_pre * wide].reshape(n_pre, wide)

    def _part(self, parted: Mapping[str, np.ndarray]) -> None:
        for k, name in enumerate(self.names):
            if name in parted:
                rows = self._rows(k, self._parted)
                rows[:, : self.sizes[k + 1]] = parted[name].T
                self._marked[k, : len(rows)] = rows.any(axis=1)

    @property
    def weights(self) -> Weights:
        """W1 (n_1, n_0) .. WL (n_L, n_(L-1)), int16."""
        return Weights(
            {
                name: unpack(self._rows(k, self._halves), self.sizes[k + 1])
                for k, name in enumerate(self.names)
            }
        )

    @property
    def parted(self) -> dict[str, Bool[np.ndarray, "_ _"]]:
        """Which synapses of W2 .. WL have parted from their negated copies; empty without copies.

        bool, (n_post, n_pre) each.
        """
        if not self.copies:
            return {}
        return {
            name: self._rows(k, self._parted)[:, : self.sizes[k + 1]].T.astype(bool)
            for k, name in enumerate(self.names)
            if k > 0
        }

    @property
    def negated(self) -> dict[str, Int16[np.ndarray, "_ _"]]:
        """The chip's negated copies N2 .. NL by the names of their matrices, as if untransposed.

        int16, (n_post, n_pre) each; empty without copies.
        """
        return {
            name: (-self.weights[name] - WEIGHT_STEP * parted).astype(np.int16)
            for name, parted in self.parted.items()
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that changes, as named arrays for a file; `from_arrays` reads them back."""
        parted = {f"parted:{name}": np.packbits(bits, axis=1) for name, bits in self.parted.items()}
        return {**self.weights, **parted, "silent": self.silent.copy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], copies: bool = True) -> Network:
        """The network that `arrays` were taken of.

        Raises
        ------
        SpecError
            If something is missing, or has another shape or type.
        """
        state = {name: np.asarray(array) for name, array in arrays.items()}
        silent = state.pop("silent", None)
        parted = {
            name.removeprefix("parted:"): state.pop(name)
            for name in tuple(state)
            if name.startswith("parted:")
        }
        network = cls(state, copies)
        if silent is not None:
            _fits("silent", silent, np.int64, network.silent.shape)
            network.silent[:] = silent
        if not copies:
            return network
        bits = {}
        for k, name in enumerate(network.names[1:], 1):
            if name not in parted:
                raise SpecError(f"network: the parted copies of {name} are missing")
            n_pre, n_post = network.sizes[k : k + 2]
            _fits(f"parted:{name}", parted[name], np.uint8, (n_post, -(-n_pre // 8)))
            bits[name] = np.unpackbits(parted[name], axis=1, count=n_pre).astype(bool)
            if (network.parted[name] & ~bits[name]).any():
                raise SpecError(
                    f"network: parted:{name} lacks a weight of -256", allowed="its copy is 254"
                )
        network._part(bits)
        return network

    def train(
        self,
        inputs: Shaped[np.ndarray, "n n_0"],
        targets: Shaped[np.ndarray, "n n_L"],
        order: Integer[np.ndarray, "n_learned"] | None = None,
    ) -> int:
        """Learn samples one after the other.

        Parameters
        ----------
        inputs : ndarray of uint8, shape (n, n_0)
            0 or 1.
        targets : ndarray of uint8, shape (n, n_L)
            0 or 1.
        order : ndarray of int64, optional
            Row numbers in the order of learning; default all rows once.

        Returns
        -------
        int
            Samples whose outputs equalled the target before the update.

        Raises
        ------
        SpecError
            For a shape or a value that does not fit, or a row that is not there.
        """
        # The kernels look at no bounds.
        inputs = check_spikes("inputs", inputs, self.sizes[0])
        targets = check_spikes("targets", targets, self.sizes[-1])
        if len(targets) != len(inputs):
            raise SpecError(f"{len(targets)} targets", allowed=f"{len(inputs)}, one for each input")
        order = np.arange(len(inputs)) if order is None else as_array("order", order)
        if order.ndim != 1 or not np.issubdtype(order.dtype, np.integer):
            raise SpecError(f"order is {order.dtype} of shape {order.shape}",
                            allowed="a list of row numbers")  # fmt: skip
        order = order.astype(np.int64)
        if len(order) and not 0 <= order.min() <= order.max() < len(inputs):
            raise SpecError(f"order holds rows {order.min()} to {order.max()}",
                            allowed=f"0 to {len(inputs) - 1}")  # fmt: skip
        return int(
            train_samples(
                self._halves, self._layout, self._parted, self._marked, self.copies, self.silent,
                inputs, targets, order,
            )
        )  # fmt: skip

    def outputs(
        self, inputs: Shaped[np.ndarray, "n n_0"]
    ) -> tuple[Bool[np.ndarray, "n n_L"], Int32[np.ndarray, "n n_L"]]:
        """Output spikes (n, n_L) bool and sums a_L (n, n_L) int32, weight units."""
        inputs = check_spikes("inputs", inputs, self.sizes[0])
        spikes = np.empty((len(inputs), self.sizes[-1]), np.uint8)
        half_sums = np.empty((len(inputs), self.sizes[-1]), np.int32)
        read_samples(self._halves, self._layout, inputs, spikes, half_sums)
        return spikes.astype(bool), WEIGHT_STEP * half_sums


def _fits(name: str, array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise SpecError(
            f"network: {name} is {array.dtype} {array.shape}",
            allowed=f"{np.dtype(dtype)} {shape}",
        )
