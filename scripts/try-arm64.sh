#!/bin/sh
# Tags photos with the ARM64 package on another machine, under qemu-user:
#   sudo QEMU=/path/to/qemu-aarch64 scripts/try-arm64.sh PHOTO...
# Needs debootstrap, `node scripts/build-deb.mjs arm64` before, and a static qemu-aarch64 of version 10
# or newer: with the 7.2 of Debian 12 onnxruntime hangs or crashes. Takes minutes, and tells nothing of speed.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/.cache/arm64
package=$(find deploy/out -name 'retagger_*_arm64.deb' | sort -V | tail -n 1)
[ -f "$package" ] || { echo 'build the package first: node scripts/build-deb.mjs arm64' >&2; exit 2; }
qemu=$(readlink -f "${QEMU:-$(command -v qemu-aarch64)}")

# The first stage is enough: it unpacks libc, libstdc++ and a shell.
[ -d "$root/debootstrap" ] || debootstrap --arch=arm64 --foreign --variant=minbase --include=libstdc++6 bookworm "$root"
# Not dpkg -x, which puts a folder in the place of the link /lib.
dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
# Some debootstraps leave a link to the host's own /proc there.
[ ! -L "$root/proc" ] || { rm "$root/proc" && mkdir "$root/proc"; }
rm -rf "$root/given"
mkdir "$root/given"
for photo in "$@"; do cp "$photo" "$root/given/"; done

# The kernel hands every ARM64 program to this qemu, the worker too, until this script ends.
rules=/proc/sys/fs/binfmt_misc
[ -e $rules/register ] || mount -t binfmt_misc binfmt_misc $rules
name=retagger-arm64
printf '%s' ":$name:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$qemu:F" >$rules/register
trap 'echo -1 >$rules/$name' EXIT
trap 'exit 1' HUP INT TERM

# What this CPU has, onnxruntime's kernels know; `max` has extensions that few boxes have.
export QEMU_CPU="${QEMU_CPU:-cortex-a72}" RETAGGER_LIMITS_PHOTO_SECONDS=3600 ROOT="$root"
unshare --mount --pid --fork sh -c '
  mount --make-rprivate /
  mount -t proc proc "$ROOT/proc"
  mount --rbind /sys "$ROOT/sys"
  mount --rbind /dev "$ROOT/dev"
  chroot "$ROOT" uname -m >&2
  exec chroot "$ROOT" retagger tag /given'
