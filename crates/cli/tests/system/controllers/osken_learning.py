"""A learning switch for os-ken, and what starts it: os-ken 4 has no launcher of its own.

Usage: osken_learning.py PORT
"""

import os
import sys

os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")

from os_ken import cfg
from os_ken.base import app_manager
from os_ken.controller import controller, ofp_event  # noqa: F401 (controller declares the options)
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class Learning(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.stations = {}

    def add(self, datapath, priority, match, actions):
        parser, proto = datapath.ofproto_parser, datapath.ofproto
        apply = parser.OFPInstructionActions(proto.OFPIT_APPLY_ACTIONS, actions)
        datapath.send_msg(
            parser.OFPFlowMod(datapath=datapath, priority=priority, match=match, instructions=[apply])
        )

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def begin(self, event):
        datapath = event.msg.datapath
        parser, proto = datapath.ofproto_parser, datapath.ofproto
        to_us = parser.OFPActionOutput(proto.OFPP_CONTROLLER, proto.OFPCML_NO_BUFFER)
        self.add(datapath, 0, parser.OFPMatch(), [to_us])

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        msg = event.msg
        datapath = msg.datapath
        parser, proto = datapath.ofproto_parser, datapath.ofproto
        port = msg.match["in_port"]
        frame = packet.Packet(msg.data).get_protocol(ethernet.ethernet)
        known = self.stations.setdefault(datapath.id, {})
        known[frame.src] = port
        out = known.get(frame.dst, proto.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(out)]
        if out != proto.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=port, eth_src=frame.src, eth_dst=frame.dst)
            self.add(datapath, 1, match, actions)
        datapath.send_msg(
            parser.OFPPacketOut(
                datapath=datapath, buffer_id=msg.buffer_id, in_port=port, actions=actions, data=msg.data
            )
        )


def main():
    cfg.CONF(
        project="os_ken",
        args=["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", sys.argv[1]],
    )
    app_manager.AppManager.run_apps([__file__, "os_ken.controller.ofp_handler"])


if __name__ == "__main__":
    main()
