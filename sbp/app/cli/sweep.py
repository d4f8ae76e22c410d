"""``sbp sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sbp.app.cli.options import DATA_DIR_OPTION, POSITIVE, examples
from sbp.app.cli.paths import DATASET, WritesFolder, command


class Numbers(click.ParamType):
    """Whole numbers with commas between them, "100,400"."""

    name = "N,N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The text as a tuple."""
        if isinstance(value, tuple):
            return value
        parts = value.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            self.fail(f"{value!r} is no list of whole numbers, like 100,400", param, ctx)
        return tuple(map(int, parts))


@command(
    epilog=examples(
        "sbp sweep --hidden 100,400,1000 --seeds 3",
        "sbp sweep --hidden 2000 --crop 2 --shift 0,1 --epochs 40",
        "sbp sweep --seeds 10 --scheduler tcp://node1:8786 --out sweep-10",
    )
)
@click.option(
    "--dataset",
    type=DATASET,
    metavar="digits|mnist|fashion-mnist|FILE.npz",
    default="mnist",
    show_default=True,
    help="Data set.",
)
@DATA_DIR_OPTION
@click.option("--hidden", type=Numbers(), default="400", show_default=True, help="Hidden neurons.")
@click.option("--crop", type=Numbers(), help="Pixels cut off at every side; default as published.")
@click.option(
    "--threshold",
    type=Numbers(),
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
@click.option(
    "--out",
    metavar="DIR",
    type=WritesFolder("*.json", "*.npz"),
    default=Path("runs/sweep"),
    show_default=True,
    help="Where each job leaves its result.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="A Dask scheduler; default: processes on this machine."
)
@click.option(
    "--workers", metavar="N", type=POSITIVE, help="Processes on this machine; default one per core."
)
def sweep(
    dataset: str,
    data_dir: Path | None,
    hidden: tuple[int, ...],
    crop: tuple[int, ...] | None,
    threshold: tuple[int, ...] | None,
    shift: tuple[int, ...],
    seeds: int,
    epochs: int,
    samples: int | None,
    out: Path,
    scheduler: str | None,
    workers: int | None,
) -> None:
    """Train every combination of options as separate jobs.

    Jobs run on the cores of this machine, or on a Dask cluster.  A lost worker or a killed sweep
    loses no finished job; the same command again does only what is missing.
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
        out=out,
        scheduler=scheduler,
        workers=workers,
        root=data_dir,
    )
    click.get_current_context().exit(code)
