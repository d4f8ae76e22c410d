"""The command line, ``sbp``.

Nothing heavy is imported before a command needs it, so that ``sbp --help`` answers at once.
Bad input ends in one line on standard error and exit code 2; an interrupt in 130 (SIGINT) or
143 (SIGTERM); a reader that went away (``sbp info | head -1``) in 141.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from sbp import __version__
from sbp.app import start
from sbp.app.cli.about import info, reproduce, summary
from sbp.app.cli.card import card
from sbp.app.cli.check import check
from sbp.app.cli.exchange import export, import_
from sbp.app.cli.notebooks import notebooks
from sbp.app.cli.options import examples
from sbp.app.cli.output import colour, in_a_line, prepare_streams
from sbp.app.cli.paths import Group
from sbp.app.cli.plot import plot
from sbp.app.cli.programs import program
from sbp.app.cli.sweep import sweep
from sbp.app.cli.topology import topology
from sbp.app.cli.traces import trace, verify
from sbp.app.cli.train import evaluate, train
from sbp.errors import SbpError

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"sbp {__version__}")
        context.exit()


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog=examples(
        "sbp train                   train on the embedded digits, in a second",
        "sbp plot raster             see a sample's spikes through the 12 phases",
        "sbp reproduce               published results next to measured ones",
        "sbp COMMAND --help          options and examples of a command",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Backpropagation by spiking neurons, exactly as a chip computes it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    train,
    evaluate,
    plot,
    reproduce,
    sweep,
    verify,
    trace,
    program,
    export,
    import_,
    notebooks,
    summary,
    check,
    card,
    topology,
    info,
):
    cli.add_command(command)


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: those of the process); return the exit code."""
    prepare_streams()
    with _signals() as interrupted, _warnings_in_a_line():
        try:
            return _run(list(sys.argv[1:] if args is None else args))
        except BaseException:
            # An interrupted import ends in any error, depending on which library it was in.
            if not interrupted:
                raise
            click.echo("sbp: interrupted", err=True)
            return INTERRUPTED


def _run(words: list[str]) -> int:
    try:
        if "_SBP_COMPLETE" in os.environ:
            cli.main(prog_name="sbp")  # shell completion
        with cli.make_context("sbp", list(words), color=colour()) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        return _fail(_usage(error), words)
    except SbpError as error:
        return _fail(str(error), words)
    except BrokenPipeError:
        # Nobody reads any more, and Python's own flush at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (KeyboardInterrupt, click.Abort):
        click.echo("sbp: interrupted", err=True)
        return INTERRUPTED
    except MemoryError as error:
        return _fail(f"out of memory ({error}); ask for a smaller network or fewer samples")
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'standard output'}", words)
    return 0


def _fail(message: str, words: Sequence[str] = ()) -> int:
    label = click.style("sbp: error:", fg="red", bold=True)
    click.echo(f"{label} {in_a_line(message, words)}", err=True, color=colour())
    return BAD_INPUT


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see '{context.command_path} --help'" if context else message


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGINT is noted and raised; SIGTERM unwinds like it, so that temporary files go.

    A signal that whoever started us ignores or handles stays as it is.
    """
    interrupted: list[int] = []

    def interrupt(number: int, frame: object) -> NoReturn:
        interrupted.append(number)
        raise KeyboardInterrupt

    def terminate(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, start.stop):
            before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, terminate)
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        click.echo(f"sbp: warning: {message}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("default", RuntimeWarning)
        yield
