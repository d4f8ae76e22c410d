# ruff: noqa: E402 - Lava may be imported only after require()
"""However a Lava run ends, nothing is left running or in shared memory, and the next one works.

Every test starts real processes in a session of their own, so that leftovers can be found.
"""

import gc
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

if sys.version_info[:2] != (3, 10):  # the one mechanism; on 3.10 a missing Lava is a failure
    pytest.skip("Lava's last release runs on Python 3.10 only", allow_module_level=True)

from sbp.circuits import gating_chain
from sbp.engines import compiled, lava, reference
from sbp.engines.lava.install import require
from sbp.errors import ChipError
from sbp.program import lower
from sbp.spec import Circuit, Neuron, Phase, Population, Projection, Source

require()

import logging

from lava.magma.core.process.process import ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense
from lava.proc.io import source
from lava.proc.lif.process import LIF

from sbp.engines.lava.host import Host, building

pytestmark = pytest.mark.lava

TESTS = Path(__file__).resolve().parent
CASE = """
    import os, signal, sys, time
    from sbp.circuits import gating_chain
    from sbp.engines import lava
    from sbp.program import lower
    program = lower(gating_chain(8, 3, 2))
    state, stimulus = program.state(), {"input": [[1] * 8, [0] * 8]}
    def say(word):
        print(word, flush=True)
"""
FOREVER = """
    session = lava.Session(program, state, layout="{layout}")
    session.run(stimulus)
    say("ready")
    session.run(stimulus, 10**7)
"""


