"""Claims about accuracy that need no circuit but only its weights; baseline and sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sbp.circuits import learning_circuit
from sbp.errors import MissingDependency
from sbp.files import arrays_digest
from sbp.learn.training import Result
from sbp.reproduce import baseline, sweeps
from sbp.reproduce.bench import Bench, Missing, NotMeasured
from sbp.reproduce.claims import Claim
from sbp.reproduce.registry import MEASURES, Measurement, measures

OFF_CHIP_EPOCHS = 20  #: the step size has fallen to zero by then, and accuracy is level


def _digests(results: list[Result]) -> dict[str, str]:
    return {str(result.settings.seed): result.digest for result in results}


def _curves(results: list[Result]) -> dict[str, Any]:
    """Every epoch of every seed, rounded to what the counts of a test set can tell apart."""
    return {
        name: [[round(row[name], 6) for row in result.epochs] for result in results]
        for name in (*MEASURES, "mse")
    }


def _percent(results: list[Result], name: str, best: bool) -> list[float]:
    histories = [[100 * row[name] for row in result.epochs] for result in results]
    return [round(max(history) if best else history[-1], 4) for history in histories]


@measures("digits", "mnist-best-checkpoint", "mnist-60-epochs", "fashion-mnist")
def accuracy(claim: Claim, bench: Bench) -> Measurement:
    """The three accuracies, at the best epoch or the last one."""
    (name,) = claim.data
    seeds = bench.seeds(claim)
    results = bench.trainings(name, seeds, epochs=30 if name == "digits" else None)
    values = {}
    for measure in MEASURES:
        last, best = (_percent(results, measure, choose) for choose in (False, True))
        values[f"{measure}, last epoch"], values[f"{measure}, best epoch"] = last, best
        values[measure] = best if claim.id == "mnist-best-checkpoint" else last
    values["mse"] = [round(result.epochs[-1]["mse"], 6) for result in results]
    values = {quantity.name: values[quantity.name] for quantity in claim.quantities}
    return Measurement(
        values,
        {"epochs": len(results[0].epochs), "curves": _curves(results)},
        (learning_circuit(results[0].sizes),), seeds, _digests(results),
        {name: bench.dataset(name)},
    )  # fmt: skip


@measures("off-chip-baseline")
def off_chip(claim: Claim, bench: Bench) -> Measurement:
    """The off-chip baseline beside the on-chip rule."""
    seeds = bench.seeds(claim)
    dataset = bench.dataset(claim.data[0])
    epochs = min(OFF_CHIP_EPOCHS, bench.scale.epochs)

    def one(seed: int, advance: Callable[[int], None]) -> baseline.Baseline:
        return baseline.train(dataset, seed=seed, epochs=epochs, progress=lambda _: advance(1))

    found = bench.parallel("off-chip baseline", seeds, one, epochs)
    off = [found[seed] for seed in seeds]
    on = bench.trainings(claim.data[0], seeds)

    def percent(kind: str, measure: str) -> list[float]:
        return [round(100 * getattr(row.epochs[-1][kind], measure), 4) for row in off]

    grid, chip = percent("grid", "spike"), _percent(on, "spike", best=False)
    values = {
        "spike, on the chip's grid": grid,
        "membrane, on the chip's grid": percent("grid", "membrane"),
        "spike, float weights": percent("float", "spike"),
        "membrane, float weights": percent("float", "membrane"),
        "on-chip minus off-chip, spike": [
            round(mine - other, 4) for mine, other in zip(chip, grid, strict=True)
        ],
    }
    curves = {
        name: [[round(getattr(row["grid"], name), 6) for row in one.epochs] for one in off]
        for name in (*MEASURES, "mse")
    }
    digests = {str(s): arrays_digest(one.weights) for s, one in zip(seeds, off, strict=True)}
    return Measurement(
        values, {"epochs": epochs, "curves": curves, "on-chip": _curves(on)},
        (learning_circuit(on[0].sizes),), seeds, digests,
        {claim.data[0]: dataset}, ("reproduce/baseline.py",), exact=False,
    )  # fmt: skip


@measures("beyond-the-paper")
def beyond(claim: Claim, bench: Bench) -> Measurement:
    """The sweep over widths, crops and shifts; only missing jobs are run."""
    (name,) = claim.data
    dataset = bench.dataset(name)
    seeds = bench.seeds(claim)
    jobs = sweeps.grid(
        name, seeds=seeds, epochs=min(40, bench.scale.epochs), n_train=bench.scale.n_train,
        n_test=bench.scale.n_test, **sweeps.BEYOND,
    )  # fmt: skip
    try:
        records = sweeps.run(
            jobs, bench.folder / "sweep", root=bench.root, progress=sweeps.print_progress
        )
    except MissingDependency as error:
        raise Missing(str(error)) from None
    failed = [job.id for job, record in zip(jobs, records, strict=True) if record is None]
    if failed:
        raise NotMeasured(
            f"{len(failed)} of {len(jobs)} jobs of the sweep failed, the first: {failed[0]}; run "
            "the same command again to repeat what is missing"
        )
    groups = sweeps.summary(records)
    best = max(groups, key=lambda group: sum(group["spike"]))
    chip = best["chip"]
    values = {
        "spike, best network": [round(100 * value, 4) for value in best["spike"]],
        "membrane, the same network": [round(100 * value, 4) for value in best["membrane"]],
        "share of the chip's neurons": [round(100 * chip["share of neurons"], 3)],
        "share of the chip's synaptic memory, at least": [
            round(100 * chip["share of synaptic memory"], 3)
        ],
    }
    done = [record for record in records if record]
    digests = {job.id: record["weights"] for job, record in zip(jobs, done, strict=True)}
    return Measurement(
        values, {"best": best["job"], "epochs": best["job"]["epochs"], "jobs": groups},
        (learning_circuit(best["sizes"]),), seeds, digests, {name: dataset},
        ("engines/compiled.py", *sweeps.MODULES),
    )  # fmt: skip
