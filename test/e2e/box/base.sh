#!/bin/sh
# Debian 12 with what stands beside the daemon on a box, in DIR; made once: base.sh DIR
set -eu
dir=$1
packages=systemd,systemd-sysv,dbus,adduser,mosquitto,mosquitto-clients,nginx-light,openssl,procps,curl,ca-certificates
[ "$(cat "$dir/made-of" 2>/dev/null)" = "$packages" ] && exit 0
for program in debootstrap unshare nsenter ip; do
  command -v "$program" >/dev/null || { echo "install $program first" >&2; exit 1; }
done
rm -rf "$dir"
mkdir -p "$dir"
debootstrap --variant=minbase --include="$packages" bookworm "$dir" >"$dir.log" 2>&1 ||
  { tail -n 20 "$dir.log" >&2; exit 1; }
# Its services are started by the tests that want them.
chroot "$dir" systemctl disable --quiet mosquitto nginx
echo box >"$dir/etc/hostname"
echo '127.0.0.1 localhost box' >"$dir/etc/hosts"
echo "$packages" >"$dir/made-of"
