# One boot, all promises.
must netloom vf ls
grep -q "$PF" /tmp/out || { cat /tmp/out; fail "the PF is not listed"; }
ok "vf ls shows the card"

lab() { sed "s/PF/$PF/" /lab/$1.loom.yml >/lab/now.loom.yml; }

lab eight
refused "can have 7 virtual functions, and 8 are wanted" netloom up /lab/now.loom.yml
[ "$(numvfs)" = 0 ] || fail "VFs were made"
lab rate
refused "\`state\`" netloom up /lab/now.loom.yml
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "something was left by a refused up"; }
ok "what the card or its driver refuses is named, and nothing is left"

lab pair
must netloom plan /lab/now.loom.yml
grep -q "a's frames pass the switch of the lab by: $PF shows no representors" /tmp/out || { cat /tmp/out; fail "plan does not say what a VF passes by"; }
must netloom up /lab/now.loom.yml
cat /tmp/out
[ "$(numvfs)" = 4 ] || fail "4 VFs are wanted: $(numvfs)"
$IP link show $PF >/tmp/out; cat /tmp/out
grep -q "vf 0 .*02:00:00:00:00:0a.*spoof checking on" /tmp/out || fail "attributes of a"
grep -q "vf 2 .*vlan 100" /tmp/out || fail "VLAN of c"
grep -q "vf 1 .*tx rate 100" /tmp/out || grep -q "vf 1 .*max_tx_rate 100" /tmp/out || fail "rate of b"
ok "VFs are made, set and given to nodes"

netloom vf ls | tee /tmp/out
grep -q "pair a:eth0" /tmp/out || fail "vf ls does not say whose a VF is"

# A cable is seen some time after an interface is up: the first answer counts. A driver whose card did not answer it in time
# tries again after ten seconds.
ping_ok() {
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do netloom exec $1 -- ping -c 1 -W 1 $2 >/tmp/out 2>&1 && return; done
    cat /tmp/out; fail "$1 does not reach $2"
}
ping_not() { netloom exec $1 -- ping -c 1 -W 1 $2 >/tmp/out 2>&1 && fail "$1 reaches $2"; true; }
ping_ok a 10.9.0.2; ping_ok b 10.9.0.1
ok "two VFs reach each other"
ping_ok c 10.9.0.4; ping_ok d 10.9.0.3
ping_not a 10.9.0.3; ping_not c 10.9.0.1; ping_not d 10.9.0.2
ok "a VLAN of the card keeps two apart from the others"

refused "Cannot assign requested address" netloom exec a -- ip link set eth0 address 02:00:00:00:00:99
ok "a VF with an address of the lab's keeps it"

refused "card's own switch carries" netloom capture a:eth0
refused "card's own switch carries" netloom trace a b
sed -i "s/PF/$PF/" /lab/more.loom.yml
refused "number is not changed while one is in use" netloom up /lab/more.loom.yml
ok "captures, traces and more VFs are refused with the reason"

sed -i 's/vlan: 100/vlan: 200/; s/rate: 100Mbit/rate: 200Mbit/' /lab/now.loom.yml
must netloom up /lab/now.loom.yml
ping_ok c 10.9.0.4; ping_not a 10.9.0.3
$IP link show $PF | grep -q "vf 2 .*vlan 200" || fail "the VLAN was not changed in place"
ok "attributes are changed in place"

must netloom down pair
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "down left something"; }
ok "down puts everything back"

daemon() { sed -n 's/.*"line":"begin".*"pid":\([0-9]*\).*/\1/p' /run/netloom/pair/journal.ndjson | tail -n 1; }
lab pair
must netloom up /lab/now.loom.yml
kill -9 $(daemon) || fail "there is no daemon to kill"
must netloom down pair
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "kill -9 and down left something"; }
ok "kill -9 and down put everything back"

netloom up /lab/now.loom.yml >/tmp/out 2>&1 &
while [ "$(numvfs)" = 0 ]; do sleep 0.1; done
kill -9 $(daemon) || fail "there is no daemon to kill"
wait
# Whoever waited for the daemon has put back what it left; else this does.
netloom down pair >/tmp/out 2>&1
machine >/tmp/after; cmp /tmp/before /tmp/after || { cat /tmp/out; diff /tmp/before /tmp/after; fail "kill -9 in the middle of up left something"; }
ok "kill -9 in the middle of up leaves nothing either"

