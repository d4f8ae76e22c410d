#!/bin/sh
# Print the newest usable Python 3.MIN..3.MAX on this machine:  sh tools/find-python.sh MIN MAX
#
# Looks on PATH and among the versions of pyenv and uv, which a .python-version file hides from
# PATH, and runs each one: a pyenv shim may be dead, and a system's python3 may lack venv or pip.
# Exits with 1 and prints nothing when there is none.
set -eu

probe='
import ensurepip, sys, sysconfig, venv
version, base = sys.version_info, getattr(sys, "_base_executable", sys.executable)
released = sys.implementation.name == "cpython" and version.releaselevel == "final"
if released and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    print(version.major, version.minor, version.micro, base)
'

candidates() {
    IFS=:
    for folder in $PATH; do
        printf '%s\n' "$folder"/python3 "$folder"/python3.[0-9][0-9]
        case $folder in */shims) printf '%s\n' "${folder%/shims}"/versions/*/bin/python3 ;; esac
    done
    printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3
    data=${XDG_DATA_HOME:-${HOME:-}/.local/share}
    printf '%s\n' "${UV_PYTHON_INSTALL_DIR:-$data/uv/python}"/*/bin/python3
}

candidates | awk '!seen[$0]++' | while IFS= read -r python; do
    [ -x "$python" ] && "$python" -c "$probe" </dev/null 2>/dev/null || true
done | awk -v min="$1" -v max="$2" '$1 == 3 && $2 >= min && $2 <= max' |
    sort -k2,2nr -k3,3nr | sed -n '1s/^[0-9]* [0-9]* [0-9]* //p' | grep .
