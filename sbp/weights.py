"""Weights: what a synapse of the chip can hold, as one immutable thing with names and shapes.

The grid
--------
A plastic synapse holds a mixed-sign mantissa of eight bits: an even integer in -256 .. 254.  Half
a weight is therefore exactly an int8, and the chip's clip is exactly int8 saturation.  Real
numbers reach the grid by one of two rules:

* `toward_zero`, for the random start: the even integer next to it on the side of zero;
* `nearest`, for weights learned elsewhere: the nearest even integer, and of two equally near the
  one that is a multiple of four.

Networks
--------
The matrices of a network are W1 .. WL, each (n_post, n_pre), from the input to the output; that
of the single-layer circuit is called W.  Layers are as wide as their neighbours say: `sizes` is
(n_0, .., n_L).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from sbp.errors import SpecError
from sbp.loihi import WEIGHT_MAX, WEIGHT_MIN, WEIGHT_STEP
from sbp.spec import as_array, check_sizes, parts, whole

if TYPE_CHECKING:
    from jaxtyping import Float, Int8, Int16, Real

LIMITS = f"even integers from {WEIGHT_MIN} to {WEIGHT_MAX}"
START_LIMIT = 240  #: the random start stays this far from zero at most


def toward_zero(values: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The even numbers next to `values` on the side of zero, as floats; 3.9 -> 2, -3.9 -> -2."""
    return WEIGHT_STEP * np.trunc(values / WEIGHT_STEP)


