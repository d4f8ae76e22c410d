"""Integer rules of the Loihi 1 chip: register widths, decay, wrap, weight formats, limits.

Each rule is one small pure function that works on Python integers and on integer arrays alike.

Sources: Davies et al., *Loihi: a neuromorphic manycore processor with on-chip learning*, IEEE
Micro 38(1), 2018, doi 10.1109/MM.2018.112130359; Renner et al., Nature Communications 15, 9691
(2024), Methods.

Units
-----
*Weight units* are what a synapse holds: mantissa * 2**exponent.  The current ``u`` and the
membrane potential ``v`` are held in *register units*, 64 to one weight unit.
"""

from __future__ import annotations

import numpy as np

SCALE = 64  #: register units in one weight unit (the chip shifts weights and thresholds by 6)
REGISTER_BITS = 24  #: width of the current and membrane registers, two's complement
REGISTER_MIN = -(1 << (REGISTER_BITS - 1))
REGISTER_MAX = (1 << (REGISTER_BITS - 1)) - 1

DECAY_UNIT = 4096  #: a decay of 4096 forgets everything in one step, 0 forgets nothing
WEIGHT_MIN, WEIGHT_MAX = -256, 254  #: range of a plastic (mixed-sign, even) weight mantissa
WEIGHT_STEP = 2  #: mixed-sign mantissas are even
EXPONENT_MIN, EXPONENT_MAX = -6, 7  #: weight exponents for which 64 * 2**exponent is an integer
DELAY_MAX = 62  #: longest synaptic delay beyond the one step every spike takes
REFRACTORY_MIN, REFRACTORY_MAX = 1, 63  #: refractory delay; 1 means no dead step
THRESHOLD_MAX = (1 << 17) - 1  #: threshold mantissa, in weight units
BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX = -(1 << 12), (1 << 12) - 1
BIAS_EXPONENT_MAX = 7

CORES = 128  #: neuromorphic cores of one chip
NEURONS_PER_CORE = 1024  #: compartments of one core
SYNAPTIC_BITS_PER_CORE = 128 * 1024 * 8  #: synaptic memory of one core, bits


def wrap(value):
    """Keep the low 24 bits of `value` as two's complement: what a register does on overflow.

    ``wrap(x) = ((x + 2**23) mod 2**24) - 2**23``.

    Parameters
    ----------
    value : int or ndarray of int64
        Register units, any size.

    Returns
    -------
    int or ndarray of int64
        In ``-2**23 .. 2**23 - 1``.
    """
    return ((value - REGISTER_MIN) & ((1 << REGISTER_BITS) - 1)) + REGISTER_MIN


def decay(value, rate):
    """Shrink `value` towards zero: ``sign(x) * floor(|x| * (4096 - rate) / 4096)``.

    Parameters
    ----------
    value : int or ndarray of int64
        Register units.
    rate : int or ndarray of int64
        Effective decay, 0 (keeps everything) to 4096 (keeps nothing).
    """
    return np.sign(value) * (abs(value) * (DECAY_UNIT - rate) >> 12)


def clip_weight(weight):
    """Saturate a plastic weight at the ends of its mantissa, -256 and 254."""
    return np.clip(weight, WEIGHT_MIN, WEIGHT_MAX)


def mantissa_exponent(weight: int) -> tuple[int, int] | None:
    """Split a fixed weight into the chip's ``mantissa * 2**exponent``, smallest exponent first.

    A mantissa is 0..255, or -255..0, or an even number in -256..254 (Davies et al. 2018).

    Returns
    -------
    (mantissa, exponent) or None
        None where eight bits and an exponent of at most 7 cannot hold `weight`.

    Examples
    --------
    >>> mantissa_exponent(9280)
    (145, 6)
    >>> mantissa_exponent(-8128)
    (-254, 5)
    >>> mantissa_exponent(1001) is None
    True
    """
    for exponent in range(EXPONENT_MAX + 1):
        mantissa, rest = divmod(weight, 1 << exponent)
        if rest == 0 and (-255 <= mantissa <= 255 or mantissa == WEIGHT_MIN):
            return mantissa, exponent
    return None


def bias_mantissa_exponent(bias: int) -> tuple[int, int] | None:
    """Split a bias (register units) into a 13-bit mantissa and an exponent 0..7, or None."""
    for exponent in range(BIAS_EXPONENT_MAX + 1):
        mantissa, rest = divmod(bias, 1 << exponent)
        if rest == 0 and BIAS_MANTISSA_MIN <= mantissa <= BIAS_MANTISSA_MAX:
            return mantissa, exponent
    return None
