#!/bin/busybox sh
# The first process of the guest: what the kernel does not do by itself, then the task.
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /sbin /usr/bin /usr/sbin /newroot
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules.list); do
    /bin/busybox insmod "$module" || echo "FAILED to load $module"
done
# Files of hosts are mounted over each other, which takes a root that is no initial file system.
/bin/busybox mount -t tmpfs -o size=80% root /newroot
cd / && for folder in bin boot etc lab lib lib64 usr root; do [ -d $folder ] && /bin/busybox cp -a $folder /newroot/; done
/bin/busybox mkdir -p /newroot/proc /newroot/sys /newroot/dev /newroot/run /newroot/tmp /newroot/sbin /newroot/var/log
for folder in proc sys dev; do /bin/busybox mount --move /$folder /newroot/$folder; done
exec /bin/busybox switch_root /newroot /bin/busybox sh /lab/main.sh
