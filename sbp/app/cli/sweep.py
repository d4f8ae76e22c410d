"""``sbp sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sbp.app.cli.options import (
    DATA_DIR_OPTION,
    DATASET_BY_DEFAULT,
    MAX_SIZE,
    POSITIVE,
    WEIGHT_EXPONENT,
    Number,
    dataset_option,
    examples,
    wholes,
)
from sbp.app.cli.paths import WritesFolder, command


class LayersLists(click.ParamType):
    """Hidden neurons, "100,400"; several layers of one network with dashes, "400-400"."""

    name = "N,N-N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[tuple[int, ...], ...]:
        """The text as a tuple of tuples."""
        if isinstance(value, tuple):
            return value
        networks = [part.strip().split("-") for part in value.split(",")]
        for layer in (layer for network in networks for layer in network):
            if wholes([layer], 1, MAX_SIZE) is None:
                self.fail(
                    f"{value!r:.60} holds {layer!r:.30}; allowed: whole numbers from 1 to "
                    f"{MAX_SIZE}, as in 100,400 for two networks or 400-400 for two layers",
                    param, ctx,
                )  # fmt: skip
        return tuple(tuple(map(int, network)) for network in networks)


class Numbers(click.ParamType):
    """Whole numbers with commas between them, "100,400"."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The text as a tuple."""
        if isinstance(value, tuple):
            return value
        numbers = wholes(value.split(","), most=10**12)
        if numbers is None:
            self.fail(f"{value!r:.60} is no list of whole numbers, like 100,400", param, ctx)
        return numbers


class Reals(click.ParamType):
    """Numbers with commas between them, "0.25,0.5"; whole ones stay ints."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The text as a tuple."""
        if isinstance(value, tuple):
            return value
        return tuple(Number().convert(part, param, ctx) for part in value.split(","))


@command(
    epilog=examples(
        "sbp sweep --hidden 100,400,1000 --seeds 3",
        "sbp sweep --dataset mnist --hidden 2000 --crop 2 --shift 0,1 --epochs 40",
        "sbp sweep --dataset mnist --seeds 10 --scheduler tcp://node1:8786",
    )
)
@dataset_option(DATASET_BY_DEFAULT)
@DATA_DIR_OPTION
@click.option(
    "--hidden",
    type=LayersLists(),
    default="400",
    show_default=True,
    help="Hidden neurons, a network for each; 400-200 is one with two layers.",
)
@click.option("--crop", type=Numbers(), help="Pixels cut off at every side; default as published.")
@click.option(
    "--threshold",
    type=Reals(),
    help="Least value of a pixel that spikes; default as published.",
)
@click.option(
    "--shift",
    type=Numbers(),
    default="0",
    show_default=True,
    help="Training pictures move by up to this many pixels, at most the crop.",
)
@click.option(
    "--seeds",
    metavar="N",
    type=POSITIVE,
    default=1,
    show_default=True,
    help="Seeds 0 to N-1 of every combination.",
)
@click.option(
    "--epochs", metavar="N", type=POSITIVE, default=40, show_default=True, help="Of every job."
)
@click.option("--samples", metavar="N", type=POSITIVE, help="Train on the first N samples only.")
@WEIGHT_EXPONENT
@click.option(
    "--out",
    metavar="DIR",
    type=WritesFolder("*.json", "*.npz"),
    default=Path("runs/sweep"),
    show_default=True,
    help="Where each job leaves its result.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="A Dask scheduler; default: the cores of this machine."
)
@click.option(
    "--workers",
    metavar="N",
    type=POSITIVE,
    help="Jobs at a time on this machine; default one per core.",
)
def sweep(
    dataset: str,
    data_dir: Path | None,
    hidden: tuple[tuple[int, ...], ...],
    crop: tuple[int, ...] | None,
    threshold: tuple[float, ...] | None,
    shift: tuple[int, ...],
    seeds: int,
    epochs: int,
    samples: int | None,
    weight_exponent: int,
    out: Path,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Train every combination of options as separate jobs.

    Jobs learn by the algebra, on the cores of this machine or on a Dask cluster.  Each leaves its
    curve and its weights in --out.  A lost worker or a killed sweep loses no finished job; the same
    command again does only what is missing.
    """
    from sbp.reproduce import sweeps

    code = sweeps.main(
        dataset,
        hidden=hidden,
        seeds=seeds,
        crops=crop or (None,),
        thresholds=threshold or (None,),
        shifts=shift,
        epochs=epochs,
        samples=samples,
        weight_exponent=weight_exponent,
        out=out,
        scheduler=scheduler,
        workers=workers,
        root=data_dir,
    )
    click.get_current_context().exit(code)
