#!/bin/sh
# Installs a retagger .deb that lies beside this script, or the one named: sudo ./install.sh [FILE.deb]
set -eu
[ "$(id -u)" = 0 ] || { echo "run this as root: sudo $0" >&2; exit 2; }
arch=$(dpkg --print-architecture)
case $arch in amd64 | arm64) ;; *) echo "$arch is not supported: amd64 or arm64" >&2; exit 2 ;; esac
here=$(cd "$(dirname "$0")" && pwd)
file=${1:-$(find "$here" "$here/out" -maxdepth 1 -name "retagger_*_$arch.deb" 2>/dev/null | sort -V | tail -n 1)}
[ -f "$file" ] || { echo "no retagger_*_$arch.deb beside $0" >&2; exit 2; }
# dpkg, not apt: everything needed is inside, and a box may have no network.
dpkg --install "$file"
# As the daemon's user, for its rights count.
runuser -u retagger -- retagger doctor || { echo "see the findings above" >&2; exit 1; }
