# SPDX-License-Identifier: Apache-2.0
"""os-ken application: a learning switch whose flows match the addresses and UDP/TCP ports, so that
the first packet of every flow asks it.  OpenFlow 1.3.  Used by tests/bench and tests/system."""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, ipv4, packet, udp
from os_ken.ofproto import ofproto_v1_3


class Reactive(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}         # (datapath, MAC) -> port

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event):
        dp = event.msg.datapath
        p, o = dp.ofproto_parser, dp.ofproto
        self.add_flow(dp, 0, p.OFPMatch(),
                      [p.OFPActionOutput(o.OFPP_CONTROLLER, o.OFPCML_NO_BUFFER)])

    def add_flow(self, dp, priority, match, actions):
        p, o = dp.ofproto_parser, dp.ofproto
        dp.send_msg(p.OFPFlowMod(
            datapath=dp, priority=priority, match=match, idle_timeout=600 if priority else 0,
            instructions=[p.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, actions)]))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, event):
        msg = event.msg
        dp, in_port = msg.datapath, msg.match["in_port"]
        p, o = dp.ofproto_parser, dp.ofproto
        pkt = packet.Packet(msg.data)
        eth = pkt.get_protocol(ethernet.ethernet)
        self.ports[(dp.id, eth.src)] = in_port
        out = self.ports.get((dp.id, eth.dst), o.OFPP_FLOOD)
        actions = [p.OFPActionOutput(out)]
        ip, l4 = pkt.get_protocol(ipv4.ipv4), pkt.get_protocol(udp.udp)
        if out != o.OFPP_FLOOD and ip and l4:
            self.add_flow(dp, 10, p.OFPMatch(
                in_port=in_port, eth_dst=eth.dst, eth_type=0x0800, ip_proto=17,
                ipv4_src=ip.src, ipv4_dst=ip.dst,
                udp_src=l4.src_port, udp_dst=l4.dst_port), actions)
        dp.send_msg(p.OFPPacketOut(datapath=dp, buffer_id=o.OFP_NO_BUFFER, in_port=in_port,
                                   actions=actions, data=msg.data))
