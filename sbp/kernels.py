"""`jit`, the one way to a compiled kernel: Numba, with a cache that can fail without harm.

Compiled code is kept in the user's cache folder (or in ``NUMBA_CACHE_DIR``), never beside the
package.  Whatever happens to that folder, kernels work: where it cannot be written they are
compiled anew in every process, and a file that is cut off, garbled or out of date counts as not
there and is written again.

Numba's own cache looks at the file of the kernel alone.  A kernel holds a compiled copy of every
kernel that it calls and of every constant that it reads, so here their sources and values count
too.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config as numba_config
from numba.core import types
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
)
from numba.extending import models, register_model, typeof_impl
from numba.misc.appdirs import AppDirs

Tuple = TypeVar("Tuple", bound=tuple)

config: Any = numba_config  # it makes its attributes when it is loaded
CHECKSUM = hashlib.sha256().digest_size
CONSTANTS = (bool, int, float, str, tuple)  #: what a kernel takes from its module as it stands


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile `function` on its first call, or load what an earlier process compiled.

    Parameters
    ----------
    function : callable
    **options
        Of ``numba.njit``, such as ``nogil=True`` or ``inline="always"``.

    Returns
    -------
    callable
        Used as a decorator, with or without options.
    """
    if function is None:
        return lambda given: jit(given, **options)
    kernel = numba.njit(function, **options)
    if hasattr(kernel, "_cache"):  # not with NUMBA_DISABLE_JIT
        kernel._cache = KernelCache(kernel.py_func)
    return kernel


def compiled() -> bool:
    """Whether kernels are compiled at all; not with NUMBA_DISABLE_JIT."""
    return not config.DISABLE_JIT


class _Borrowed(types.NamedTuple):
    """A named tuple of arrays that whoever calls the kernel holds on to."""


@register_model(_Borrowed)
class _BorrowedModel(models.TupleModel):
    def traverse(self, builder: Any) -> list[Any]:
        return []  # nothing in it is counted


def borrowed(kind: type[Tuple]) -> type[Tuple]:
    """Let kernels hand around a `NamedTuple` of arrays as if it were one pointer.

    Numba counts a reference to every array of a tuple wherever the tuple is named or handed on,
    which can cost more than the work.  Not so for a class with this decorator: its arrays must
    live as long as the call, as arguments do, and a kernel must not return one.
    """

    @typeof_impl.register(kind)
    def _(value: Any, context: Any) -> _Borrowed:
        return _Borrowed([typeof_impl(array, context) for array in value], kind)

    return kind


def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None where there is no place for them.

    ``NUMBA_CACHE_DIR``, or the user's cache folder (on Linux ``XDG_CACHE_HOME``, else ~/.cache).
    """
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR).absolute()
    folder = Path(AppDirs("sbp", appauthor=False).user_cache_dir)
    # A user without a home leaves a path that begins with "~".
    return folder / "kernels" if folder.is_absolute() else None


def cache_status() -> str:
    """One line: where compiled kernels are kept, or why they are not."""
    if not compiled():
        return "off (NUMBA_DISABLE_JIT)"
    folder = cache_folder()
    if folder is None:
        return "off: this user has no home folder; set NUMBA_CACHE_DIR"
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return f"off: {folder} cannot be written; set NUMBA_CACHE_DIR"
    return str(folder)


class KernelCache:
    """What Numba asks for compiled code, opened at the first call; every failure is a miss."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._opened: FunctionCache | None = None

    def _open(self) -> FunctionCache:
        if self._opened is None:
            self._opened = _Cache(self._function)
        return self._opened

    @property
    def cache_path(self) -> str | None:
        """The folder that the compiled code of this kernel lies in."""
        try:
            return self._open().cache_path
        except Exception:
            return None

    def load_overload(self, signature: Any, context: Any) -> Any:
        """The compiled code for `signature`, or None."""
        try:
            return self._open().load_overload(signature, context)
        except Exception:  # unpickling what is not a pickle can raise anything
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep `compiled` for the next process, if that can be done."""
        try:
            self._open().save_overload(signature, compiled)
        except Exception:
            self.flush()  # an unreadable index would stand in the way for ever
            try:
                self._open().save_overload(signature, compiled)
            except Exception:
                return

    def flush(self) -> None:
        """Forget the compiled code of this kernel."""
        try:
            self._open().flush()
        except Exception:
            return

    def enable(self) -> None:
        """Numba's interface; the cache is always on."""

    disable = enable


class _Locator(_CacheLocator):
    """Where the files of a kernel lie, and what makes them out of date."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        folder = cache_folder()
        if folder is None:
            raise OSError("no cache folder")
        self._function = function
        self._folder = folder / self.get_suitable_cache_subpath(file)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        parts = sorted(set(_depends(self._function, set())))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def get_disambiguator(self) -> str:
        return str(self._function.__code__.co_firstlineno)


def _depends(function: Callable[..., Any], seen: set[Any]) -> Iterator[tuple[str, str]]:
    """The sources and constants that the compiled code of `function` is made of."""
    if function in seen:
        return
    seen.add(function)
    yield function.__qualname__, _source_digest(inspect.getfile(function))
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if callee := getattr(value, "py_func", None):
            yield from _depends(callee, seen)
        elif isinstance(value, CONSTANTS):
            yield name, repr(value)


@cache
def _source_digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


class _Impl(CompileResultCacheImpl):
    _locator_classes: Any = [_Locator]  # noqa: RUF012 - declared so by Numba


class _Cache(FunctionCache):
    _impl_class = _Impl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = _Files(
            locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp()
        )


class _Files(IndexDataCacheFile):
    """Numba's two files with a checksum behind each, looked at before anything is read.

    One wrong bit in machine code can be a crash or a wrong number.
    """

    def _dump(self, obj: Any) -> bytes:
        data = super()._dump(obj)
        return data + hashlib.sha256(data).digest()  # unpickling stops before it

    def _check(self, path: str, header: bytes = b"") -> None:
        data = Path(path).read_bytes()
        whole, checksum = data[len(header) : -CHECKSUM], data[-CHECKSUM:]
        if not data.startswith(header) or hashlib.sha256(whole).digest() != checksum:
            raise ValueError(f"{path} is not what was written")

    def _load_index(self) -> Any:
        if os.path.exists(self._index_path):
            self._check(self._index_path, pickle.dumps(self._version, protocol=-1))
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        self._check(self._data_path(name))
        return super()._load_data(name)
