#!/bin/sh
# Make a virtual environment from nothing:  sh tools/env.sh FOLDER reference|newest|lowest
#
# reference  Python 3.10 with the pins of requirements.txt and every extra but torchvision; on a
#            machine without Python 3.10 the newest one found, without Lava
# newest     the newest Python from 3.11 on
# lowest     Python 3.10 with the oldest packages that pyproject.toml allows
#
# sh tools/env.sh find 10 13  prints the newest Python 3.10 .. 3.13 of this machine.
# SBP_PYTHON=/path/to/python names the interpreter of the reference environment.
set -eu

newest_minor=14  # the newest Python that numba has wheels for
extras=book,lab,distributed,nir,dev
say() { echo "sbp: $*" >&2; }
die() { say "$*"; exit 2; }
no_network() {
    die "no network: the package index cannot be reached. Behind a proxy set HTTPS_PROXY, for a" \
        "mirror PIP_INDEX_URL and UV_DEFAULT_INDEX. What pip or uv said is in $log"
}
minor_of() { "$1" -c 'import sys; print(sys.version_info.minor)'; }

# uv finds the Pythons and installs in seconds what takes pip minutes; it lives in .boot.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"  # trust what git and pip trust on this machine
export UV_PYTHON_DOWNLOADS="${UV_PYTHON_DOWNLOADS:-never}"
log=.boot.log
uv=.boot/bin/uv
if ! "$uv" --version >/dev/null 2>&1; then
    for python in "${SBP_PYTHON:-python3}" python3 /usr/bin/python3; do
        "$python" -m venv --clear .boot >"$log" 2>&1 || continue
        .boot/bin/python -m pip install --quiet uv >>"$log" 2>&1 && break
        # What pip and uv say of a network is long, and none of it says "network".
        grep -qiE 'connect|resol|network|timed out|distribution found for uv' "$log" && no_network
    done
    "$uv" --version >/dev/null 2>&1 ||
        die "no Python with venv and pip was found, see $log; install Python 3.10" \
            "(on Debian and Ubuntu also the package python3-venv) or set SBP_PYTHON=/path/to/python"
    rm -f "$log"
fi

# pyenv hides its versions behind a version file: uv is shown them all.
for folder in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin; do PATH=$PATH:$folder; done

find_python() {  # OLDEST NEWEST, minor versions
    minor=$2
    while [ "$minor" -ge "$1" ]; do
        "$uv" python find --system --no-project --no-config "3.$minor" 2>/dev/null && return
        minor=$((minor - 1))
    done
    return 1
}

if [ "$1" = find ]; then
    find_python "$2" "$3"
    exit
fi

venv=$1
kind=$2
none="was found; install one, or let uv do it: .boot/bin/uv python install"
case $kind in
reference | lowest)
    python=${SBP_PYTHON:-$(find_python 10 10 || { [ "$kind" = reference ] &&
        find_python 11 $newest_minor; })} || die "no Python 3.10 $none 3.10" ;;
newest)
    python=$(find_python 11 $newest_minor) || die "no Python 3.11 to 3.$newest_minor $none 3.13" ;;
*) die "unknown kind of environment '$kind'; allowed: reference, newest, lowest" ;;
esac
minor=$(minor_of "$python" 2>/dev/null) && [ "$minor" -ge 10 ] ||
    die "SBP_PYTHON=$python is not a Python from 3.10 on; name another or unset it"

if [ "$kind" = lowest ]; then
    set -- --resolution lowest-direct -e '.[distributed,nir,dev]'
    about="the oldest packages that pyproject.toml allows"
else
    set -- -r requirements.txt -e ".[lava,$extras]"
    about="the pins of requirements.txt"
    [ "$minor" = 10 ] || about="$about, without Lava"
fi
say "making $venv: Python 3.$minor, $about"
build() {
    "$uv" venv --quiet --clear --seed --python "$python" "$venv" &&
        "$uv" pip install $quiet --python "$venv" "$@"
}
quiet=
if [ -t 2 ]; then build "$@" && exit; fi  # with a bar to watch
quiet=--quiet
build "$@" 2>"$log" || {
    grep -qiE 'connect|dns|network|timed out' "$log" && no_network
    cat "$log" >&2
    die "the packages could not be installed"
}
rm -f "$log"