def nearest(values: Real[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The even numbers nearest to `values`, as floats; a tie goes to the multiple of four."""
    return WEIGHT_STEP * np.rint(values / WEIGHT_STEP)


def on_grid(
    values: Real[np.ndarray, "*shape"], rounding: Callable[[np.ndarray], np.ndarray] = nearest
) -> Int16[np.ndarray, "*shape"]:
    """Real numbers (weight units) as a synapse would hold them: int16, rounded and clipped.

    Parameters
    ----------
    values : ndarray of float, any shape
        Finite.
    rounding : function
        `nearest` or `toward_zero`.

    Raises
    ------
    SpecError
        If a number is not finite.
    """
    values = np.asarray(values)
    if not np.isfinite(values).all():
        raise SpecError("weights: a number is not finite", allowed="finite numbers")
    return np.clip(rounding(values), WEIGHT_MIN, WEIGHT_MAX).astype(np.int16)


def check_weights(
    name: str, matrix: Any, shape: tuple[int, int] | None = None
) -> Int16[np.ndarray, "n_post n_pre"]:
    """Return `matrix` as int16 if a chip could hold it, else raise SpecError with the limits.

    Parameters
    ----------
    name : str
        For the message.
    matrix : array of integers, shape (n_post, n_pre)
    shape : (int, int), optional
        What it has to be; default: any two-dimensional shape without a zero.
    """
    matrix = as_array(f"weights {name}", matrix)
    if shape is not None and matrix.shape != tuple(shape):
        raise SpecError(
            f"weights {name} have shape {matrix.shape}",
            allowed=f"(n_post, n_pre) = {tuple(map(int, shape))}",
        )
    if matrix.ndim != 2 or not matrix.size:
        raise SpecError(f"weights {name} have shape {matrix.shape}", allowed="(n_post, n_pre)")
    if not np.issubdtype(matrix.dtype, np.integer):
        raise SpecError(f"weights {name} are of type {matrix.dtype}", allowed=LIMITS)
    wrong = (matrix < WEIGHT_MIN) | (matrix > WEIGHT_MAX) | (matrix % WEIGHT_STEP != 0)
    if wrong.any():
        post, pre = map(int, np.argwhere(wrong)[0])
        raise SpecError(
            f"weights {name}[{post}, {pre}] is {matrix[post, pre]} ({int(wrong.sum())} such)",
            allowed=LIMITS,
        )
    return matrix.astype(np.int16)


def arrays_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes of `arrays`, by name."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def layer_names(layers: int) -> tuple[str, ...]:
    """Names of the matrices of a network with `layers` layers of weights: W1 .. WL."""
    return tuple(f"W{k}" for k in range(1, layers + 1))


def is_chain(names: Iterable[str]) -> bool:
    """Whether `names` alone say that the weights are a network's: W, or W1 .. WL in this order."""
    names = tuple(names)
    return names in (("W",), layer_names(len(names)))


def check_names(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise SpecError unless the names `given` are those `known`, in any order.

    Parameters
    ----------
    owner : str
        Whose weights they are ("learning circuit"), for the message.
    """
    given, known = tuple(given), tuple(known)
    for name in given:
        if name not in known:
            raise SpecError(
                f"{owner}: no weights are called {name!r}", allowed=", ".join(known) or "none"
            )
    for name in known:
        if name not in given:
            raise SpecError(f"{owner}: the weights {name} are missing")


def _check_mapping(owner: str, given: object) -> None:
    if not isinstance(given, Mapping):
        raise SpecError(
            f"{owner}: the weights are {type(given).__name__}",
            allowed="a mapping of name to matrix",
        )


def _chain_sizes(what: str, matrices: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """(n_0, .., n_L) of the network's `matrices`; SpecError unless names and shapes chain."""
    _check_mapping(what, matrices)
    known = ("W",) if "W" in matrices else layer_names(max(len(matrices), 1))
    if known[0] not in matrices:
        raise SpecError(f"{what}: the weights {known[0]} are missing")
    check_names(what, matrices, known)
    shapes = [np.shape(matrices[name]) for name in known]
    for name, shape in zip(known, shapes, strict=True):
        if len(shape) != 2:
            raise SpecError(f"weights {name} have shape {shape}", allowed="(n_post, n_pre)")
    for (below, (width, _)), (above, shape) in pairwise(zip(known, shapes, strict=True)):
        if shape[1] != width:
            raise SpecError(
                f"weights {above} have shape {shape}",
                allowed=f"(n_post, n_pre) = ({shape[0]}, {width}), since {below} has {width} rows",
            )
    return shapes[0][1], *(n_post for n_post, _ in shapes)


class Weights(Mapping[str, np.ndarray]):
    """Named weight matrices, checked once and never changed.

    A mapping of name -> int16 matrix (n_post, n_pre); the matrices are read-only views of copies,
    so nothing that is done to the originals reaches them.

    Parameters
    ----------
    matrices : mapping of str to array of integers, shape (n_post, n_pre)
        Even, in -256 .. 254; the order of names is kept.

    Raises
    ------
    SpecError
        For a matrix that a chip could not hold.

    Examples
    --------
    >>> weights = Weights.random((400, 400, 10), seed=0)
    >>> weights.sizes, weights["W2"].shape
    ((400, 400, 10), (10, 400))
    """

    __slots__ = ("_matrices",)

    def __init__(self, matrices: Mapping[str, np.ndarray]) -> None:
        _check_mapping("network", matrices)
        self._matrices: dict[str, np.ndarray] = {}
        for name, matrix in matrices.items():
            if not isinstance(name, str):
                raise SpecError(f"weights are called {name!r}", allowed="a name, for example W1")
            held = np.ascontiguousarray(check_weights(name, matrix))
            held.flags.writeable = False
            self._matrices[name] = held

    # --- where they come from -------------------------------------------------------------------

    @classmethod
    def chain(cls, matrices: Mapping[str, np.ndarray], what: str = "network") -> Weights:
        """The weights of a network, W1 .. WL (or W alone), in this order.

        Parameters
        ----------
        matrices : mapping of str to array of integers, shape (n_post, n_pre)
        what : str
            Whose they are, for the message.

        Raises
        ------
        SpecError
            For a missing or unknown name, a matrix a chip could not hold, or one that does not
            take what the one before it gives.
        """
        _chain_sizes(what, matrices)
        known = ("W",) if "W" in matrices else layer_names(len(matrices))
        return cls({name: matrices[name] for name in known})

    @classmethod
    def fitting(
        cls,
        matrices: Mapping[str, np.ndarray],
        parameters: Iterable[tuple[str, int, int]],
        what: str,
    ) -> Weights:
        """The weights of a circuit with these `parameters`, (name, n_post, n_pre) each.

        Raises
        ------
        SpecError
            For a missing or unknown name, another shape, or a matrix a chip could not hold.
        """
        parameters = tuple(parameters)
        _check_mapping(what, matrices)
        check_names(what, matrices, (name for name, _, _ in parameters))
        return cls(
            {
                name: check_weights(name, matrices[name], (n_post, n_pre))
                for name, n_post, n_pre in parameters
            }
        )

    @classmethod
    def random(
        cls, sizes: Iterable[int], seed: int = 0, names: Iterable[str] | None = None
    ) -> Weights:
        """The paper's random start.

        ``normal(0, 1) * sqrt(2 / (n_pre + n_post)) * 1024``, clipped to +-240 and rounded toward
        zero to even integers; drawn for W1 row by row, then for W2, and so on.  (The scale is that
        of Glorot and Bengio, 2010.)

        Parameters
        ----------
        sizes : sequence of int
            n_0 .. n_L, two or more.
        seed : int
            0 or more.
        names : iterable of str, optional
            Default W1 .. WL.

        Raises
        ------
        SpecError
            For sizes or a seed that do not exist.
        """
        sizes = check_sizes(sizes, (2, None), "network")
        names = layer_names(len(sizes) - 1) if names is None else parts("names", names, str)
        if len(names) != len(sizes) - 1 or len(set(names)) != len(names):
            raise SpecError(
                f"network: names of weights are {', '.join(map(str, names)) or 'none'}",
                allowed=f"{len(sizes) - 1} different ones, one between each layer and the next",
            )
        rng = np.random.default_rng([whole("network", "seed", seed, 0, 2**63 - 1), 0])
        matrices = {}
        for name, (n_pre, n_post) in zip(names, pairwise(sizes), strict=True):
            scale = np.sqrt(2 / (n_pre + n_post)) * 1024
            drawn = rng.normal(size=(n_post, n_pre)) * scale
            matrices[name] = on_grid(np.clip(drawn, -START_LIMIT, START_LIMIT), toward_zero)
        return cls(matrices)

    @classmethod
    def of_halves(cls, halves: Mapping[str, np.ndarray]) -> Weights:
        """Weights from the int8 matrices that `halves` gives."""
        _check_mapping("network", halves)
        for name, matrix in halves.items():
            if np.asarray(matrix).dtype != np.int8:
                raise SpecError(
                    f"half weights {name} are of type {np.asarray(matrix).dtype}", allowed="int8"
                )
        return cls({name: WEIGHT_STEP * m.astype(np.int16) for name, m in halves.items()})

    # --- what they are --------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(self._matrices)

    @property
    def sizes(self) -> tuple[int, ...]:
        """(n_0, .., n_L) of a network; SpecError if these are not the weights of one."""
        return _chain_sizes("network", self)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over names, shapes and numbers."""
        return arrays_digest(self)

    @property
    def halves(self) -> dict[str, Int8[np.ndarray, "_ _"]]:
        """Half of every weight, int8 (n_post, n_pre): the same numbers in half the space."""
        return {name: (m // WEIGHT_STEP).astype(np.int8) for name, m in self.items()}

    def copy(self) -> dict[str, Int16[np.ndarray, "_ _"]]:
        """The matrices as copies that may be changed."""
        return {name: matrix.copy() for name, matrix in self.items()}

    def differing(self, other: Mapping[str, np.ndarray]) -> dict[str, int]:
        """For each matrix, how many weights differ from `other`'s, which are called the same."""
        _check_mapping("other", other)
        check_names("weights", other, self)
        return {name: int((matrix != other[name]).sum()) for name, matrix in self.items()}

    # --- a mapping ------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Int16[np.ndarray, "n_post n_pre"]:
        return self._matrices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._matrices)

    def __len__(self) -> int:
        return len(self._matrices)

    def __or__(self, other: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A dict with the matrices of `other` in place of those here: checked by who takes it."""
        return {**self, **other}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Mapping)
            and list(self) == list(other)
            and all(np.array_equal(matrix, other[name]) for name, matrix in self.items())
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'x'.join(map(str, m.shape))}" for name, m in self.items())
        return f"Weights({shapes}; digest {self.digest[:12]})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that a copy in another process is checked and read-only too.
        return Weights, (dict(self._matrices),)
