"""The benchmark card: all that a chip builder needs to run the paper's network and compare.

Everything on the card is worked out from what it is about: the circuits, the data set, the
placement, the golden traces and the committed results.  `facts` gives it as JSON types, `markdown`
as a page, and `write` both, with the circuits as program files and weights as plain text beside
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sbp.circuits import inference_circuit, learning_circuit
from sbp.errors import FileError
from sbp.files import plain, program_file, read_json, shipped, trace, write_atomic, write_json
from sbp.learn import pretrained
from sbp.learn.idx import MNIST
from sbp.program import Program, lower
from sbp.reproduce import energy, placement
from sbp.reproduce.claims import CLAIMS
from sbp.reproduce.schema import read_record
from sbp.reproduce.status import mean_and_deviation
from sbp.weights import Weights

FORMAT = "sbp benchmark card 1"
SIZES = (400, 400, 10)
SEEDS = range(3)  #: random starts whose digests are on the card
PAPER = "Renner et al., Nature Communications 15, 9691 (2024), doi 10.1038/s41467-024-53827-9"
#: Claims whose numbers are on the card.
ACCURACY = ("mnist-best-checkpoint", "mnist-60-epochs", "mnist-circuit-equals-algebra")
COST = ("energy-learning", "energy-inference")

NUMBERS = ("bias", "threshold", "refractory", "du", "dv")
NEURON = (
    "u <- D(u, du) + arriving, wrapped to 24 bits",
    "v <- D(v, dv) + u + bias, wrapped to 24 bits; 0 in the dead time",
    "a spike if v > threshold; then v <- 0 and refractory - 1 dead steps",
    "D(x, d) = sign(x) * floor(|x| * (4096 - d) / 4096)",
    "arriving: sum of weight * 2**(6 + exponent) over the spikes that act in this step",
)
ORDER = (
    "neurons take what arrives in this step, and fire or not",
    "every spike is put on its synapses with the weight of this moment; it acts 1 + delay steps "
    "later",
    "plastic synapses between neurons that both fired in this step change, and are clipped",
)
READOUT = {
    "exact": "the output spikes are the one-hot label",
    "spike": "the lowest output that spikes (0 if none) is the label",
    "membrane": "the largest W2 h is the label (the lowest of equals)",
    "mse": "mean of (target - output)^2 over samples and outputs",
}
MEASURED_HOW = (
    "Measured by the authors on Loihi (board ncl-ext-ghrd-01, 10,000 samples, no other probes): "
    "total energy and time of the phases spiking, learning and management, without the host's."
)


def facts() -> dict[str, Any]:
    """The card, as JSON types.

    Raises
    ------
    FileError
        If the results or traces that come with the package are not there.
    """
    results = shipped.folder("results")
    learning, inference = lower(learning_circuit(SIZES)), lower(inference_circuit(SIZES))
    return {
        "format": FORMAT,
        "source": PAPER,
        "licence": "BSD-3-Clause: the card, the program files, the weights and the traces.  The "
        "pictures of MNIST are no part of them.",
        "task": task(),
        "circuits": {"learning": circuit(learning), "inference": circuit(inference)},
        "neuron": list(NEURON),
        "order_of_a_step": list(ORDER),
        "populations": populations(learning),
        "synapses": synapses(learning),
        "learning_rule": {
            "change": {
                "with_reward": learning.dw_reward,
                "without": learning.dw_otherwise,
            },
            "weights": "even integers from -256 to 254",
            "copies": "each projection holds and changes its own copy; negated copies start at "
            "the negative, that of -256 at 254",
        },
        "schedule": schedule(learning),
        "readout": READOUT,
        "weights": weights(),
        "placement": placed(learning),
        "accuracy": [result(id, results) for id in ACCURACY],
        "energy_and_latency": cost(results),
        "traces": traces(results),
    }


def task() -> dict[str, Any]:
    """Data set, preprocessing, and the checksums of both ends."""
    return {
        "data_set": "MNIST, 60,000 pictures for training and 10,000 for testing",
        "md5_of_unpacked_files": dict(MNIST.md5),
        "preprocessing": [
            f"cut {MNIST.crop} pixels off every side: 28 by 28 becomes 20 by 20",
            f"a pixel spikes if its value is {MNIST.threshold} or more",
            "row by row, 400 inputs",
        ],
        "sha256_of_prepared_arrays": MNIST.checksum,
        "training": "60 epochs, a new order in each, one sample after the other",
    }


def circuit(program: Program) -> dict[str, Any]:
    """Counts and digests of a circuit."""
    text = program_file.dumps(program)
    return {
        "sizes": list(program.sizes),
        "neurons": program.n_neurons,
        "synapses": program.circuit.n_synapses(),
        "plastic_synapses": program.circuit.n_synapses(plastic_only=True),
        "steps_a_sample": program.period,
        "longest_delay": program.n_slots - 1,
        "program_digest": program.digest,
        "program_file": f"{program.name}.sbp",
        "program_file_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def populations(program: Program) -> list[dict[str, Any]]:
    """Populations with equal numbers together."""
    found: dict[tuple[int, ...], list[str]] = {}
    for p in program.populations:
        key = (*(getattr(p, name) for name in NUMBERS), p.size)
        found.setdefault(key, []).append(p.name)
    fields = (*NUMBERS, "size")
    return [{"names": names, **dict(zip(fields, key, strict=True))} for key, names in found.items()]


def synapses(program: Program) -> list[dict[str, Any]]:
    """Kinds of synapse: weight, and how many projections there are of each."""
    found: dict[tuple[str, int, int], int] = {}
    for p, kind in zip(program.projections, program.kinds, strict=True):
        key = (kind, p.mantissa, p.exponent)
        found[key] = found.get(key, 0) + 1
    return [
        {
            "kind": kind,
            "mantissa": "learned" if kind == "plastic" else mantissa,
            "exponent": exponent,
            "projections": count,
        }
        for (kind, mantissa, exponent), count in found.items()
    ]


def schedule(program: Program) -> list[dict[str, Any]]:
    """What happens in each phase of a sample."""
    rows = []
    for p, phase in enumerate(program.circuit.phases):
        emits = [s.name for s in program.sources if s.phase == p]
        rows.append(
            {
                "phase": p,
                "name": phase.name,
                "from_outside": emits,
                "fires": list(phase.fires),
                "learns": list(phase.learns),
                "reward": phase.reward,
                "note": phase.note,
            }
        )
    return rows


def weights() -> dict[str, Any]:
    """Random starts and the trained network, by digest."""
    about = pretrained.about()
    return {
        "initial": {
            "rule": "normal(0, 1) * sqrt(2 / (n_pre + n_post)) * 1024, clipped to +-240, rounded "
            "toward zero to even integers",
            "digests_by_seed": {str(s): Weights.random(SIZES, s).digest for s in SEEDS},
            "file": "learning.sbp.weights",
            "seed_of_file": SEEDS[0],
        },
        "trained": {
            "digest": pretrained.load().digest,
            "seed": about["seed"],
            "epochs": about["epochs"],
            "measured_on_test_set": about["measured"],
            "file": "inference.sbp.weights",
        },
    }


def placed(program: Program) -> dict[str, Any]:
    """Which core holds what, by the authors' rule."""
    load = placement.load(program)
    return {
        "rule": "core = start + i // ceil(size / (end - start)) for neuron i of a population; "
        f"cores {_range(placement.PLASTIC)} for populations that plastic synapses reach, "
        f"{_range(placement.GATES)} for gates, {_range(placement.OTHERS)} for the others (as in "
        "the authors' released code)",
        "cores": load.cores,
        "neurons_in_fullest_core": load.neurons,
        "bits_of_weights_in_fullest_core": load.bits,
        "first_and_last_core": {
            name: [int(cores.min()), int(cores.max())]
            for name, cores in placement.cores_of(program).items()
        },
    }


