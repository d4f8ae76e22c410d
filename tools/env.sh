#!/bin/sh
# Make a virtual environment from nothing:  sh tools/env.sh FOLDER reference|newest
#
# reference  Python 3.10 with the pins of requirements.txt and every extra but torchvision; on a
#            machine without Python 3.10, its newest Python, without the pins and without Lava
# newest     the newest Python from 3.11 on with the newest packages, without Lava and the book
#
# SBP_PYTHON=/path/to/python names the interpreter of the reference environment.
set -eu

venv=$1
kind=$2
newest_minor=14  # the newest Python that numba has wheels for
say() { echo "sbp: $*" >&2; }
die() { say "$*"; exit 2; }
version() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }

case $kind in
reference)
    python=${SBP_PYTHON:-$(sh tools/find-python.sh 10 10 || sh tools/find-python.sh 10 $newest_minor)} ||
        die "no Python 3.10 to 3.$newest_minor with venv and pip was found; install Python 3.10" \
            "(on Debian and Ubuntu also the package python3-venv) or set SBP_PYTHON=/path/to/python"
    case $(version "$python") in
    3.10.*)
        set -- -r requirements.txt -e '.[lava,book,lab,distributed,nir,dev]'
        about="the pins of requirements.txt" ;;
    3.1[1-9].*)
        set -- -e '.[book,lab,distributed,nir,dev]'
        about="newest packages: without Python 3.10, neither the pins nor Lava can be had" ;;
    *) die "SBP_PYTHON=$python is not a Python from 3.10 on; name another or unset it" ;;
    esac ;;
newest)
    python=$(sh tools/find-python.sh 11 $newest_minor) ||
        die "no Python 3.11 to 3.$newest_minor with venv and pip was found; install one"
    set -- -e '.[distributed,nir,dev]'
    about="newest packages" ;;
*) die "unknown kind of environment '$kind'; allowed: reference, newest" ;;
esac
say "making $venv: Python $(version "$python"), $about"

# uv installs in seconds what takes pip minutes; it lives in .boot, apart from what it installs.
uv=.boot/bin/uv
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"  # trust what git and pip trust on this machine
"$uv" --version >/dev/null 2>&1 ||
    { "$python" -m venv --clear .boot && .boot/bin/python -m pip install --quiet uv; } || true
[ -t 2 ] && quiet= || quiet=--quiet
if "$uv" venv --quiet --clear --seed --python "$python" "$venv" &&
    "$uv" pip install $quiet --python "$venv" "$@"; then
    exit
fi
say "uv did not work here; installing with pip, which takes longer"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet "$@"
