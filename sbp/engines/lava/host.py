"""Running a graph of Lava processes so that it always ends, and says why when it fails.

Lava 0.10.0 starts one operating-system process per Lava process.  Left alone, an exception in
one of them leaves the others waiting for ever, a forgotten ``stop`` hangs the interpreter at its
exit, Ctrl-C reaches all of them at once, and a killed parent leaves them behind.  `Host` keeps
Lava's own models, channels and protocol, and takes over the life of the processes:

- every process watches a pipe and ends when the host is gone, whatever ended it;
- Ctrl-C is the host's alone;
- while a run goes on the host notices a process that ended, and raises what it raised;
- memory is anonymous (`sbp.engines.lava.memory`), so that nothing is left in ``/dev/shm``;
- processes are ended at the end of the ``with`` block, by `close`, or at the latest with the
  interpreter.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty
from types import TracebackType
from typing import Any

import numpy as np
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess, ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.message_infrastructure.multiprocessing import (
    MultiProcessing,
    SystemProcess,
)
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime

from sbp.engines.lava.install import forking
from sbp.engines.lava.memory import Segments
from sbp.engines.lava.result import LavaError
from sbp.errors import SbpError

POLL = 0.05  #: seconds between looks at whether all processes are alive
PATIENCE = 100  #: looks until a process that reported an error must have said what it was
DESCRIPTORS_PER_PROCESS = 6  #: a pipe, a queue and a sentinel for each, held by the host
SPARE_DESCRIPTORS = 128  #: what the rest of the program may have open


def _in_child(lifeline: tuple[int, ...], target: Callable[..., None]) -> Callable[..., None]:
    """`target`, wrapped for a forked process: deaf to Ctrl-C, and ending with its host."""

    def watch() -> None:
        # Nothing is ever written: read returns when no process holds the other end any more.
        os.read(lifeline[0], 1)
        os._exit(1)

    def run(*args: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(lifeline[1])
        threading.Thread(target=watch, daemon=True).start()
        target(*args, **kwargs)

    return run


class _Processes(MultiProcessing):
    """Lava's operating-system processes, made to end."""

    QUIET = "it ended without a word, exit code 0"

    def __init__(self) -> None:
        super().__init__()
        self._lifeline: tuple[int, ...] = os.pipe()
        self._ends = selectors.DefaultSelector()

    def start(self) -> None:
        self._smm = Segments()

    def build_actor(self, target_fn: Callable[..., None], builder: Any, exception_q: Any) -> Any:
        actor = SystemProcess(
            target=_in_child(self._lifeline, target_fn),
            kwargs={"builder": builder, "exception_q": exception_q},
            daemon=True,  # ended by Python at exit, should everything else have failed
        )
        actor.start()
        self._actors.append(actor)
        self._ends.register(actor.sentinel, selectors.EVENT_READ, actor)
        return actor

    def stop(self) -> None:
        """End every process and wait until it is gone; safe to call more than once."""
        for actor in self._actors:
            actor.kill()  # before any wait: an interrupted stop leaves nothing running
        while self._actors:
            self._actors.pop().join()
        self._ends.close()
        ends, self._lifeline = self._lifeline, ()
        for end in ends:
            os.close(end)

    def failure(self) -> str | None:
        """The traceback of a process that failed, or how it ended; None while all run."""
        how = None
        for key, _ in self._ends.select(timeout=0):
            actor = key.data
            actor._popen.wait(1)
            if actor.exception is not None:
                error, traceback = actor.exception
                if isinstance(error, SbpError):
                    raise error  # one of ours, meant for the user
                return traceback
            how = f"it ended without a word, exit code {actor.exitcode}"
        return how


class _Runtime(Runtime):
    """Lava's runtime with processes of ours, waits that look, and a stop that cannot hang."""

    def _build_message_infrastructure(self) -> None:
        self._messaging_infrastructure = _Processes()
        self._messaging_infrastructure.start()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        self._build_watchdog_manager()
        self._build_message_infrastructure()
        self._build_channels()
        self._build_sync_channels()
        self._build_processes()
        self._build_runtime_services()
        self._start_ports()
        queues, self.exception_q = self.exception_q, []  # type: ignore[has-type, var-annotated]
        for queue in queues:
            self._started(queue)
        self._is_initialized = self._is_started = True

    def _started(self, queue: Any) -> None:
        while True:
            try:
                error = queue.get(timeout=POLL)
            except Empty:
                self.check()
                continue
            if error is not None:
                raise LavaError(f"a Lava process could not be built\n{error.trace}")
            return

    def check(self) -> None:
        """Raise if a process has ended."""
        failure = self._messaging_infrastructure.failure()
        for _ in range(PATIENCE):
            if failure != _Processes.QUIET:
                break
            # It left in good order because another failed, and that one is about to say why.
            time.sleep(POLL)
            failure = self._messaging_infrastructure.failure()
        if failure is not None:
            last = failure.strip().splitlines()[-1]
            raise LavaError(f"a Lava process failed: {last}\n{failure}".rstrip())

    def advance(self, steps: int) -> None:
        """Run `steps` steps."""
        answered = threading.Event()
        (answer,) = self.service_to_runtime  # Python processes of one protocol: one service
        answer.observer = answered.set
        self._run(RunSteps(num_steps=steps, blocking=False))
        while not answer.probe():
            answered.wait(POLL)
            self.check()
        answer.observer = None
        response = answer.recv()
        if not enum_equal(response, MGMT_RESPONSE.DONE):
            for _ in range(PATIENCE):  # the process that failed is about to say why
                self.check()
                time.sleep(POLL)
            raise LavaError(f"the Lava run ended with {response}")
        self._is_running = False

    def stop(self) -> None:
        """End everything; safe to call at any time and more than once."""
        self._is_running = self._is_started = False
        if self._messaging_infrastructure is not None:
            self._messaging_infrastructure.stop()


