"""Sweeps: jobs are right, none is lost, none is done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ENVIRONMENT, PATIENCE, wait_for

from sbp import loihi
from sbp.errors import MissingDependency, SpecError
from sbp.learn import data
from sbp.learn.checkpoint import load_weights, write_weights
from sbp.learn.progress import output
from sbp.learn.task import Task
from sbp.learn.training import Settings, train
from sbp.reproduce import provenance, sweeps
from sbp.reproduce.sweeps import Job, cluster, job

ROOT = Path(__file__).resolve().parents[1]
TINY = {"dataset": "digits", "hidden": 20, "epochs": 2, "n_train": 200, "n_test": 50}


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_a_job_without_shifts_is_the_training_of_sbp_train() -> None:
    digits = data.load("digits").take(400, 100)
    record, weights = sweeps.run_job(
        Job("digits", hidden=30, seed=4, epochs=3, n_train=400, n_test=100)
    )
    trained = train(digits, Settings(engine="algebra", hidden=30, seed=4, epochs=3))
    assert record["digest"] == weights.digest == trained.digest
    assert record["data_checksum"] == digits.checksum
    assert [row["membrane"] for row in record["epochs"]] == [
        row["membrane"] for row in trained.epochs
    ]
    assert record["check"]["differing weights"] == 0
    assert record["check"]["samples"] == 400


def test_a_dead_output_is_below_zero_for_all_of_its_class() -> None:
    sums = np.array([[-2, 4, 2], [0, 4, -2], [6, -8, -2], [6, -8, -6]])
    assert job.dead_outputs(sums, np.array([0, 0, 1, 2])) == [0, 1, 2]
    assert job.dead_outputs(sums, np.array([1, 0, 0, 2])) == [2]
    assert job.dead_outputs(sums, np.array([1, 1, 0, 0])) == []


def test_the_test_set_is_never_shifted() -> None:
    dataset, _ = job.images_of(Job("digits", crop=1, shift=1), None)
    assert np.array_equal(dataset.x_test, data.load("digits", crop=1).x_test)


def test_chip_limits_by_hand() -> None:
    found = job.chip_limits(Task.of((576, 2000, 10)))
    assert found["neurons"] == 2 * 576 + 6 * 2000 + 7 * 10 + 12
    assert found["share of neurons"] == found["neurons"] / 131_072
    # 3 copies of W1, 3 + 2 of W2, a byte each, of 16 MiB.
    weights = 3 * 576 * 2000 + 5 * 2000 * 10
    assert found["share of synaptic memory"] == weights / 2**24
    assert found["fewest cores"] == -(-weights * 8 // loihi.SYNAPTIC_BITS_PER_CORE) == 28


def test_grid_combines_everything_that_is_possible() -> None:
    jobs = sweeps.grid("mnist", hidden=(10, 20), seeds=range(3), crops=(None, 0, 2), shifts=(0, 1))
    assert len(jobs) == len(set(jobs)) == 2 * 3 * (3 + 1)
    assert len({one.id for one in jobs}) == len(jobs)
    assert {(one.crop, one.shift) for one in jobs} == {(None, 0), (0, 0), (2, 0), (2, 1)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": 0}, "hidden is 0; allowed: a whole number from 1 to 65536"),
        ({"epochs": -1}, "epochs is -1"),
        ({"seed": True}, "seed is True"),
        ({"shift": 2, "crop": 1}, "shift is 2 with crop 1; allowed: 0 to the crop"),
        ({"shift": 1}, "shift is 1 with crop None"),
    ],
)
def test_bad_jobs(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Job(**fields)


def test_bad_options_are_told_before_any_worker_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_client", "run_job"):
        monkeypatch.setattr(cluster, name, lambda *_, **__: pytest.fail("work was begun"))
    for options, message in [
        ({"dataset": "mnits"}, "no data set is called 'mnits'"),
        ({"hidden": (0,)}, "hidden is 0"),
        ({"seeds": 0}, "seeds is 0"),
        ({"crops": (9,)}, "crop is 9"),
        ({"crops": (0, 20)}, "crop is 20"),
        ({"thresholds": (8, 99)}, "threshold is 99"),
        ({"samples": 10**6}, "1000000 train samples"),
        ({"crops": (1,), "shifts": (2,)}, "the sweep has no jobs"),
        ({"workers": 0}, "workers is 0"),
    ]:
        with pytest.raises((SpecError, data.DataError), match=message):
            sweeps.main(**{"dataset": "digits", "out": tmp_path, **options})


def test_only_whole_results_of_the_present_code_count(tmp_path: Path) -> None:
    one = Job(**TINY)
    path = tmp_path / f"{one.id}.json"
    outcome = sweeps.run_job(one)
    record = outcome.record
    present, (checksum,) = job.code(), job.checksums([one], None).values()

    def finished() -> bool:
        return cluster.finished(one, tmp_path, present, checksum) is not None

    assert not finished()
    cluster.keep(one, outcome, tmp_path)
    assert finished()
    whole = path.read_text()
    for spoiled in (whole[:-20], whole.replace('"seed": 0', '"seed": 1'), "", "[]"):
        path.write_text(spoiled)
        assert not finished()
    other = {**record, "code": {**present, "algebra.py": "0" * 16}}
    provenance.write_record(path, other)
    assert not finished()
    provenance.write_record(path, {**record, "data_checksum": "0" * 64})
    assert not finished()
    # A record is no record because its checksum fits: what it holds is looked at.
    for lie in ({"epochs": []}, {"epochs": [1]}, {"chip": None}, {"check": {"limit": "x"}},
                {"sizes": "64-20-10"}, {"dead_outputs": 3}):  # fmt: skip
        provenance.write_record(path, {**record, **lie})
        assert not finished()
    provenance.write_record(path, record)
    assert finished()
    weights = path.with_suffix(".npz")
    other_weights = sweeps.run_job(Job(**{**TINY, "seed": 1})).weights
    for spoil in (
        lambda: weights.write_bytes(b""),
        lambda: weights.write_bytes(weights.read_bytes()[:-100]),
        lambda: write_weights(weights, other_weights, {"epochs": []}),
        weights.unlink,
    ):
        spoil()
        assert not finished(), "its weights are lost"
        cluster.keep(one, outcome, tmp_path)
        assert finished()


def test_grey_pictures_are_swept_over_thresholds_that_are_no_whole_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    rng = np.random.default_rng(0)
    own = tmp_path / "grey.npz"
    np.savez(own, x_train=rng.random((40, 9)), y_train=np.arange(40) % 3,
             x_test=rng.random((9, 9)), y_test=np.arange(9) % 3)  # fmt: skip
    run = {"hidden": (4,), "epochs": 1, "thresholds": (0.25, 0.5), "out": tmp_path / "out"}
    assert sweeps.main(str(own), **run) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[-2:]] == [
        "0.25", "0.5",
    ]  # fmt: skip
    assert len(list((tmp_path / "out").glob("*th0.25*"))) == 2
    kept = stamps(tmp_path / "out")
    assert sweeps.main(str(own), **run) == 0
    assert stamps(tmp_path / "out") == kept, "nothing was to be done again"
    assert Job(str(own), threshold=1.0) == Job(str(own), threshold=1)


@pytest.mark.parametrize("columns", [36, 40, 60, 80, 120])
def test_the_table_of_a_sweep_breaks_no_word(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    record = sweeps.run_job(Job(**TINY)).record
    output().print(sweeps.report(sweeps.summary([record])))
    text = capsys.readouterr().out
    for word in ("64-20-10", "membrane %", "(17,344)", "closed h (limit)", "chip's memory"):
        assert word in text
    assert max(map(len, text.splitlines())) <= columns


def test_a_record_that_lacks_something_or_lies_about_it_is_made_again(tmp_path: Path) -> None:
    small = Job("digits", hidden=3, epochs=1, n_train=20, n_test=10)
    (sum_of_data,) = job.checksums([small], None).values()
    cluster.keep(small, sweeps.run_job(small), tmp_path)
    path = tmp_path / f"{small.id}.json"
    whole = json.loads(path.read_text(encoding="utf-8"))

    def found() -> dict[str, Any] | None:
        return cluster.finished(small, tmp_path, job.code(), sum_of_data)

    assert found() == whole
    read = [(name,) for name in ("chip", "check", "epochs", "sizes", "job", "dead_outputs")]
    read += [("chip", name) for name in whole["chip"]]
    read += [("check", name) for name in whole["check"]]
    read += [("epochs", 0, name) for name in ("exact", "spike", "membrane")]
    for *parents, last in read:
        for lie in ("absent", "x", -(10**400)):
            record = json.loads(json.dumps(whole))
            entry = record
            for parent in parents:
                entry = entry[parent]
            del entry[last]
            if lie != "absent":
                entry[last] = lie
            provenance.write_record(path, record)  # with a checksum that fits
            assert found() is None, (parents, last, lie)


def test_dask_is_needed_for_a_scheduler_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    one = Job(**TINY)
    with pytest.raises(MissingDependency, match=r"pip install 'spiking-backprop\[distributed\]'"):
        sweeps.run([one], tmp_path, scheduler="tcp://127.0.0.1:9")
    (record,) = sweeps.run([one], tmp_path)
    assert record is not None
    assert record["job"]["hidden"] == 20
    assert not (tmp_path / ".sweep").exists()


def test_curves_and_weights_are_kept_and_are_a_run_like_any_other(
    tmp_path: Path, sbp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [Job(**TINY, seed=seed) for seed in range(2)]
    records = sweeps.run(jobs, tmp_path, workers=2)
    for one, record in zip(jobs, records, strict=True):
        assert record is not None
        path = tmp_path / f"{one.id}.npz"
        assert load_weights(path).digest == record["digest"]
        code, out, _ = sbp("evaluate", path, "--test-samples", 50)
        assert code == 0
        assert f"{100 * record['epochs'][-1]['spike']:.2f} %" in out
    monkeypatch.chdir(tmp_path)
    assert sbp("plot", "curve", *(f"{one.id}.json" for one in jobs), "--out", "c.svg")[0] == 0
    assert "2 seeds" in Path("c.svg").read_text()


def test_a_sweep_in_which_everything_fails_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(cluster, "run_job", fail)
    assert sweeps.main("digits", hidden=(5,), seeds=3, epochs=1, out=tmp_path, workers=2) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:3]] == ["no room"] * 3
    assert lines[3] == ("3 of 3 jobs failed; run the same command again to repeat what is missing")


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from sbp.reproduce import sweeps\n"
        "records = sweeps.run(sweeps.grid('digits', hidden=(5, 6), epochs=1, n_train=50), 'out')\n"
        "print([record['sizes'] for record in records])\n"
    )
    done = subprocess.run([sys.executable, script], env=ENVIRONMENT, cwd=tmp_path, text=True,
                          capture_output=True, timeout=PATIENCE, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[[64, 5, 10], [64, 6, 10]]\n"


def test_no_scheduler_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT", "1s")
    with pytest.raises(SpecError, match=r"answers at 'tcp://127\.0\.0\.1:9'"):
        sweeps.run([Job(**TINY)], tmp_path, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SpecError, match="no Dask scheduler answers at 'nonsense'"):
        sweeps.run([Job(**TINY)], tmp_path, scheduler="nonsense")


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A real scheduler with two real worker processes."""
    import distributed

    # A shell of IPython, which other tests start in this process, puts a bare module in its place.
    vars(sys.modules["__main__"]).setdefault("__spec__", None)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
        dashboard_address="127.0.0.1:0", memory_limit=0, silence_logs=50,
    ) as found:  # fmt: skip
        yield found


