# A virtual machine in this machine is given a virtual function: emulated twice, so it takes minutes.
sed "s/PF/$PF/" /lab/container.loom.yml >/lab/now.loom.yml
must netloom compare h /lab/now.loom.yml --as vf,container,full --pf $PF --seconds 1
cat /tmp/out
grep -q "^vf .* kernel" /tmp/out || fail "a VF was not measured"
grep -q "^container .* kernel" /tmp/out || fail "a container was not measured"
grep -q "^full .*not here: " /tmp/out || fail "what cannot be had was not said"
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "compare left something"; }
ok "compare measures a VF beside the card of the lab's switch"

sed "s/PF/$PF/" /lab/nested.loom.yml >/lab/now.loom.yml
must netloom check
grep -q "virtual functions .*has up to 7" /tmp/out || { cat /tmp/out; fail "check does not see the card"; }
must netloom up /lab/now.loom.yml
ok "a VF is handed to a virtual machine"
netloom vf ls | tee /tmp/out
grep -q "vfio-pci .*nested guest:eth0" /tmp/out || fail "no function has the driver vfio-pci"
$IP link show $PF | grep -q "vf 0 .*02:00:00:00:00:0a.*vlan 100" || fail "attributes of the guest's VF"
ok "it has the address and the VLAN of the lab"

said() { cat /run/netloom/nested/logs/guest.log 2>/dev/null; }
i=0
until said | grep -q "guest is up"; do
    i=$((i + 1)); [ $i -gt 200 ] && { said | tail -n 40; fail "the guest does not come up"; }
    sleep 3
done
said | tail -n 4
said | grep "netloom: eth0:" && fail "the guest could not set its interface up"
ok "the guest in the guest is up"

patient() {
    i=0
    until "$@" >/tmp/out 2>&1; do
        i=$((i + 1)); [ $i -gt 20 ] && { cat /tmp/out; said | tail -n 20; fail "$*"; }
        sleep 1
    done
}
patient netloom exec guest -- cat /sys/class/net/eth0/address
grep -q 02:00:00:00:00:0a /tmp/out || { cat /tmp/out; fail "the guest's address is another one"; }
patient netloom exec guest -- cat /sys/class/net/eth0/device/uevent
cat /tmp/out
grep -q "DRIVER=igbvf" /tmp/out || fail "its eth0 is no VF"
patient netloom exec b -- ping -c 1 -W 5 10.9.0.1
patient netloom exec guest -- ping -c 3 -W 5 10.9.0.2
cat /tmp/out
ok "the guest's VF and that of a host reach each other"
netloom exec c -- ping -c 2 -W 5 10.9.0.1 >/tmp/out 2>&1 && fail "c reaches the guest from another VLAN"
ok "a VLAN of the card keeps the guest apart from others"

must netloom down nested
machine >/tmp/after; cmp /tmp/before /tmp/after || { diff /tmp/before /tmp/after; fail "down left something"; }
ls /sys/bus/pci/drivers/vfio-pci | grep 0000: && fail "a function is still vfio-pci's"
ok "down takes the function from the guest and puts everything back"