@contextmanager
def building() -> Iterator[None]:
    """Build and compile Lava processes, faster and without the traces they leave behind.

    Every Lava process object adds a handler to the root logger, so that each error is printed
    as many times.  And for every process the compiler executes all files of the folder in which
    its class lives: 70 ms each, where once for each class is enough.
    """
    root = logging.getLogger()
    compiler = logging.getLogger("lava.magma.compiler.compiler")
    before = list(root.handlers), list(compiler.handlers)
    search, found = ProcGroupDiGraphs._find_proc_models, {}

    def search_once(proc: AbstractProcess) -> list[type]:
        kind = type(proc)
        if kind not in found:
            found[kind] = search(proc)
        return list(found[kind])

    ProcGroupDiGraphs._find_proc_models = staticmethod(search_once)
    with forking(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Lava imports; nothing a user can change
        try:
            yield
        finally:
            ProcGroupDiGraphs._find_proc_models = staticmethod(search)
            root.handlers[:], compiler.handlers[:] = before


def _share(builder: Any, arrays: Mapping[str, np.ndarray]) -> Callable[[], Any]:
    """``builder.build`` that puts chosen variables of the model into shared memory."""

    def build() -> Any:
        model = type(builder).build(builder)
        for name, array in arrays.items():
            own = getattr(model, name)
            if own.shape != array.shape or own.dtype != array.dtype:
                raise TypeError(f"{name} is {own.dtype}{own.shape}, not {array.dtype}{array.shape}")
            array[...] = own
            setattr(model, name, array)
        return model

    return build


def _check_descriptors(processes: int) -> None:
    """Raise the soft limit of open files as far as needed and allowed, or say what to do."""
    if sys.platform == "win32":  # which knows no such limit
        return
    import resource

    used = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    need = used + processes * DESCRIPTORS_PER_PROCESS + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < need:
        if hard != resource.RLIM_INFINITY and hard < need:
            raise LavaError(
                f"Lava needs about {need} open files for {processes} processes, "
                f"and this shell allows {hard}",
                do=f"run `ulimit -n {need}` as a user who may, or use layout='fused'",
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


class Host:
    """A running graph of Lava processes.

    Parameters
    ----------
    processes : iterable of AbstractProcess
        All processes of one connected graph.
    config : RunConfig
    in_memory : mapping of AbstractProcess to mapping of str to ndarray
        Variables that the host wants to read and write directly, as arrays made by
        `sbp.engines.lava.memory.shared` with the model's shape and dtype.  For variables that
        the model changes in place; it costs nothing, where ``Var.get`` takes 21 microseconds
        a value.

    Raises
    ------
    LavaError
        Where the processes cannot be started.
    """

    def __init__(
        self,
        processes: Iterable[AbstractProcess],
        config: RunConfig,
        in_memory: Mapping[AbstractProcess, Mapping[str, np.ndarray]],
    ) -> None:
        self._processes = list(processes)
        self._runtime: _Runtime | None = None
        with building():
            executable = Compiler({}, logging.ERROR).compile(self._processes[0], config)
            _check_descriptors(len(executable.process_list) + 1)
            for process, arrays in in_memory.items():
                builder = executable.proc_builders[process]
                builder.build = _share(builder, arrays)
            self._runtime = _Runtime(executable, ActorType.MultiProcessing, logging.ERROR)
            executable.assign_runtime_to_all_processes(self._runtime)
            try:
                self._runtime.initialize()
            except OSError as error:
                self.close()
                raise LavaError(
                    f"cannot start {len(executable.process_list)} Lava processes: {error}",
                    do="raise the limits on processes and open files, or use layout='fused'",
                ) from error
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def n_processes(self) -> int:
        """Operating-system processes this host has started."""
        return 0 if self._runtime is None else len(self._runtime._messaging_infrastructure.actors)

    def advance(self, steps: int) -> None:
        """Run `steps` steps; on any failure everything is ended first, then it is raised."""
        if self._runtime is None:
            raise LavaError("this Lava network has ended", do="open a new session")
        try:
            self._runtime.advance(steps)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all processes and forget them; safe to call more than once."""
        if self._runtime is None:
            return
        runtime, self._runtime = self._runtime, None
        runtime.stop()
        gone = {id(process) for process in self._processes}
        for process in self._processes:
            process.runtime = None
        server, variables = ProcessServer(), VarServer()
        server.processes = [p for p in server.processes if id(p) not in gone]
        variables.vars = [v for v in variables.vars if id(v.process) not in gone]
        self._processes = []
