#!/bin/sh
# Print the path of a Python >= 3.12 that really runs, or say what to install.
# A name on the PATH proves nothing (pyenv's shims fail unless selected), so each candidate is run.

works() {
    [ -n "$1" ] && "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

candidates() {
    printf '%s\n' "${PYTHON:-}" python3.14 python3.13 python3.12 python3 python
    if command -v pyenv >/dev/null 2>&1; then
        for version in $(pyenv versions --bare 2>/dev/null | sort -rV); do
            prefix=$(pyenv prefix "$version" 2>/dev/null) && printf '%s\n' "$prefix/bin/python"
        done
    fi
    for dir in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
        [ -x "$dir/python" ] && printf '%s\n' "$dir/python"
    done
    command -v uv >/dev/null 2>&1 && uv python find '>=3.12' 2>/dev/null
}

for candidate in $(candidates); do
    if works "$candidate"; then
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

echo "xpcs-dash needs Python 3.12 or newer with its venv module, and none was found." >&2
echo "Install one (Debian and Ubuntu: apt install python3.13 python3.13-venv; any system: pyenv install 3.13," >&2
echo "or uv python install 3.13), or name yours: make PYTHON=/path/to/python3.13" >&2
exit 1