def _range(first_last: Iterable[int]) -> str:
    return " to ".join(map(str, first_last))


def result(id: str, folder: Path) -> dict[str, Any]:
    """What was published and what was measured for a claim, with how it was estimated."""
    claim = next(claim for claim in CLAIMS if claim.id == id)
    try:
        values = read_record(folder / f"{id}.json", id)["values"]
    except FileError:
        values = {}
    rows = []
    for quantity in claim.quantities:
        found = values.get(quantity.name)
        mean, deviation = mean_and_deviation(found) if found else (None, None)
        rows.append(
            {
                "name": quantity.name,
                "unit": quantity.unit,
                "published": quantity.expected,
                "here": None if mean is None else round(mean, 6),
                "standard_deviation": None if deviation is None else round(deviation, 6),
                "values": len(found or ()),
            }
        )
    return {
        "claim": id,
        "statement": claim.statement,
        "source": claim.source,
        "how": claim.how,
        "quantities": rows,
    }


def cost(folder: Path) -> dict[str, Any]:
    """Energy and time of a sample: measured by the authors, modelled here, and what is left out."""
    measured = {
        mode: {"energy_mj": found.energy, "time_ms": found.latency}
        for mode, found in energy.MEASURED.items()
    }
    return {
        "measured_on_loihi": {"how": MEASURED_HOW, **measured},
        "modelled_here": [result(id, folder) for id in COST],
        "left_out_of_model": list(energy.LEFT_OUT),
        "chip_model_of_others": _cost_of_others(folder / "cost.json"),
    }


