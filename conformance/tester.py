"""Runs cases of os-ken's switch tests against one pair of switches and prints a line of JSON for each.

The package brings the cases and the class that carries one out, but no program for it. This is one: it loads the
class as os-ken's application, gives it the files named on standard input, and leaves it again after the last.

What it does otherwise than the package, and why:
- It keeps every case. The package files them by the description of their file, which is not unique, and drops the
  rest of a file after the first case it cannot read.
- It asks for packets up to 65535 bytes. A switch sends none to a connection that it did not make itself before that.
- It sends by the clock. The package sleeps 10 ms between bursts, so that it offers less than it claims.
- It gives SCTP packets the CRC32c of their bytes. The package computes it over how Python prints them, so that a
  switch that changes a port and keeps the CRC right would seem wrong.
- It says in hexadecimal how packets differ if their headers do not.
- It waits for as long as SETTLE before it looks at table statistics for packets that must not match, not for 1 s.
"""

import json
import os
import sys
import time

os.environ["OSKEN_HUB_TYPE"] = "eventlet"

import eventlet  # noqa: E402

eventlet.monkey_patch()

from os_ken import cfg, flags  # noqa: E402,F401  (flags declares the options)
from os_ken.base.app_manager import AppManager  # noqa: E402
from os_ken.controller import controller  # noqa: E402,F401  (declares options)
from os_ken.lib import hub  # noqa: E402
from os_ken.lib.packet import sctp  # noqa: E402
from os_ken.tests.switch import tester  # noqa: E402

SETTLE = float(os.environ.get("CONFORMANCE_SETTLE", "0.1"))
SECONDS = float(os.environ.get("CONFORMANCE_SECONDS", "30"))
# A burst is what is due after this time.
TICK = 0.005


def emit(**fields):
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


class Notes:
    """Takes the place of the logger: keeps what the class says about a case."""

    def __init__(self):
        self.lines = []

    def info(self, text, *args):
        self.lines.append((text % args).strip())

    def debug(self, *_):
        pass

    warning = error = info


def send_by_the_clock(self, pkt):
    """Offers the packets of a throughput case at their rate, for their time."""
    packets = pkt[tester.KEY_PACKETS]
    rate = packets[tester.KEY_PKTPS]
    end = min(packets[tester.KEY_DURATION_TIME], SECONDS)
    dp = self.tester_sw.dp
    ofp, parser = dp.ofproto, dp.ofproto_parser

    def message(data):
        out = parser.OFPPacketOut(
            datapath=dp, buffer_id=ofp.OFP_NO_BUFFER, data=data, in_port=ofp.OFPP_CONTROLLER,
            actions=[parser.OFPActionOutput(self.tester_send_port)])
        out.set_xid(0)
        out.serialize()
        return bytes(out.buf)

    same = message(packets["packet_binary"])
    begin, sent = time.monotonic(), 0
    while True:
        passed = time.monotonic() - begin
        if passed >= end:
            return
        due = int(passed * rate)
        burst = []
        for _ in range(due - sent):
            if packets["randomize"]:
                fresh = eval("/".join(packets["packet_text"]), vars(tester))
                fresh.serialize()
                burst.append(message(fresh.data))
            else:
                burst.append(same)
        sent = due
        if burst and not dp.send(b"".join(burst)):
            raise tester.TestError(tester.STATE_DISCONNECTED)
        hub.sleep(TICK)


def crc32c(_sctp, data):
    """The checksum of an SCTP packet as the header has it, read as a big-endian number. Source: RFC 9260, appendix A."""
    crc = 0xffffffff
    for byte in bytes(data):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return int.from_bytes((crc ^ 0xffffffff).to_bytes(4, "little"), "big")


def differences(diff):
    """Adds both packets to what the package says of them."""
    def told(_cls, model, received):
        text = diff(model, received)
        if "malformed" not in text:
            return text
        return "wanted %s, got %s" % (bytes(model.data).hex(), bytes(received.data).hex())
    return classmethod(told)


def cases(path):
    """Each case of a file: its description, and the parsed case or why it cannot be read."""
    probe = tester.TestFile.__new__(tester.TestFile)
    with open(path) as source:
        for item in json.load(source):
            if isinstance(item, str):
                continue
            try:
                probe._normalize_test_json(item)
                yield item[tester.KEY_DESC], tester.Test(item), None
            except Exception as wrong:
                yield item[tester.KEY_DESC], None, repr(wrong)


def wants_packets(switch):
    """Lets the switch send packets of any length over a connection that was made to it."""
    dp = switch.dp
    switch.send_msg(dp.ofproto_parser.OFPSetConfig(dp, 0, 0xffff))


def carry_out(self, _dir):
    """Takes the place of the method that runs every file of a folder: runs those of standard input."""
    folder = cfg.CONF["test-switch"]["dir"]
    names = [name.strip() for name in sys.stdin if name.strip()]
    switches = (self.target_sw, self.tester_sw)
    while any(isinstance(switch.dp, tester.DummyDatapath) for switch in switches):
        hub.sleep(0.05)
    for switch in switches:
        wants_packets(switch)
    for name in names:
        for number, (case, test, wrong) in enumerate(cases(os.path.join(folder, name))):
            begin = time.monotonic()
            self.logger.lines = []
            result = "unreadable"
            if wrong is None:
                try:
                    result = self._test_execute(test, None)
                except Exception as bug:
                    result, wrong = "exception", repr(bug)
                    self.waiter = None
            emit(file=name, number=number, case=case, ok=result == tester.TEST_OK,
                 detail=wrong or " / ".join(self.logger.lines[1:]),
                 seconds=round(time.monotonic() - begin, 3))
    emit(done=True)
    os._exit(0)


def take_notes(self):
    self.logger = Notes()


def main():
    tester.INTERVAL = SETTLE
    sctp.sctp._checksum = crc32c
    tester.OfTester._diff_packets = differences(tester.OfTester._diff_packets)
    tester.OfTester._set_logger = take_notes
    tester.OfTester._test_sequential_execute = carry_out
    tester.OfTester._continuous_packet_send = send_by_the_clock
    cfg.CONF(args=sys.argv[1:], project="os_ken")
    manager = AppManager.get_instance()
    manager.load_apps(["os_ken.tests.switch.tester", "os_ken.controller.ofp_handler"])
    contexts = manager.create_contexts()
    services = manager.instantiate_apps(**contexts)
    hub.joinall(services)


if __name__ == "__main__":
    main()
