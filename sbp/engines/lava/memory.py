"""Memory that a process shares with the processes it forks, and with nobody else.

Anonymous memory has no name and no file: it is gone when the last process that holds it is gone,
however that one ended.  Lava's own shared memory consists of named files, which stay behind when
a run is killed.
"""

from __future__ import annotations

import mmap

import numpy as np


def shared_zeros(shape: int | tuple[int, ...], dtype: type | np.dtype) -> np.ndarray:
    """An array of zeros that later forked processes read and write in place.

    Pages that nobody writes to take no memory.
    """
    size = int(np.prod(shape))
    pages = mmap.mmap(-1, max(size * np.dtype(dtype).itemsize, 1))
    return np.frombuffer(pages, dtype, size).reshape(shape)


def shared(array: np.ndarray) -> np.ndarray:
    """A copy of `array` that later forked processes read and write in place."""
    copy = shared_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


class Segment:
    """What a Lava channel needs of a shared memory block: its buffer."""

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(size, 1)))


class Segments:
    """Takes the place of Lava's shared memory manager (and of its server process)."""

    def start(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to remove."""

    def create_shared_memory(self, size: int) -> Segment:
        """A new block of `size` bytes."""
        return Segment(size)