def _cost_of_others(path: Path) -> dict[str, Any] | None:
    """What `make cost` found; None if it has not run."""
    if not path.exists():
        return None
    record = read_json(path, "result file")
    return {
        mode: {
            f"energy_uj_{where}_placement": round(float(np.sum([*row["energy"].values()])), 3)
            for where, row in found["sanafe"].items()
        }
        for mode, found in record["modes"].items()
    }


def traces(folder: Path) -> list[dict[str, Any]]:
    """The golden traces, and the faults that each of them sees."""
    seen: Mapping[str, Mapping[str, Any]] = read_json(folder / "faults.json", "result file")["seen"]
    rows = []
    for path in sorted(shipped.folder("traces").glob("*.npz")):
        read = trace.read(path)
        unseen = [fault for fault, row in seen.items() if not any(row.get(path.stem, ()))]
        rows.append(
            {
                "file": f"tests/traces/{path.name}",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "circuit": read.program.name,
                "sizes": list(read.program.sizes),
                "samples": read.n_samples,
                "steps": read.n_steps,
                "spikes": read.n_spikes,
                "sees": len(seen) - len(unseen),
                "does_not_see": unseen,
            }
        )
    return rows


def write(folder: str | Path) -> list[Path]:
    """Write card.json and card.md, the program files and weights, to `folder`.

    Raises
    ------
    FileError
        If it cannot be written, or the package is incomplete.
    """
    folder, card = Path(folder), facts()
    learning, inference = lower(learning_circuit(SIZES)), lower(inference_circuit(SIZES))
    return [
        *write_card(card, folder),
        program_file.write(learning, folder / "learning.sbp"),
        plain.write_weights(
            Weights.random(SIZES, SEEDS[0]), learning, folder / "learning.sbp.weights"
        ),
        program_file.write(inference, folder / "inference.sbp"),
        plain.write_weights(pretrained.load(), inference, folder / "inference.sbp.weights"),
    ]


def write_card(card: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write card.json and card.md."""
    text = markdown(card)
    return [
        write_json(folder / "card.json", card),
        write_atomic(folder / "card.md", lambda stream: stream.write(text.encode())),
    ]


# --- as a page -----------------------------------------------------------------------------------


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page, from its facts alone."""
    return "\n".join([*_head(card), *_network(card), *_numbers(card), *_traces(card), ""])


def table(head: Iterable[str], rows: Iterable[Iterable[Any]], right: str = "") -> list[str]:
    """Lines of a table; `right` has an r for each column that is set to the right."""
    head = list(head)
    marks = ["--:" if mark == "r" else "---" for mark in right.ljust(len(head))]
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(marks)}|"]
    return [*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows), ""]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return " ".join(f"`{item}`" for item in value)
    return str(value)


def _head(card: Mapping[str, Any]) -> list[str]:
    found = card["task"]
    return [
        "# Benchmark card",
        "",
        "Backpropagation by spiking neurons, 400-400-10 on MNIST: what a chip or a simulator has "
        "to be told to run the same network, and what it has to give. The same facts for a "
        "program are in `card.json`; `sbp card DIR` writes both, with the circuits as "
        "program files and the weights as plain text beside them.",
        "",
        f"Source: {card['source']}. Licence: {card['licence']}",
        "",
        "## Task",
        "",
        f"{found['data_set']}. {found['training'].capitalize()}.",
        "",
        *(f"{i}. {step}" for i, step in enumerate(found["preprocessing"], 1)),
        "",
        f"SHA-256 of the prepared arrays: `{found['sha256_of_prepared_arrays']}`",
        "",
        *table(
            ("file, unpacked", "md5"),
            ((f"`{k}`", f"`{v}`") for k, v in found["md5_of_unpacked_files"].items()),
        ),
    ]


