"""The user's own data: a FILE.npz, or a folder of idx files such as KMNIST's, EMNIST's or QMNIST's.

``FILE.npz`` holds x_train (n, n_in), y_train (n,), x_test and y_test alike, and may hold
image_shape (2,), how to draw a sample.  x may also be pictures, (n, rows, columns), with a
channel of 1 before or after if need be.  It holds 0 and 1; grey pictures take a threshold, from
which on a value spikes, and pictures may be cropped.

A folder of idx files is named by its path, ``kmnist`` or ``kmnist/raw``; where the files of
several data sets lie in one folder, by the path with the beginning of their names,
``gzip/emnist-letters``.  The parts are called train and t10k or test, unpacked or as ``.gz``.
Pixels spike from half of full scale on (threshold 129), unless told otherwise.  EMNIST stores its
pictures column by column; they are turned upright.

Labels are whole numbers 0..255.  A class of which there is nothing to learn, because it has no
training sample, is told in one line of warning.
"""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from pathlib import Path
from warnings import warn

import numpy as np

from sbp.errors import DataError, FileError
from sbp.files import Member, read_npz
from sbp.learn.dataset import ARRAYS, Dataset, binarise, checked_arrays, cropped, how, option
from sbp.learn.idx import IDX_FILES, read_idx

#: What is read of a FILE.npz, of whatever kind: the checks below say more.
MEMBERS = {**dict.fromkeys(ARRAYS, Member()), "image_shape": Member(needed=False)}
#: Threshold of grey pictures in idx files: half of full scale.
IDX_THRESHOLD = 129
_IDX_NAME = re.compile(
    r"(?P<prefix>.*?)[-.]?(?P<part>train|t10k|test)-(?P<kind>images|labels)"
    r"[-.]idx[123]-(?:ubyte|int)(?P<gz>\.gz)?"
)
_IDX_KEYS = {
    ("train", "images"): "x_train",
    ("train", "labels"): "y_train",
    ("test", "images"): "x_test",
    ("test", "labels"): "y_test",
}


# --- FILE.npz


