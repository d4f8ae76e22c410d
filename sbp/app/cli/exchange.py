"""``sbp export`` and ``sbp import``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from sbp.app.cli.options import Name, examples, history_of, load_weights
from sbp.app.cli.paths import FILE, OUT_RUN, RUN, Writes, command
from sbp.errors import FileError
from sbp.learn.progress import say

FORMATS = ("nir", "npz", "csv")  # written out, as in sbp.app.cli.options; a test compares them
MODELS = ("cuba", "lif")

ENDINGS = " or ".join(f"*.{form}" for form in FORMATS)


@command(
    "export",
    epilog=examples(
        "sbp export pretrained mnist.nir",
        "sbp export mnist-0 mnist-0.nir              a run of your own",
        "sbp export mnist-0 --to csv mnist-0.csv     a line for every synapse",
    ),
)
@click.argument("run", metavar="RUN", type=RUN)
@click.argument("file", metavar="FILE", type=Writes(*(f".{form}" for form in FORMATS)))
@click.option(
    "--to",
    "form",
    type=Name("format", FORMATS),
    help="Default: as the file's name ends, else nir.  nir: the graph that snnTorch, Norse, Spyx "
    "and others read; npz, csv: plain weights.",
)
@click.option(
    "--neuron",
    type=Name("neuron model", MODELS),
    help="Neuron of a NIR file: CubaLIF, or LIF for receivers without synaptic currents (sinabs). "
    "Default cuba.",
)
def export(run: str, file: Path, form: str | None, neuron: str | None) -> None:
    """Write a trained network for other simulators.

    RUN is the folder of a training run, a weights.npz, or `pretrained`.  A receiver of the NIR
    file computes the same spikes, if its step is 0.1 ms; what the file cannot say stands in its
    metadata.
    """
    ending = file.suffix.lower().lstrip(".")
    if ending not in ("", *FORMATS) and form is None:
        raise click.UsageError(f"{file.name} ends in {file.suffix}; name it {ENDINGS}, or use --to")
    ending = ending if ending in FORMATS else ""
    if form and ending and ending != form:
        raise click.UsageError(f"--to {form} into {file.name}: name the file *.{form}")
    form = form or ending or "nir"
    if neuron and form != "nir":
        raise click.UsageError(f"--neuron has no effect on {form}: it holds weights only")
    weights = load_weights(run)
    from sbp.app import exchange

    name = history_of(run).get("dataset")
    about = {"dataset": name} if name else {}
    exchange.write(file, weights, form, about, neuron=neuron or "cuba")
    size = file.stat().st_size / 1000
    say(f"{file}: {exchange.facts(weights, None)['sizes']}, {form}, {size:,.1f} kB")
    if form == "nir":
        say(f"not in the file: {', '.join(exchange.NOT_SAID)}")


@command(
    "import",
    epilog=examples(
        "sbp import mnist.nir --out imported",
        "sbp evaluate imported --dataset mnist",
    ),
)
@click.argument("file", metavar="FILE", type=FILE)
@click.option(
    "--out",
    metavar="DIR",
    type=OUT_RUN,
    required=True,
    help="Folder for the weights; `sbp evaluate DIR` measures them.",
)
@click.option("--force", is_flag=True, help="Write over the run that is in --out.")
def import_(file: Path, out: Path, force: bool) -> None:
    """Read a network of dense layers from a NIR file.

    Weights are scaled to the chip's threshold of 512, rounded to even integers and clipped to
    -256..254; what that loses is told.  The chip's neurons are memoryless: of a neuron with
    memory only its threshold is kept.
    """
    from sbp.app import exchange
    from sbp.learn.checkpoint import RunFolder
    from sbp.weights import arrays_digest

    folder = RunFolder(out)
    with folder.locked():
        if folder.used and not force:
            raise FileError(
                f"{out} holds a training run", do="choose another --out, or --force writes over it"
            )
        weights, losses, about = exchange.read(file)
        known = {"dataset": about["dataset"]} if "dataset" in about else {}
        folder.finish(
            weights,
            [],
            {
                **known,
                "imported": file.name,
                "sizes": weights.sizes,
                "loss": {name: asdict(loss) for name, loss in losses.items()},
            },
        )
    click.secho(f"{file}: {'-'.join(map(str, weights.sizes))}", bold=True)
    for name, loss in losses.items():
        low, high = loss.scale
        factor = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        say(
            f"  {name}: {loss.weights:,} weights times {factor}; rounding error "
            f"at most {loss.largest:.3g}, rms {loss.rms:.3g}; "
            f"{loss.saturated:,} saturated"
            + (f", the furthest by {loss.furthest:.4g}" if loss.saturated else "")
            + (f"; {loss.vanished:,} became 0" if loss.vanished else "")
            + (f"; relative error {100 * loss.relative:.2g} %" if loss.relative else "")
        )
    for name, loss in losses.items():
        if loss.mostly_lost:
            click.echo(
                f"sbp: warning: most of {name} is lost on the chip's grid: {loss.vanished:,} of "
                f"{loss.weights:,} weights became 0, relative error {100 * loss.relative:.3g} %",
                err=True,
            )
    say(f"saved in {out}: weights.npz, history.json  (weights {arrays_digest(weights)[:12]})")
