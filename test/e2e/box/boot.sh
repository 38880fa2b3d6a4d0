#!/bin/sh
# Boots systemd as process 1 of a Debian of its own: namespaces for processes, mounts, network and
# control groups, and a file system that forgets. Runs as root; what is left ends with this process.
#   unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child boot.sh BASE SCRATCH
set -eu
base=$1 scratch=$2
mount --make-rprivate /
# With the network's only interface being "lo", nothing in here reaches a registry.
ip link set lo up
hostname box
mount -t tmpfs scratch "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
cd "$scratch/root"
mkdir -p given
mount --bind "$scratch.given" given
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty; do
  : >"dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  # Kernels that still divide them: systemd's own tree, and what the unit's limits need.
  mount -t tmpfs cgroup sys/fs/cgroup
  mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  for controller in memory cpu pids; do
    mkdir "sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "sys/fs/cgroup/$controller" || rmdir "sys/fs/cgroup/$controller"
  done
fi
# As process 1 expects it: a real root, not a changed one.
mkdir mnt/outside
pivot_root . mnt/outside
umount --lazy /mnt/outside
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