def load_npz(path: Path, crop: int | None = None, threshold: float | None = None) -> Dataset:
    """The user's ``FILE.npz``; see `sbp.learn.data.load`."""
    arrays = read_npz(path, "data set", MEMBERS)
    shape: tuple[int, int] | None = None
    for key in ("x_train", "x_test"):
        arrays[key], found = _rows(path, key, arrays[key])
        if key == "x_test" and None not in (shape, found) and shape != found:
            raise DataError(
                f"{path}: the pictures of x_train are {shape[0]} x {shape[1]}, "  # type: ignore[index]
                f"those of x_test {found[0]} x {found[1]}",  # type: ignore[index]
                allowed="one size for all",
            )
        shape = shape or found
    if "image_shape" in arrays:
        shape = _image_shape(path, arrays["image_shape"], arrays["x_train"].shape[1:])
    for key in ("y_train", "y_test"):
        if arrays[key].ndim == 2 and arrays[key].shape[1] == 1:
            arrays[key] = arrays[key][:, 0]
    if threshold is not None:
        threshold = _threshold(path, threshold, arrays)
    crop = None if crop == 0 and shape is None else crop  # nothing is cut off
    if crop is not None:
        if shape is None:
            raise DataError(
                f"crop is {crop}, but {path} does not say how its samples are pictures",
                do="give x as (n, rows, columns), or add image_shape",
            )
        if 0 in shape:
            raise DataError(f"{path}: the pictures are {shape[0]} x {shape[1]}, without a pixel")
        crop = option("crop", crop, 0, 0, (min(shape) - 1) // 2)
        for key in ("x_train", "x_test"):
            x = arrays[key]
            if x.shape[1] != shape[0] * shape[1]:
                raise DataError(
                    f"{path}: {key} has {x.shape[1]} inputs, the pictures of the other part "
                    f"{shape[0]} x {shape[1]}",
                    allowed="the same number in both",
                )
            arrays[key] = cropped(x.reshape(len(x), *shape), crop)
        shape = shape[0] - 2 * crop, shape[1] - 2 * crop
    if threshold is not None:
        for key in ("x_train", "x_test"):
            if arrays[key].dtype.kind in "biuf":  # else refused below
                arrays[key] = (arrays[key] >= threshold).view(np.uint8)
    said = [f"{crop} pixels cropped at every side"] if crop is not None else []
    said += [f"spike iff value >= {threshold}"] if threshold is not None else []
    return _dataset(
        path,
        path.stem,
        {key: arrays[key] for key in ARRAYS},
        shape,
        ", ".join([f"the user's file {printable(path.name)}", *said]),
        crop,
        threshold,
    )


def _rows(path: Path, key: str, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Samples as rows, and the shape of their pictures where they are some."""
    if x.ndim == 4 and 1 in (x.shape[1], x.shape[3]):
        x = x[:, 0] if x.shape[1] == 1 else x[..., 0]
    if x.ndim == 3:
        n, rows, columns = x.shape
        return x.reshape(n, rows * columns), (rows, columns)
    if x.ndim != 2:
        raise DataError(
            f"{path}: {key} has shape {x.shape} and dtype {x.dtype}",
            allowed="(samples, inputs), (samples, rows, columns), or pictures with one channel",
        )
    return x, None


def _image_shape(path: Path, shape: np.ndarray, inputs: tuple[int, ...]) -> tuple[int, int]:
    fits = shape.shape == (2,) and shape.dtype.kind in "iu" and (shape > 0).all()
    if not fits or int(shape[0]) * int(shape[1]) != inputs[0]:
        raise DataError(
            f"{path}: image_shape is {shape.tolist()}",
            allowed=f"two positive integers, product {inputs[0]} (the inputs of a sample)",
        )
    return int(shape[0]), int(shape[1])


def _threshold(path: Path, threshold: float, arrays: dict[str, np.ndarray]) -> float:
    """A threshold that parts the values, as int where it is one."""
    number = isinstance(threshold, (int, float, np.number)) and not isinstance(threshold, bool)
    try:
        finite = number and math.isfinite(threshold)
    except OverflowError:  # a whole number that no float reaches
        finite = False
    if not finite:
        raise DataError(f"threshold is {threshold!r:.60}", allowed="a number")
    threshold = int(threshold) if float(threshold).is_integer() else float(threshold)
    for key in ("x_train", "x_test"):
        x = arrays[key]
        if x.dtype.kind not in "biuf" or not x.size:
            continue  # refused later, by its type
        if not np.isfinite(x).all():
            sample, index = np.argwhere(~np.isfinite(x))[0]
            raise DataError(
                f"{path}: {key}[{sample}, {index}] is {x[sample, index]}", allowed="numbers"
            )
    x = arrays["x_train"]
    if x.dtype.kind in "biuf" and x.size and not x.min() < threshold <= x.max():
        raise DataError(
            f"threshold is {threshold}, the values of x_train are {x.min()} to {x.max()}",
            allowed=f"above {x.min()}, at most {x.max()}: else all pixels spike or none",
        )
    return threshold


# --- idx files


def load_idx(path: Path, crop: int | None = None, threshold: float | None = None) -> Dataset:
    """The user's folder of idx files; see `sbp.learn.data.load`."""
    files, name = idx_files(path)
    raw = {key: _read(key, file) for key, file in files.items()}
    if "emnist" in name.lower():
        raw |= {key: raw[key].swapaxes(1, 2) for key in ("x_train", "x_test")}
    rows, columns = shape = raw["x_train"].shape[1:]
    if raw["x_test"].shape[1:] != shape or not rows * columns:
        raise DataError(
            f"{path}: the pictures are {rows} x {columns} for training and "
            f"{' x '.join(map(str, raw['x_test'].shape[1:]))} for testing",
            allowed="one size for all",
        )
    crop = option("crop", crop, 0, 0, (min(shape) - 1) // 2)
    threshold = option("threshold", threshold, IDX_THRESHOLD, 1, 255)
    arrays = {
        key: binarise(raw[key], crop, threshold) if key.startswith("x") else raw[key]
        for key in ARRAYS
    }
    upright = ", turned upright" if "emnist" in name.lower() else ""
    return _dataset(
        path,
        name,
        arrays,
        (rows - 2 * crop, columns - 2 * crop),
        f"the user's idx files {printable(name)}{upright}, {how(crop, threshold)}",
        crop,
        threshold,
    )


def _read(key: str, file: Path) -> np.ndarray:
    if key.startswith("x"):
        return read_idx(file, 3)
    labels = read_idx(file, 1, 2, types=(0x08, 0x0C))
    if labels.ndim == 2 and not labels.shape[1]:
        raise DataError(f"{file}: its labels are rows without an entry", allowed="a label each")
    # QMNIST's labels are rows of facts, of which the first is the class.
    return (labels if labels.ndim == 1 else labels[:, 0]).astype(labels.dtype.newbyteorder("="))


def idx_files(path: Path) -> tuple[dict[str, Path], str]:
    """The four files of a data set, and its name.

    Parameters
    ----------
    path : Path
        The folder; the folder and the beginning of the files' names; or one of the files.

    Raises
    ------
    DataError
        If there are none, not all four, or several data sets.
    """
    asked = _IDX_NAME.fullmatch(path.name)
    folder = path if path.is_dir() else path.parent
    prefix = None if path.is_dir() else asked["prefix"] if asked else path.name
    for place in (folder, folder / "raw"):
        sets = _sets(place)
        whole = {name: files for name, files in sets.items() if len(files) == len(IDX_FILES)}
        if prefix in whole or (prefix is None and len(whole) == 1):
            chosen = next(iter(whole)) if prefix is None else prefix
            own = place.resolve()
            return whole[chosen], chosen or (own.parent if own.name == "raw" else own).name
        if len(whole) > 1 and prefix is None:
            names = ", ".join(str(place / name) for name in sorted(whole))
            raise DataError(f"{path} holds {len(whole)} data sets", allowed=names)
        part = sets.get(prefix or "") or next(iter(sets.values()), {})
        if part:
            lacks = ", ".join(key for key in ARRAYS if key not in part)
            raise DataError(
                f"{path}: of the idx files of a data set, {lacks or 'none'} is missing; seen: "
                f"{', '.join(sorted(file.name for file in part.values()))}",
                allowed=f"files named like {', '.join(IDX_FILES.values())}",
            )
    seen = sorted(item.name for item in folder.iterdir())[:6] if folder.is_dir() else []
    raise DataError(
        f"{path} is no data set: there are no idx files"
        + (f"; seen: {', '.join(seen)}" * bool(seen)),
        allowed=f"files named like {', '.join(IDX_FILES.values())}",
    )


def is_idx(path: Path) -> bool:
    """Whether a path names idx files, by one of them or by the beginning of their names."""
    return bool(_IDX_NAME.fullmatch(path.name) and path.is_file()) or (
        path.parent.is_dir() and bool(path.name) and path.name in _sets(path.parent)
    )


def _sets(folder: Path) -> dict[str, dict[str, Path]]:
    """The data sets of a folder: prefix of the names -> array -> file, unpacked ones first."""
    sets: dict[str, dict[str, Path]] = defaultdict(dict)
    try:
        files = sorted(folder.iterdir(), key=lambda file: (file.suffix == ".gz", file.name))
    except OSError as error:
        if not folder.exists():
            return {}
        raise FileError(f"cannot read {folder}: {error.strerror}") from error
    for file in files:
        match = _IDX_NAME.fullmatch(file.name)
        if match and file.is_file():
            part = "train" if match["part"] == "train" else "test"
            sets[match["prefix"]].setdefault(_IDX_KEYS[part, match["kind"]], file)
    return sets


# --- both


def _dataset(
    path: Path,
    name: str,
    arrays: dict[str, np.ndarray],
    shape: tuple[int, int] | None,
    source: str,
    crop: int | None,
    threshold: float | None,
) -> Dataset:
    from sbp.learn.data import OWN

    arrays = checked_arrays(str(path), arrays)
    if problem := label_problem(arrays["y_train"], arrays["y_test"]):
        warn(f"{path}: {problem}", RuntimeWarning, stacklevel=4)
    if name in OWN:  # the published data sets keep their names to themselves
        name = path.name if path.name != name else f"{name} (own)"
    return Dataset(
        name=printable(name),
        x_train=arrays["x_train"],
        y_train=arrays["y_train"],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        image_shape=shape,
        n_classes=1 + max(int(arrays["y_train"].max()), int(arrays["y_test"].max())),
        source=source,
        crop=crop,
        threshold=threshold,
        path=Path(os.path.abspath(path)),
    )


def label_problem(y_train: np.ndarray, y_test: np.ndarray) -> str:
    """What will not work with these labels: one line that names the classes; "" if all will."""
    trained, tested = set(y_train.tolist()), set(y_test.tolist())
    only_tested = sorted(tested - trained)
    unused = sorted(set(range(max(trained | tested) + 1)) - trained - tested)
    said = []
    if only_tested:
        said.append(
            f"no training sample has the label{_s(only_tested)} {_list(only_tested)}, which the "
            "test part asks for: those samples cannot be answered"
        )
    if unused:
        those = "those outputs learn" if len(unused) > 1 else "that output learns"
        said.append(f"no sample has the label{_s(unused)} {_list(unused)}: {those} nothing")
        if unused == list(range(min(trained | tested))):
            first = len(unused)
            said[-1] += f" (labels start at {first}: subtract {first})"
    return "; ".join(said)


def _s(items: list[int]) -> str:
    return "s" if len(items) > 1 else ""


def _list(items: list[int]) -> str:
    return ", ".join(map(str, items[:10])) + (f" and {len(items) - 10} more" * (len(items) > 10))


def printable(name: str) -> str:
    """A name as text that every file and terminal can take."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in name
    )
