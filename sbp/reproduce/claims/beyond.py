"""How far the same chip-legal circuit gets: a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sbp.reproduce import sweeps
from sbp.reproduce.claim import OURS, Circuits, Claim, Measurement, Quantity, claim

if TYPE_CHECKING:
    from sbp.reproduce.bench import Bench


def best(claim: Claim, details: Mapping[str, Any]) -> dict[str, list[float]]:
    """The network with the best mean over seeds by spike."""
    found = max(details["jobs"], key=lambda group: sum(group["spike"]))
    chip = found["chip"]
    return {
        "spike, best network": [round(100 * value, 4) for value in found["spike"]],
        "membrane, the same network": [round(100 * value, 4) for value in found["membrane"]],
        "share of the chip's neurons": [round(100 * chip["share of neurons"], 3)],
        "share of the chip's synaptic memory, at least": [
            round(100 * chip["share of synaptic memory"], 3)
        ],
    }


@claim(
    "beyond-the-paper",
    "How far the same chip-legal circuit gets with more hidden neurons, a wider crop and "
    "shifted training images.",
    source="This package (sbp.reproduce.sweeps)",
    origin="ours",
    quantities=(
        Quantity("spike, best network", unit="%"),
        Quantity("membrane, the same network", unit="%"),
        Quantity("share of the chip's neurons", unit="%"),
        Quantity("share of the chip's synaptic memory, at least", unit="%"),
    ),
    how="A sweep over hidden sizes, crops and training-time shifts, 40 epochs; the last epoch of "
    "each network counts, and the one with the best mean over seeds by spike is shown here.",
    why=OURS,
    seeds=2,
    epochs=40,
    engine="algebra",
    engines=("compiled",),
    data=("mnist",),
    summary=best,
)
def beyond(claim: Claim, bench: Bench) -> Measurement:
    """The sweep over widths, crops and shifts; only missing jobs are run."""
    from sbp.reproduce.bench import NotMeasured

    (name,) = claim.data
    dataset = bench.dataset(name)
    seeds = bench.seeds(claim)
    jobs = sweeps.grid(
        name, seeds=seeds, epochs=min(40, bench.scale.epochs), n_train=bench.scale.n_train,
        n_test=bench.scale.n_test, **sweeps.BEYOND,
    )  # fmt: skip
    records = sweeps.run(
        jobs, bench.folder / "sweep", root=bench.root, workers=bench.workers,
        progress=sweeps.print_progress,
    )  # fmt: skip
    failed = [job.id for job, record in zip(jobs, records, strict=True) if record is None]
    if failed:
        raise NotMeasured(
            f"{len(failed)} of {len(jobs)} jobs of the sweep failed, the first: {failed[0]}; run "
            "the same command again to repeat what is missing"
        )
    groups = sweeps.summary(records)
    found = max(groups, key=lambda group: sum(group["spike"]))
    done = [record for record in records if record]
    return Measurement(
        details={"best": found["job"], "epochs": found["job"]["epochs"], "jobs": groups},
        circuits=(Circuits("learning", tuple(found["sizes"])),),
        seeds=seeds,
        weights={job.id: record["digest"] for job, record in zip(jobs, done, strict=True)},
        data={name: dataset},
    )
