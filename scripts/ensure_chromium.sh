#!/bin/sh
# The browser tests need a Chromium. Find one; as root on Debian install it; otherwise say how to get it.

for name in "${XPCS_DASH_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
        exit 0
    fi
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium found: installing Debian's package."
    export DEBIAN_FRONTEND=noninteractive
    if apt-get update -qq >/dev/null && apt-get install -y -qq chromium >/dev/null; then
        exit 0
    fi
fi

echo "No Chromium found: the browser tests will not run. To run them, install one" >&2
echo "(Debian and Ubuntu: apt install chromium; elsewhere: playwright install chromium, then set" >&2
echo "XPCS_DASH_CHROMIUM to its path)." >&2
[ "${CI:-}" = true ] && exit 1
exit 0
