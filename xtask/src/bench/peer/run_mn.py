# Brings up a Mininet network and prints, as JSON, how long that and a sample of pings took.
# Arguments: topology (single or linear), hosts, switch (lxbr or user), pairs to ping.
import json
import random
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.node import OVSSwitch
from mininet.topo import LinearTopo, SingleSwitchTopo

setLogLevel("error")
kind, hosts, switch, pairs = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
topo = SingleSwitchTopo(hosts) if kind == "single" else LinearTopo(hosts)
extra = {"datapath": "user", "failMode": "standalone"} if switch == "user" else {}
started = time.time()
net = Mininet(topo, switch=OVSSwitch if switch == "user" else LinuxBridge, controller=None, build=True, autoSetMacs=True)
if switch == "user":
    for s in net.switches:
        s.datapath, s.failMode = extra["datapath"], extra["failMode"]
net.start()
up = time.time() - started
ping_seconds, answered = 0.0, 0
if pairs:
    time.sleep(3)
    choose = random.Random(42)
    names = [h.name for h in net.hosts]
    sample = [choose.sample(names, 2) for _ in range(pairs)]
    started = time.time()
    for a, b in sample:
        # What Mininet's own pingall runs for a pair.
        out = net[a].cmd("ping -c1 -W 1 %s" % net[b].IP())
        answered += "1 received" in out
    ping_seconds = time.time() - started
started = time.time()
net.stop()
print(json.dumps({"up": up, "down": time.time() - started, "ping_seconds": ping_seconds, "answered": answered}))