mkdir -p /box/bin /box/etc /box/proc /box/sys /box/dev /box/tmp
cp /bin/busybox /box/bin/ && /bin/busybox --install -s /box/bin
lab container
must netloom up /lab/now.loom.yml
netloom exec box -- cat /sys/class/net/eth0/address >/tmp/out 2>&1
grep -q 02:00:00:00:00:0c /tmp/out || { cat /tmp/out; fail "the container's eth0 is another one"; }
netloom exec box -- ls / >/tmp/out 2>&1
grep -q lab /tmp/out && { cat /tmp/out; fail "box is no container"; }
ping_ok box 10.9.0.2; ping_ok h 10.9.0.1; ping_not other 10.9.0.1
$IP link show $PF | grep -q "vf 0 .*02:00:00:00:00:0c.*vlan 7" || fail "attributes of the container's VF"
refused "card's own switch carries" netloom capture box
must netloom down container
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "down of a container left something"; }
ok "a container has a VF as a host has"

lab fallback
must netloom up /lab/now.loom.yml
grep -q "ordinary card at s1" /tmp/out || { cat /tmp/out; fail "nobody fell back"; }
ping_ok h8 10.9.0.9
must netloom down fallback
ok "where there is no VF the ordinary card does"

# The switch inside this card shows no representor. Devices that are made to look like those of one that does stand in: what is
# done with a representor is done with them. At their other ends is who would be behind the card.
$IP link add rep0 type veth peer name wire0; $IP link set wire0 up; $IP addr add 10.8.0.7/24 dev wire0
echo p0 >/tmp/p0; echo pf0vf0 >/tmp/pf0vf0; echo 5254000801 >/tmp/switch
looks() { mount --bind $3 /sys/class/net/$1/$2; }
looks $PF phys_port_name /tmp/p0; looks $PF phys_switch_id /tmp/switch
looks rep0 phys_port_name /tmp/pf0vf0; looks rep0 phys_switch_id /tmp/switch
machine >/tmp/without
lab switchdev
must netloom up /lab/now.loom.yml
netloom vf ls >/tmp/out; grep -q "by rep0 *switchdev h:eth0" /tmp/out || { cat /tmp/out; fail "vf ls does not name the representor"; }
must netloom capture h:eth0 -c 2 -w /tmp/seen.pcapng &
must ping -c 3 -W 2 10.8.0.2
sleep 0.3
[ -s /tmp/seen.pcapng ] || fail "a capture of a represented VF sees nothing"
netloom flow ls s1 >/tmp/out; grep -q "n_packets=[1-9].*arp" /tmp/out || { cat /tmp/out; fail "rules do not count what the representor carries"; }
must netloom trace h x icmp
grep -q "s1" /tmp/out || { cat /tmp/out; fail "a trace does not lead through the switch"; }
must netloom link h--s1 --delay 100ms
ping -c 1 -W 2 10.8.0.2 >/tmp/out; grep -Eq "min/avg/max = [2-9][0-9][0-9]" /tmp/out || { cat /tmp/out; fail "a link does not delay at a representor"; }
must netloom flow add s1 "priority=9,icmp,actions=drop"
ping -c 1 -W 1 10.8.0.2 >/tmp/out 2>&1 && fail "a rule does not hold at the representor"
kill -9 $(sed -n 's/.*"line":"begin".*"pid":\([0-9]*\).*/\1/p' /run/netloom/switchdev/journal.ndjson | tail -n 1)
must netloom down switchdev
machine >/tmp/after; cmp /tmp/without /tmp/after || { diff /tmp/without /tmp/after; fail "kill -9 and down left something of a representor"; }
for it in $PF rep0; do umount /sys/class/net/$it/phys_port_name /sys/class/net/$it/phys_switch_id; done
$IP link del rep0
ok "a representor is a port of the lab's switch: rules, counters and captures apply"

echo 2 >$DEVICE/sriov_numvfs; sleep 1
lab pair
refused "somebody else made" netloom up /lab/now.loom.yml
[ "$(numvfs)" = 2 ] || fail "VFs of others were touched"
echo 0 >$DEVICE/sriov_numvfs
ok "VFs of others are left alone"

must netloom vf try $PF
cat /tmp/out
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "vf try left something"; }
ok "vfio: group opened, configuration space read, BAR mapped, put back"
