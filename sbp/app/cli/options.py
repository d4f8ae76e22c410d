"""Options that several commands share, and what they load."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sbp.app.cli.paths import DATA_FOLDER, DATASET, PRETRAINED, Writes
from sbp.errors import FileError, SbpError

if TYPE_CHECKING:
    from sbp.learn.data import Dataset
    from sbp.weights import Weights

# Written out, since the modules that own them take long to import; a test compares them.
CIRCUIT_ENGINES = ("reference", "compiled", "lava")
ENGINES = ("reference", "algebra", "compiled", "lava")
CIRCUITS = ("learning", "inference", "single_layer", "gating_chain", "deep")
PARAMETER_SETS = ("released", "before-august-2024")

POSITIVE = click.IntRange(min=1)
LAYER = click.IntRange(1, 1 << 16)  #: neurons of a layer
NATURAL = click.IntRange(min=0)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Sizes(click.ParamType):
    """Layer sizes, "400-400-10"."""

    name = "N-N-..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The text as a tuple."""
        if isinstance(value, tuple):
            return value
        parts = value.replace(",", "-").split("-")
        if not all(part.isdecimal() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is no list of layer sizes, like 400-400-10", param, ctx)
        return tuple(map(int, parts))


class Number(click.ParamType):
    """A number above 0; a whole one stays an int."""

    name = "N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The text as a number."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 < number < float("inf"):
            self.fail(f"{value} is not a number above 0", param, ctx)
        return int(number) if number.is_integer() else number


class SampleRange(click.ParamType):
    """Samples "N" (the first N) or "START:STOP"."""

    name = "N|START:STOP"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> slice:
        """The text as a slice with both ends."""
        if isinstance(value, slice):
            return value
        start, _, stop = value.rpartition(":")
        start = start or "0"
        if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
            self.fail(f"{value!r} is no range of samples, like 10 or 100:110", param, ctx)
        return slice(int(start), int(stop))


def unused(names: dict[str, str]) -> None:
    """Refuse options that would be ignored: option -> why it has no effect here."""
    context = click.get_current_context()
    for name, why in names.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} has no effect {why}")


def examples(*lines: str) -> str:
    """Examples below the options of a help page."""
    # The first line keeps click from filling the lines.
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def options(*chosen: Decorator) -> Decorator:
    """Several options as one decorator; they are listed in this order in the help."""
    return lambda function: reduce(lambda f, option: option(f), reversed(chosen), function)


DATA_DIR_OPTION = click.option(
    "--data-dir",
    metavar="DIR",
    type=DATA_FOLDER,
    help="Where MNIST's files are or go; default $SBP_DATA, else the user's cache.",
)
PLACE_OPTIONS = options(
    DATA_DIR_OPTION,
    click.option(
        "--crop",
        metavar="N",
        type=NATURAL,
        help="Pixels cut off at every side; default as published.",
    ),
    click.option(
        "--threshold",
        metavar="N",
        type=Number(),
        help="Least value of a pixel that spikes; default as published.  Your own grey pictures "
        "need one.",
    ),
)
WEIGHT_EXPONENT = click.option(
    "--weight-exponent",
    type=click.IntRange(-3, 0),
    metavar="E",
    default=0,
    show_default=True,
    help="Plastic weights are mantissa * 2**E, -3 .. 0.",
)
CIRCUIT_VARIANT = options(
    WEIGHT_EXPONENT,
    click.option(
        "--parameters",
        type=click.Choice(PARAMETER_SETS),
        default="released",
        show_default=True,
        help="The authors' parameter set.",
    ),
)
JSON_OPTION = click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=Writes(".json"),
    help="Write the results as JSON.",
)


def dataset_options(default: str | None) -> Decorator:
    """``--dataset --data-dir --crop --threshold``."""
    return options(
        click.option(
            "--dataset",
            type=DATASET,
            default=default,
            show_default=default is not None,
            metavar="NAME|FILE.npz|FOLDER",
            help="digits, mnist-5k, mnist, fashion-mnist or another that `sbp info` lists; your "
            "own x_train, y_train, x_test, y_test; or a folder of idx files."
            + (
                "" if default else "  Default: the one the network was trained on, else the digits."
            ),
        ),
        PLACE_OPTIONS,
    )


def engine_option(names: tuple[str, ...], default: str | None) -> Decorator:
    """``--engine``, one of `names`."""
    return click.option(
        "--engine",
        type=click.Choice(names),
        default=default,
        show_default=default is not None,
        help="What computes; `sbp info` lists them.",
    )


LAYOUT_OPTION = click.option(
    "--layout",
    type=click.Choice(["network", "fused"]),
    help="Lava only: one process per population and projection, or one for the whole circuit."
    "  Default: fused.",
)


def engine_options(engine: str, layout: str | None) -> dict[str, Any]:
    """What is handed to the engine beside the program."""
    if engine != "lava" and layout is not None:
        raise click.UsageError(f"--layout {layout} applies to --engine lava only, not {engine}")
    return {} if layout is None else {"layout": layout}


def load_dataset(
    name: str, data_dir: Path | None, crop: int | None, threshold: float | None
) -> Dataset:
    """`sbp.learn.data.load`."""
    from sbp.learn import data

    return data.load(name, root=data_dir, crop=crop, threshold=threshold)


def load_dataset_for(
    weights: str | None,
    name: str | None,
    data_dir: Path | None,
    crop: int | None,
    threshold: float | None,
) -> Dataset:
    """The data set `name`; without one that of the saved `weights`, as it was then, else digits.

    Where answers on it are no test score of the network, a line on standard error says so.
    """
    from sbp.learn import data

    facts = history_of(weights) if weights is not None else {}
    if name is None and weights == PRETRAINED:
        name = data.best_mnist(data_dir)
    if name is None and weights is not None:
        found = data.recall(facts, near=weights, root=data_dir, crop=crop, threshold=threshold)
    else:
        found = load_dataset(name or "digits", data_dir, crop, threshold)
    if note := found.no_test_of(facts.get("dataset")):
        click.echo(f"note: {note}", err=True)
    return found


def _must_exist(where: str) -> None:
    if not Path(where).exists():
        raise FileError(
            f"{where} does not exist",
            allowed=f"the folder of a training run, a weights.npz, or {PRETRAINED}",
        )


def load_weights(where: str) -> Weights:
    """Those of a run folder, a weights file, or the network that ships."""
    from sbp.learn import checkpoint, pretrained

    if where == PRETRAINED:
        return pretrained.load()
    _must_exist(where)
    return checkpoint.load_weights(where)


def history_of(where: str) -> dict[str, Any]:
    """What is known of how saved weights were trained; empty if nothing is."""
    from sbp.learn import checkpoint, pretrained

    if where == PRETRAINED:
        return pretrained.about()
    _must_exist(where)
    try:
        return checkpoint.load_history(where)
    except SbpError:
        return {}