def test_a_job_that_fails_is_named_and_the_others_are_kept(
    dask: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = Job(**TINY)
    # Left to the worker, which refuses it when it loads the data.
    bad = Job(**TINY, threshold=99)
    sums = {**job.checksums([good], None), bad: ""}
    monkeypatch.setattr(cluster, "checksums", lambda *_: sums)
    records = sweeps.run(
        [bad, good], tmp_path, scheduler=dask.scheduler_address, progress=sweeps.print_progress
    )
    assert records[0] is None
    assert records[1] is not None
    assert list(stamps(tmp_path)) == [f"{good.id}.json"]
    assert (
        f"{bad.id}: failed: threshold is 99; allowed: integers 1 to 16" in capsys.readouterr().err
    )


def test_a_folder_that_workers_do_not_see_is_written_by_the_driver(
    dask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The token on disk is not the one the workers are told: to them it is another folder.
    real = cluster.write_atomic

    def other_token(path: Path, write: Callable[[Any], object]) -> Path:
        if Path(path).name == ".sweep":
            return real(path, lambda stream: stream.write(b"another driver"))
        return real(path, write)

    monkeypatch.setattr(cluster, "write_atomic", other_token)
    one = Job(**TINY, seed=5)
    sweeps.run([one], tmp_path, scheduler=dask.scheduler_address)
    (checksum,) = job.checksums([one], None).values()
    assert cluster.finished(one, tmp_path, job.code(), checksum) is not None


def test_own_data_are_found_from_the_driver_s_folder_and_changed_data_are_run_again(
    dask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = data.load("digits").take(200, 50)
    arrays = {name: getattr(digits, name) for name in ("x_train", "y_train", "x_test", "y_test")}
    monkeypatch.chdir(tmp_path)  # the workers were started elsewhere
    job_ = Job("own.npz", hidden=20, epochs=2)
    ran: list[str] = []

    def sweep() -> dict[str, Any]:
        (record,) = sweeps.run(
            [job_], "out", scheduler=dask.scheduler_address,
            progress=lambda _, __, job, record, problem: ran.append(problem),
        )  # fmt: skip
        assert record is not None
        return record

    np.savez("own.npz", **arrays)
    first = sweep()
    assert sweep()["digest"] == first["digest"]
    assert ran == [""], "run again for nothing"
    np.savez("own.npz", **{**arrays, "x_train": arrays["x_train"][::-1]})
    assert sweep()["digest"] != first["digest"]
    assert ran == ["", ""]


def test_a_worker_killed_in_mid_job_loses_nothing(dask: Any, tmp_path: Path) -> None:
    jobs = [Job("digits", hidden=400, epochs=400, seed=seed) for seed in range(3)]
    results: list[Any] = []
    sweep = threading.Thread(
        target=lambda: results.extend(sweeps.run(jobs, tmp_path, scheduler=dask.scheduler_address))
    )
    sweep.start()
    workers = dask.scheduler.workers
    busy = wait_for(lambda: [w for w in list(workers.values()) if w.processing])
    time.sleep(0.5)  # well inside a job of seconds
    victim = busy[0]
    under_way = [str(task.key) for task in victim.processing]
    assert under_way
    pid = dask.workers[victim.name].pid
    os.kill(pid, signal.SIGKILL)
    sweep.join(120)
    assert not sweep.is_alive()
    assert not Path(f"/proc/{pid}").exists() or sys.platform != "linux"
    assert [record["job"]["seed"] for record in results] == [0, 1, 2]
    lost = next(one for one in jobs if under_way[0].startswith(one.id))
    digits = data.load("digits")
    trained = train(digits, Settings(engine="algebra", epochs=400, seed=lost.seed))
    saved = json.loads((tmp_path / f"{lost.id}.json").read_text())
    assert saved["digest"] == trained.digest
    assert len(stamps(tmp_path)) == 3


def test_a_killed_driver_loses_no_finished_job_and_a_rerun_does_the_rest(
    dask: Any, tmp_path: Path
) -> None:
    import distributed

    script = (
        "from sbp.reproduce import sweeps\n"
        "if __name__ == '__main__':\n"
        f"    raise SystemExit(sweeps.main('digits', hidden=(40,), seeds=5, epochs=300,\n"
        f"        out={str(tmp_path)!r}, scheduler={dask.scheduler_address!r}))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: stamps(tmp_path))
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode == -signal.SIGKILL
    # The scheduler forgets the driver's jobs at once; a worker ends the one it is at.
    with distributed.Client(dask) as client:
        wait_for(
            lambda: (
                not any(client.run(lambda dask_worker: len(dask_worker.state.executing)).values())
            )
        )
    left = stamps(tmp_path)
    assert left
    done: list[str] = []
    jobs = sweeps.grid("digits", hidden=(40,), seeds=range(5), epochs=300)
    records = sweeps.run(
        jobs, tmp_path, scheduler=dask.scheduler_address,
        progress=lambda n, total, one, record, problem: done.append(f"{one.id}.json"),
    )  # fmt: skip
    assert [record["job"]["seed"] for record in records if record] == [0, 1, 2, 3, 4]
    assert set(done) == {f"{one.id}.json" for one in jobs} - left.keys()
    after = stamps(tmp_path)
    assert all(after[name] == stamp for name, stamp in left.items())


@pytest.mark.slow
def test_the_command_starts_its_own_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"hidden": (12,), "seeds": 2, "epochs": 1, "samples": 100}
    assert sweeps.main("digits", out=tmp_path, workers=1, **options) == 0
    first = capsys.readouterr()
    assert "[2/2]" in first.err
    assert "64-12-10" in first.out
    assert sweeps.main("digits", out=tmp_path, workers=1, **options) == 0
    second = capsys.readouterr()
    assert second.err == ""
    assert second.out == first.out