def start(script, prelude="", **options):
    """A Python process that runs `script`, in a session of its own."""
    code = textwrap.dedent(CASE) + textwrap.dedent(script)
    command = [sys.executable, "-c", code]
    if prelude:
        command = ["bash", "-c", f'{prelude}; exec "$0" "$@"', *command]
    path = os.pathsep.join([str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=os.environ | {"PYTHONPATH": path}, **options,
    )  # fmt: skip


def in_session(leader):
    """Processes, not zombies, of the session that `leader` started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def shared_memory():
    return {path.name for path in Path("/dev/shm").iterdir()}


@pytest.fixture
def nothing_left():
    """Collects started processes; afterwards none of their sessions lives, nor shared memory."""
    before, started = shared_memory(), []
    yield started
    for process in started:
        process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()
        wait_until(lambda process=process: not in_session(process.pid))
    wait_until(lambda: not shared_memory() - before)


def next_run_works():
    program = lower(gating_chain(8, 3, 2))
    stimulus = {"input": np.eye(8, dtype=int)}
    run = lava.run(program, program.state(), stimulus, layout="network")
    assert run.state.same_as(reference.run(program, program.state(), stimulus).state)


def until_ready(process):
    line = process.stdout.readline()
    assert line == "ready\n", line + process.stderr.read()
    time.sleep(0.3)  # into the long run


@pytest.mark.parametrize("layout", lava.LAYOUTS)
def test_a_killed_program_leaves_nothing(nothing_left, layout):
    process = start(FOREVER.format(layout=layout))
    nothing_left.append(process)
    until_ready(process)
    assert len(in_session(process.pid)) > 2
    process.kill()
    wait_until(lambda: not in_session(process.pid), seconds=5)
    next_run_works()


def test_ctrl_c_reaches_the_user_and_ends_everything(nothing_left):
    process = start(FOREVER.format(layout="network"))
    nothing_left.append(process)
    until_ready(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT or process.returncode == 130
    assert errors.count("Traceback") == 1  # the user's, none from the Lava processes
    assert errors.rstrip().endswith("KeyboardInterrupt")
    next_run_works()


def test_after_ctrl_c_the_same_program_can_go_on(nothing_left):
    process = start(
        """
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        with lava.Session(program, state, layout="network") as session:
            run = session.run(stimulus)
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            try:
                session.run(stimulus, 10**7)
            except KeyboardInterrupt:
                say("interrupted")
        assert session.state.same_as(run.state)
        again = lava.run(program, run.state, stimulus, layout="network")
        say(again.state.step)
        """
    )
    nothing_left.append(process)
    output, errors = process.communicate(timeout=60)
    assert (output.split(), process.returncode) == (["interrupted", "8"], 0), errors


def test_a_forgotten_close_does_not_hang_the_exit(nothing_left):
    process = start(
        """
        session = lava.Session(program, state, layout="network")
        run = session.run(stimulus)
        say(run.n_steps)
        """
    )
    nothing_left.append(process)
    output, errors = process.communicate(timeout=30)
    assert (output, process.returncode) == ("4\n", 0), errors


def test_an_error_between_runs_ends_everything(nothing_left):
    process = start(
        """
        with lava.Session(program, state, layout="network") as session:
            session.run(stimulus)
            raise RuntimeError("something else")
        """
    )
    nothing_left.append(process)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.rstrip().endswith("RuntimeError: something else")


# --- failing models -----------------------------------------------------------------------------


def failing():
    """A LIF behind a DelayDense whose stock model raises in its first step: delays go to 63."""
    with building():
        emitter = source.RingBuffer(data=np.zeros((1, 4), np.int32))
        synapse = DelayDense(weights=np.ones((1, 1), int), delays=np.full((1, 1), 64))
        neuron = LIF(shape=(1,), name="waits for ever")
        emitter.s_out.connect(synapse.s_in)
        synapse.a_out.connect(neuron.a_in)
        return Host([neuron, synapse, emitter], Loihi2SimCfg(select_tag="fixed_pt"), {})


def test_an_exception_in_a_connected_model_is_raised_with_its_traceback():
    with failing() as host:
        began = time.monotonic()
        with pytest.raises(lava.LavaError) as caught:
            host.advance(3)
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert message.splitlines()[0].startswith("a Lava process failed: ValueError: DelayDense")
    assert "in run_spk" in message
    with pytest.raises(lava.LavaError, match="has ended"):
        host.advance(1)


def test_a_model_that_cannot_be_built_is_an_error():
    with building():
        neuron = LIF(shape=(1,))
        wrong = {neuron: {"u": np.zeros(2, np.int32)}}
        with pytest.raises(lava.LavaError, match=r"could not be built[\s\S]*u is int32\(1,\)"):
            Host([neuron], Loihi2SimCfg(select_tag="fixed_pt"), wrong)


def test_a_process_killed_from_outside_is_noticed(nothing_left):
    process = start(
        """
        import threading
        session = lava.Session(program, state, layout="network")
        session.run(stimulus)
        victim = session._backend._host._runtime._messaging_infrastructure.actors[0]
        threading.Timer(0.5, victim.kill).start()
        try:
            session.run(stimulus, 10**7)
        except lava.LavaError as error:
            say(error)
        """
    )
    nothing_left.append(process)
    output, errors = process.communicate(timeout=30)
    assert "it ended without a word, exit code -9" in output, errors
    assert process.returncode == 0


def test_strict_errors_of_the_kernels_arrive_as_themselves():
    circuit = Circuit(
        name="overflow",
        sizes=(1,),
        sources=(Source("in", 1, 0),),
        populations=(Population("a", 1, Neuron(threshold=131071, dv=0)),),
        projections=(Projection("in", "a", "drive", 127 << 7),),
        phases=(Phase(),),
    )
    program = lower(circuit)
    stimulus = {"in": np.ones((12, 1), int)}
    with pytest.raises(ChipError, match="register wrap in population a") as expected:
        compiled.run(program, program.state(), stimulus, strict=True)
    with pytest.raises(ChipError) as found:
        lava.run(program, program.state(), stimulus, strict=True, layout="fused")
    assert str(found.value) == str(expected.value)


# --- limits and traps ---------------------------------------------------------------------------


def test_too_few_open_files_are_said_before_the_run(nothing_left):
    process = start("lava.run(program, state, stimulus, layout='network')", prelude="ulimit -n 100")
    nothing_left.append(process)
    _, errors = process.communicate(timeout=30)
    last = errors.rstrip().splitlines()[-1]
    assert "LavaError: Lava needs about" in last, errors
    assert "this shell allows 100; run `ulimit -n" in last


def test_a_low_soft_limit_of_open_files_is_raised(nothing_left):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    process = start(
        "say(lava.run(program, state, stimulus, layout='network').n_steps)",
        prelude=f"ulimit -S -n 100; test $(ulimit -H -n) = {hard}",
    )
    nothing_left.append(process)
    output, errors = process.communicate(timeout=30)
    assert output == "4\n", errors


@pytest.mark.parametrize(
    ("first", "method"),
    [
        ("import joblib; joblib.Parallel(n_jobs=1)", "fork"),
        ("import multiprocessing; multiprocessing.RLock()", "fork"),
        ("import multiprocessing; multiprocessing.set_start_method('spawn')", "spawn"),
    ],
)
def test_whatever_fixed_the_start_method_before(nothing_left, first, method):
    process = start(
        f"""
        {first}
        import multiprocessing
        # The trap is real: Lava alone cannot be imported now.
        try:
            import lava.magma.runtime.message_infrastructure.multiprocessing
        except RuntimeError as error:
            assert "context has already been set" in str(error)
        else:
            raise AssertionError("no trap")
        for name in [n for n in sys.modules if n.partition(".")[0] == "lava"]:
            del sys.modules[name]
        from sbp.engines import lava
        before = multiprocessing.get_start_method(allow_none=True)
        run = lava.run(program, state, stimulus, layout="network")
        assert multiprocessing.get_start_method(allow_none=True) == before
        say(before)
        """
    )
    nothing_left.append(process)
    output, errors = process.communicate(timeout=60)
    assert output == f"{method}\n", errors


def test_networks_leave_no_traces_in_the_program():
    """Rebuilding over and over must not fill memory, descriptors, lists or log handlers."""
    program = lower(gating_chain(4, 2, 2))

    def traces():
        return (
            len(os.listdir("/proc/self/fd")),
            len(ProcessServer().processes),
            len(VarServer().vars),
            len(logging.getLogger().handlers),
            len(logging.getLogger("lava.magma.compiler.compiler").handlers),
            len(in_session(os.getsid(0))) if os.getsid(0) == os.getpid() else 0,
        )

    def maps():
        gc.collect()
        return len(Path("/proc/self/maps").read_text().splitlines())

    for layout in lava.LAYOUTS:
        lava.run(program, program.state(), steps=3, layout=layout)
        first, mapped = traces(), maps()
        for _ in range(3):
            lava.run(program, program.state(), steps=3, layout=layout)
        assert traces() == first
        assert maps() < mapped + 100  # one network of these has about 500


def test_in_a_daemonic_worker_the_engine_says_why_not(nothing_left):
    """Such a worker, as of multiprocessing.Pool, may start no processes of its own."""
    process = start(
        """
        import multiprocessing

        def work():
            try:
                lava.run(program, state, stimulus)
            except Exception as error:
                print(type(error).__name__, error, flush=True)

        worker = multiprocessing.get_context("fork").Process(target=work, daemon=True)
        worker.start()
        worker.join()
        """
    )
    nothing_left.append(process)
    said = process.stdout.read()
    assert said.startswith("MissingDependency the Lava engine cannot start processes in a daemonic")
    assert "use engine 'compiled'" in said
