# What netloom must do with a card that has virtual functions, in a machine of its own.
# Each line that begins with `ok` is a promise kept; FAILED is the first that was not.
export PATH=/bin:/usr/bin HOME=/root
mkdir -p /dev/shm

PF=$(ls /sys/bus/pci/drivers/igb/0000:*/net | tail -n 1)
DEVICE=/sys/class/net/$PF/device
IP=/usr/bin/ip

fail() {
    echo "FAILED $*"
    netloom vf ls 2>&1; $IP link 2>&1; tail -n 40 /run/netloom/*/daemon.log 2>&1; dmesg | tail -n 20
    exit 1
}
must() { "$@" >/tmp/out 2>&1 || { cat /tmp/out; fail "$*"; }; }
ok() { echo "ok $* ($(cut -d ' ' -f 1 /proc/uptime)s)"; }
# The command must fail, and say this.
refused() {
    words=$1; shift
    "$@" >/tmp/out 2>&1 && fail "not refused: $*"
    grep -q "$words" /tmp/out || { cat /tmp/out; fail "$* did not say: $words"; }
}
numvfs() { cat $DEVICE/sriov_numvfs; }
machine() { $IP -o link show | sed 's/^[0-9]*: //; s/<[^>]*>//; s/qdisc.*link/link/' | sort; numvfs; ls /run/netloom 2>/dev/null; }

$IP link set lo up
must $IP link set $PF up
for i in 1 2 3 4 5 6 7 8 9 10; do [ "$(cat /sys/class/net/$PF/carrier)" = 1 ] && break; sleep 0.3; done
machine >/tmp/before

. /lab/task.sh
echo "DONE"
# Killed with who booted it.
sleep 1000
