"""``python -m sbp.testing ENGINE [options of pytest]``."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec

from sbp import engines
from sbp.engines.protocol import check_options, parse_option
from sbp.errors import MissingDependency, SbpError


def main(arguments: list[str]) -> int:
    """Run the suite; returns an exit code."""
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m sbp.testing ENGINE [--option NAME=VALUE] [options of pytest]")
        print(f"engines: {', '.join(engines.names())}")
        return 2
    name, *others = arguments
    asked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    asked.add_argument("--option", action="append", default=[])
    given = asked.parse_known_args(others)[0].option
    try:
        for package in ("hypothesis", "pytest"):  # found, not imported: pytest looks at it first
            if find_spec(package) is None:
                raise MissingDependency(f"the suite needs {package}", do="pip install it")
        engine = engines.get(name)
        check_options(engine, dict(map(parse_option, given)))
        if missing := engine.missing():
            raise MissingDependency(missing)
    except SbpError as error:
        print(f"sbp: error: {error}", file=sys.stderr)
        return 2
    import pytest

    return int(
        pytest.main(
            ["-p", "sbp.testing.plugin", "--pyargs", "sbp.testing.conformance", "--engine", name,
             "-p", "no:cacheprovider", "--strict-markers", *others]
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
