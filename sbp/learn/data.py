"""Data sets by name: ours, those that other packages bring, and the user's own by its path.

=============== ============================ ========================= =====================
name            samples (train + test)       inputs                    a pixel spikes iff
=============== ============================ ========================= =====================
digits          1,415 + 382, embedded        8 x 8 = 64                value >= 8 (of 0..16)
mnist-5k        4,000 + 1,000, embedded      as mnist                  as mnist
mnist           60,000 + 10,000              28 x 28 cropped by 4      value >= 129 (of 0..255)
                                             on each side = 400
fashion-mnist   60,000 + 10,000              28 x 28 = 784             value >= 129 (of 0..255)
FILE.npz        the user's                   the user's                as the user says
FOLDER          the user's idx files         the pictures'             value >= 129
=============== ============================ ========================= =====================

The embedded ones come with packages that are installed beside this one, and need no network:
`sbp.learn.embedded` tells how they are split.  Where the files of MNIST and Fashion-MNIST come
from is told in `sbp.learn.idx`: the root is the option, else the environment variable
``SBP_DATA``, else the user's cache; absent files are fetched, from the mirrors in ``SBP_MIRRORS``
if that is set.  The user's own files are described in `sbp.learn.own`.

Another package adds a data set by an entry point of the group ``sbp.datasets``, in its
``pyproject.toml``::

    [project.entry-points."sbp.datasets"]
    moons = "my_package:MOONS"

where ``MOONS`` is a `Source`: it has ``load`` and ``status``; a subclass of `Pictures` needs only
``read`` and ``status``.  From then on everything that takes the name of a data set takes "moons".
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from warnings import warn

from sbp.errors import DataError, SbpError, brief
from sbp.learn import own
from sbp.learn.dataset import ARRAYS, Dataset, Pictures, Root, Source, binarise
from sbp.learn.idx import IdxPictures, data_root
from sbp.plugins import Plugins

__all__ = [
    "ARRAYS", "NAMES", "Dataset", "Pictures", "Source", "available", "best_mnist", "binarise",
    "data_root", "inputs", "is_here", "load", "names", "recall", "source",
]  # fmt: skip

#: Our own: name -> where its `Source` is.
OWN = {
    "digits": "sbp.learn.embedded:DIGITS",
    "mnist-5k": "sbp.learn.embedded:MNIST_5K",
    "mnist": "sbp.learn.idx:MNIST",
    "fashion-mnist": "sbp.learn.idx:FASHION_MNIST",
}
NAMES = tuple(OWN)
PUBLISHED = ("mnist", "fashion-mnist")  #: found by their content wherever a path leads to them


PLUGINS = Plugins("sbp.datasets", "data set", OWN, DataError)
OR_A_PATH = ", the path of a FILE.npz, or that of a folder of idx files"


def names() -> tuple[str, ...]:
    """Names of all data sets: ours, then those of other packages."""
    return PLUGINS.names


def source(name: str) -> Source:
    """What stands behind the name of a data set.

    Raises
    ------
    DataError
        For an unknown name, or where another package's data set cannot be used.
    """
    if isinstance(name, str) and name in OWN:
        module, _, attribute = OWN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    found, label = PLUGINS.load(name, OR_A_PATH)
    if isinstance(found, type) or not isinstance(found, Source):
        raise DataError(f"{label} is {found!r}", allowed="an sbp.learn.data.Source")
    return found


def load(
    name: str | os.PathLike[str],
    *,
    root: Root = None,
    crop: int | None = None,
    threshold: float | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """Load a data set as spikes.

    Parameters
    ----------
    name : str or path
        One of `names`, or the path of the user's own ``FILE.npz`` or folder of idx files; see
        `sbp.learn.own`.
    root : path, optional
        Data root of MNIST and Fashion-MNIST; see `data_root`.
    crop : int, optional
        Pixels cut off at every side, 0..13 for 28 x 28 pictures, 0..3 for the digits.
    threshold : int or float, optional
        Least value of a pixel that spikes: an integer, 1..255, or 1..16 for the digits; any
        number for a ``FILE.npz``.
    download : bool
        Fetch files that are absent.
    progress : bool
        Show a progress bar on standard error while fetching.

    Raises
    ------
    DataError
        Unknown name, option out of range, files that are missing and cannot be fetched, or
        that are truncated, corrupted or of the wrong kind.
    FileError
        A file cannot be read, or a fetched one not be written.

    Warns
    -----
    RuntimeWarning
        The user's labels leave a class without training samples; a bad copy of a file was passed
        over.

    Source: Renner et al. 2024, Methods, for the crop and the threshold of MNIST.
    """
    path = _own_path(name)
    if path is None:
        try:
            found = source(os.fspath(name)).load(
                root, crop=crop, threshold=threshold, download=download, progress=progress
            )
        except SbpError:
            raise
        except Exception as error:
            if name in OWN:
                raise
            raise DataError(f"the data set {name} cannot be loaded: {brief(error)}") from error
        if not isinstance(found, Dataset):
            raise DataError(f"the data set {name} is {found!r}", allowed="a Dataset")
        # Under the name it was asked by, it is found again.
        return found if found.name == name else replace(found, name=os.fspath(name))
    if path.suffix.lower() == ".npz":
        return own.load_npz(path, crop, threshold)
    for published in map(source, PUBLISHED):
        assert isinstance(published, IdxPictures)
        if any(published.lies_in(folder) for folder in (path, path / "raw")):
            found = published.load(
                path, crop=crop, threshold=threshold, download=download, progress=progress
            )
            return replace(found, path=Path(os.path.abspath(path)))
    return own.load_idx(path, crop, threshold)


def _own_path(name: str | os.PathLike[str]) -> Path | None:
    """The path that `name` is; None if it is the name of a data set, known or not."""
    if not isinstance(name, (str, os.PathLike)):
        raise DataError(f"data set {name!r}", allowed="a name or a path")
    text = os.fspath(name)
    path = Path(os.path.expanduser(text))
    if text in OWN or not text:
        return None
    if path.suffix.lower() == ".npz":
        return path
    if isinstance(name, str) and path.name == text:
        # A bare word is a name before it is a folder here.
        return None if not path.is_dir() or text in PLUGINS.others else path
    if path.is_dir() or own.is_idx(path):
        return path
    fault = "is neither a FILE.npz nor a folder" if path.exists() else "does not exist"
    raise DataError(
        f"data set {path} {fault}",
        allowed=", ".join(names()) + OR_A_PATH,
    )


def available(root: Root = None) -> dict[str, str]:
    """Say which data sets are here, without reading or fetching anything.

    Returns
    -------
    dict of str to str
        Name -> one line: "embedded", "found in FOLDER", "not here: ..." and how to get it, or
        "broken: ..." for one of another package.
    """
    lines = {}
    for name in names():
        try:
            lines[name] = source(name).status(root)
        except DataError as error:
            lines[name] = f"broken: {error}" if name in PLUGINS.others else f"not here: {error}"
        except Exception as error:  # whatever a stranger's module raises
            lines[name] = f"broken: {brief(error)}"
    return lines


def is_here(name: str, root: Root = None) -> bool:
    """Whether a data set that has a name can be loaded without fetching anything."""
    return not source(name).status(root).startswith("not here")


def best_mnist(root: Root = None) -> str:
    """Name of the best of MNIST that is here: "mnist" if all its files are, else "mnist-5k".

    Nothing is fetched.  Wherever the paper's network is meant and nobody named a data set,
    this is the data set.
    """
    return "mnist" if is_here("mnist", root) else "mnist-5k"


def inputs(name: str | os.PathLike[str], root: Root = None) -> list[Path]:
    """Files that loading a data set may read: those that a command must not write over."""
    path = _own_path(name)
    if path is None:
        list_files = getattr(source(os.fspath(name)), "inputs", None)
        return list_files(root) if list_files else []
    if path.suffix.lower() == ".npz":
        return [path]
    return list(own.idx_files(path)[0].values())


def recall(
    facts: Mapping[str, Any],
    *,
    near: str | os.PathLike[str] | None = None,
    root: Root = None,
    crop: int | None = None,
    threshold: float | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset:
    """The whole data set that a training run was made with, as it was then.

    Parameters
    ----------
    facts : mapping
        `Dataset.facts`, as the run's history holds them.
    near : path, optional
        The run's folder, or a file in it: one's own data are also looked for there and beside it.
    root, download, progress
        As for `load`.
    crop, threshold
        As for `load`, instead of the run's.

    Raises
    ------
    DataError
        If the facts do not say which data these were, or the data are not there any more.

    Warns
    -----
    RuntimeWarning
        If the data have changed since.
    """
    name, path = facts.get("dataset"), facts.get("data_path")
    if not path and name not in names():
        own_name = f", but its name, {name!r}" if name else ""
        raise DataError(
            f"{near or 'the run'} does not say where the data are that it was trained on{own_name}",
            do="name them with --dataset",
        )
    place: str | Path = _where(Path(path), near) if path else str(name)
    changed = crop is not None or threshold is not None
    found = load(
        place,
        root=root,
        crop=facts.get("crop") if crop is None else crop,
        threshold=facts.get("threshold") if threshold is None else threshold,
        download=download,
        progress=progress,
    )
    n_train, n_test = facts.get("n_train"), facts.get("n_test")
    if not changed and n_train is not None and n_test is not None:
        fits = n_train <= len(found.x_train) and n_test <= len(found.x_test)
        if not fits or found.take(n_train, n_test).checksum != facts.get("data_checksum"):
            warn(
                f"{place} has changed since {near or 'the run'} was trained on it",
                RuntimeWarning,
                stacklevel=2,
            )
    return found


def _where(path: Path, near: str | os.PathLike[str] | None) -> Path:
    """Where one's own data are now: as they were named, or moved along with the run."""
    places = [path]
    if near is not None:
        folder = Path(near) if Path(near).is_dir() else Path(near).parent
        places += [folder / path.name, folder.absolute().parent / path.name]
    for place in places:
        if place.exists() or own.is_idx(place):
            return place
    raise DataError(
        f"the data that {near or 'the run'} was trained on, {path}, are not there any more",
        do="name them with --dataset",
    )