def _network(card: Mapping[str, Any]) -> list[str]:
    circuits, rule = card["circuits"], card["learning_rule"]
    change = rule["change"]
    names = ("neurons", "synapses", "plastic_synapses", "steps_a_sample", "longest_delay")
    rows = [(name, *(found[name] for found in circuits.values())) for name in names]
    rows += [
        (name, *(f"`{found[name][:16]}...`" for found in circuits.values()))
        for name in ("program_digest", "program_file_sha256")
    ]
    return [
        "## Circuits",
        "",
        *table(("", *circuits), ((name.replace("_", " "), *row) for name, *row in rows), " rr"),
        "A neuron, in integers (register units, 64 to a weight unit):",
        "",
        *(f"- {line}" for line in card["neuron"]),
        "",
        *table(
            ("populations", "neurons each", *NUMBERS),
            (
                (row["names"], *(row[key] for key in ("size", *NUMBERS)))
                for row in card["populations"]
            ),
            " rrrrrr",
        ),
        "Synapses, weight = mantissa * 2^exponent:",
        "",
        *table(
            ("kind", "mantissa", "exponent", "projections"),
            ((r["kind"], r["mantissa"], r["exponent"], r["projections"]) for r in card["synapses"]),
            " rrr",
        ),
        "The order of a step:",
        "",
        *(f"{i}. {line}" for i, line in enumerate(card["order_of_a_step"], 1)),
        "",
        f"A plastic synapse whose two neurons spike in the same step changes by "
        f"{change['with_reward']:+d} in a phase with a reward and by {change['without']:+d} in "
        f"all others. Weights: {rule['weights']}. Copies: {rule['copies']}.",
        "",
        "## Schedule",
        "",
        *table(
            ("phase", "", "from outside", "fires", "learns", "reward"),
            (
                (r["phase"], r["name"], r["from_outside"], r["fires"], r["learns"],
                 "yes" if r["reward"] else "")
                for r in card["schedule"]
            ),
            "r",
        ),
        "## Readout",
        "",
        *(f"- **{name}**: {meaning}" for name, meaning in card["readout"].items()),
        "",
    ]  # fmt: skip


def _numbers(card: Mapping[str, Any]) -> list[str]:
    initial, trained = card["weights"]["initial"], card["weights"]["trained"]
    where, costs = card["placement"], card["energy_and_latency"]
    measured = costs["measured_on_loihi"]
    of_others = costs["chip_model_of_others"]
    lines = [
        "## Weights",
        "",
        f"Random start: {initial['rule']}.",
        "",
        *table(
            ("weights", "file", "digest"),
            [
                *(
                    (f"random, seed {s}", f"`{initial['file']}`" * (int(s) == SEEDS[0]), f"`{d}`")
                    for s, d in initial["digests_by_seed"].items()
                ),
                (f"trained, seed {trained['seed']}, {trained['epochs']} epochs",
                 f"`{trained['file']}`", f"`{trained['digest']}`"),
            ],
        ),
        "## Placement",
        "",
        f"{where['cores']} cores; {where['neurons_in_fullest_core']} neurons and "
        f"{where['bits_of_weights_in_fullest_core']:,} bits of weights in the "
        f"fullest. Rule: {where['rule']}.",
        "",
        "## Accuracy",
        "",
    ]  # fmt: skip
    for found in card["accuracy"]:
        lines += _result(found)
    lines += ["## Energy and latency", "", measured["how"], ""]
    lines += table(
        ("a sample", "energy, mJ", "time, ms"),
        (
            (mode, row["energy_mj"], row["time_ms"])
            for mode, row in measured.items()
            if mode != "how"
        ),
        " rr",
    )
    for found in costs["modelled_here"]:
        lines += _result(found)
    lines += ["Left out of the model:", "", *(f"- {x}" for x in costs["left_out_of_model"]), ""]
    if of_others:
        lines += ["A public model of the chip (`make cost`):", ""]
        lines += [
            f"- {mode}: "
            + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in found.items())
            for mode, found in of_others.items()
        ]
        lines.append("")
    return lines


def _result(found: Mapping[str, Any]) -> list[str]:
    def here(row: Mapping[str, Any]) -> str:
        if row["here"] is None:
            return "not measured"
        spread = row["standard_deviation"]
        return f"{row['here']:.4g}" + (f" ± {spread:.2g}" if row["values"] > 1 else "")

    return [
        f"**{found['statement']}** {found['how']} (`sbp reproduce {found['claim']}`)",
        "",
        *table(
            ("", "published", "here", "values"),
            (
                (f"{r['name']}{', ' + r['unit'] if r['unit'] else ''}", r["published"], here(r),
                 r["values"] or None)
                for r in found["quantities"]
            ),
            " rrr",
        ),
    ]  # fmt: skip


def _traces(card: Mapping[str, Any]) -> list[str]:
    return [
        "## Traces",
        "",
        "Every spike and every final weight of a run; `sbp verify FILE` replays one, "
        "`sbp program trace` makes plain text of it. Which wrong rule each of them sees is in "
        "`faults.md`.",
        "",
        *table(
            ("trace", "circuit", "samples", "steps", "spikes, sources' too", "faults seen"),
            (
                (
                    f"`{r['file']}`", f"{r['circuit']} {'-'.join(map(str, r['sizes']))}",
                    r["samples"], r["steps"], r["spikes"],
                    f"{r['sees']} of {r['sees'] + len(r['does_not_see'])}",
                )
                for r in card["traces"]
            ),
            "  rrrr",
        ),
    ]  # fmt: skip
