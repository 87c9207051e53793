/* SPDX-License-Identifier: Apache-2.0 */
/* What ovs-appctl ofproto/trace of Open vSwitch 3.1.0 says to a flow: its "Flow:" line, or the
 * error behind "Bad openflow flow syntax:".  Port p1 was number 1; the TLV map had
 * {class=0xffff,type=0,len=4}->tun_metadata0 and {class=0xffff,type=1,len=8}->tun_metadata3. */
static const struct golden {
	const char *text, *answer;
} golden[] = {
	{ "packet_type=(1,0x800),in_port=1,nw_proto=6",
	  "Flow: ct_nw_src=0.0.0.0,ct_nw_dst=0.0.0.0,packet_type=(1,0x800),in_port=1,"
	  "nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_proto=6,nw_tos=0,nw_ecn=0,nw_ttl=0,"
	  "nw_frag=no,tp_src=0,tp_dst=0,tcp_flags=0" },
	{ "in_port=1",
	  "Flow: in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,dl_type=0x0000" },
	{ "in_port=1,ip",
	  "Flow: ip,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,"
	  "nw_ecn=0,nw_ttl=0,nw_frag=no" },
	{ "in_port=1,tcp",
	  "Flow: tcp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,"
	  "nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=0,tcp_flags=0" },
	{ "in_port=1,dl_src=00:01:02:03:04:05,dl_dst=00:11:22:33:44:55,dl_vlan=5,"
	  "dl_vlan_pcp=3,tcp,nw_src=1.2.3.4,nw_dst=5.6.7.8,nw_tos=32,nw_ecn=1,nw_ttl=64,"
	  "tp_src=5,tp_dst=80,tcp_flags=syn|ack",
	  "Flow: tcp,in_port=1,dl_vlan=5,dl_vlan_pcp=3,vlan_tci1=0x0000,"
	  "dl_src=00:01:02:03:04:05,dl_dst=00:11:22:33:44:55,nw_src=1.2.3.4,"
	  "nw_dst=5.6.7.8,nw_tos=32,nw_ecn=1,nw_ttl=64,nw_frag=no,tp_src=5,tp_dst=80,"
	  "tcp_flags=syn|ack" },
	{ "in_port=1,udp,nw_frag=later",
	  "Flow: udp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,"
	  "nw_ttl=0,nw_frag=later" },
	{ "in_port=1,udp6,ipv6_src=::1,ipv6_dst=2001:db8::7,ipv6_label=0x12,udp_src=4",
	  "Flow: udp6,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,ipv6_src=::1,ipv6_dst=2001:db8::7,ipv6_label=0x00012,"
	  "nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=4,tp_dst=0" },
	{ "in_port=1,icmp6,icmp_type=135,icmp_code=0,nd_target=::5,"
	  "nd_sll=00:01:02:03:04:05",
	  "in_port=1,icmp6,icmp_type=135,icmp_code=0,nd_target=::5,"
	  "nd_sll=00:01:02:03:04:05: prerequisites not met for setting icmp_type" },
	{ "in_port=1,icmp6,icmp_type=1",
	  "in_port=1,icmp6,icmp_type=1: prerequisites not met for setting icmp_type" },
	{ "in_port=1,arp,arp_op=1,arp_spa=1.1.1.1,arp_tha=00:00:00:00:00:09",
	  "Flow: arp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,arp_spa=1.1.1.1,arp_tpa=0.0.0.0,arp_op=1,"
	  "arp_sha=00:00:00:00:00:00,arp_tha=00:00:00:00:00:09" },
	{ "in_port=1,mpls,mpls_label=5,mpls_bos=1,mpls_ttl=3",
	  "Flow: mpls,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,mpls_label=5,mpls_tc=0,mpls_ttl=3,mpls_bos=1" },
	{ "in_port=1,mpls,mpls_label=5",
	  "Flow: mpls,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,mpls_label=5,mpls_tc=0,mpls_ttl=0,mpls_bos=0,"
	  "mpls_lse1=0,mpls_lse2=0" },
	{ "in_port=1,dl_type=0x88cc",
	  "Flow: in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,dl_type=0x88cc" },
	{ "in_port=1,dl_type=0x894f,nsh_mdtype=1,nsh_spi=3,nsh_c1=5",
	  "Flow: in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,dl_type=0x894f,nsh_flags=0,nsh_ttl=0,nsh_mdtype=1,"
	  "nsh_np=0,nsh_spi=0x3,nsh_si=0,nsh_c1=0x5,nsh_c2=0x0,nsh_c3=0x0,nsh_c4=0x0,"
	  "nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no" },
	{ "tun_id=5,tun_src=1.1.1.1,tun_dst=2.2.2.2,in_port=1,tun_flags=oam",
	  "Flow: tun_src=1.1.1.1,tun_dst=2.2.2.2,tun_ipv6_src=::,tun_ipv6_dst=::,"
	  "tun_gbp_id=0,tun_gbp_flags=0,tun_tos=0,tun_ttl=0,tun_erspan_ver=0,"
	  "gtpu_flags=0,gtpu_msgtype=0,tun_flags=oam,in_port=1,vlan_tci=0x0000,"
	  "dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000" },
	{ "tun_id=5,in_port=1",
	  "Flow: tun_id=0x5,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,dl_type=0x0000" },
	{ "tun_dst=2.2.2.2,tun_metadata0=0x1234,tun_metadata3=0x5,in_port=1",
	  "Flow: tun_src=0.0.0.0,tun_dst=2.2.2.2,tun_ipv6_src=::,tun_ipv6_dst=::,"
	  "tun_gbp_id=0,tun_gbp_flags=0,tun_tos=0,tun_ttl=0,tun_erspan_ver=0,"
	  "gtpu_flags=0,gtpu_msgtype=0,tun_flags=0,tun_metadata0=0x1234,"
	  "tun_metadata3=0x5,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,dl_type=0x0000" },
	{ "ct_state=trk|est,ct_zone=5,ct_mark=3,ct_label=0x55,in_port=1,tcp,"
	  "ct_nw_proto=6,ct_nw_src=1.1.1.1",
	  "Flow: ct_state=est|trk,ct_zone=5,ct_mark=0x3,ct_label=0x55,ct_nw_src=1.1.1.1,"
	  "ct_nw_dst=0.0.0.0,ct_nw_proto=6,ct_tp_src=0,ct_tp_dst=0,tcp,in_port=1,"
	  "vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,"
	  "nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,"
	  "tp_dst=0,tcp_flags=0" },
	{ "reg0=5,reg7=0xff,metadata=9,pkt_mark=3,in_port=1,sctp,sctp_src=3",
	  "Flow: pkt_mark=0x3,sctp,reg0=0x5,reg7=0xff,metadata=0x9,in_port=1,"
	  "vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,"
	  "nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=3,"
	  "tp_dst=0" },
	{ "recirc_id=1,in_port=1,tcp",
	  "Flow: recirc_id=0x1,eth,tcp,in_port=1,vlan_tci=0x0000,"
	  "dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,"
	  "nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=0,"
	  "tcp_flags=0" },
	{ "in_port=1,igmp",
	  "in_port=1,igmp: unknown field igmp" },
	{ "in_port=1,ip,nw_proto=2,tp_src=3",
	  "in_port=1,ip,nw_proto=2,tp_src=3: prerequisites not met for setting tp_src" },
	{ "in_port=LOCAL,icmp,icmp_type=8",
	  "Flow: icmp,in_port=LOCAL,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,"
	  "nw_ttl=0,nw_frag=no,icmp_type=8,icmp_code=0" },
	{ "in_port=1,icmp6,icmpv6_type=135,icmpv6_code=0,nd_target=::5,"
	  "nd_sll=00:01:02:03:04:05",
	  "Flow: icmp6,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,ipv6_src=::,ipv6_dst=::,ipv6_label=0x00000,nw_tos=0,"
	  "nw_ecn=0,nw_ttl=0,nw_frag=no,icmp_type=135,icmp_code=0,nd_target=::5,"
	  "nd_sll=00:01:02:03:04:05,nd_tll=00:00:00:00:00:00" },
	{ "in_port=1,icmp6,icmpv6_type=136,nd_tll=00:01:02:03:04:05",
	  "Flow: icmp6,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,"
	  "dl_dst=00:00:00:00:00:00,ipv6_src=::,ipv6_dst=::,ipv6_label=0x00000,nw_tos=0,"
	  "nw_ecn=0,nw_ttl=0,nw_frag=no,icmp_type=136,icmp_code=0,nd_target=::,"
	  "nd_sll=00:00:00:00:00:00,nd_tll=00:01:02:03:04:05" },
	{ "in_port=1,in_port=2",
	  "in_port=1,in_port=2: field in_port set multiple times" },
	{ "in_port=1,dl_vlan=5,foo=3",
	  "in_port=1,dl_vlan=5,foo=3: unknown field foo" },
	{ "in_port=1,tcp,udp",
	  "in_port=1,tcp,udp: Ethernet type set multiple times" },
	{ "in_port=1,nw_src=1.2.3.0/24,ip",
	  "in_port=1,nw_src=1.2.3.0/24,ip: prerequisites not met for setting nw_src" },
	{ "in_port=1,ip,nw_src=1.2.3.0/24",
	  "in_port=1,ip,nw_src=1.2.3.0/24: bad value for nw_src (1.2.3.0/24: wildcards no"
	  "t allowed here)" },
	{ "in_port=1,ip,nw_src=1.2.3",
	  "in_port=1,ip,nw_src=1.2.3: bad value for nw_src (1.2.3: invalid IP address)" },
	{ "in_port=1,tcp,tp_src=99999",
	  "in_port=1,tcp,tp_src=99999: bad value for tp_src (99999: value too large for 2"
	  "-byte field tcp_src)" },
	{ "in_port=1,dl_src=00:11:22",
	  "in_port=1,dl_src=00:11:22: bad value for dl_src (00:11:22: invalid Ethernet ad"
	  "dress)" },
	{ "in_port=1,reg0=0x1ffffffff",
	  "in_port=1,reg0=0x1ffffffff: bad value for reg0 (0x1ffffffff: value too large f"
	  "or 4-byte field reg0)" },
	{ "in_port=p1,dl_vlan=3",
	  "Flow: in_port=1,dl_vlan=3,dl_vlan_pcp=0,vlan_tci1=0x0000,"
	  "dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000" },
	{ "in_port=nonesuch",
	  "in_port=nonesuch: bad value for in_port (nonesuch: invalid or unknown port for"
	  " in_port)" },
	{ "in_port=1,ip,nw_ttl=abc",
	  "in_port=1,ip,nw_ttl=abc: bad value for nw_ttl (abc: bad syntax for nw_ttl valu"
	  "e)" },
	{ "in_port=1,tcp,tcp_flags=foo",
	  "in_port=1,tcp,tcp_flags=foo: bad value for tcp_flags (foo: unknown TCP flag(s)"
	  ")" },
	{ "in_port=1,tcp,tcp_flags=+syn",
	  "in_port=1,tcp,tcp_flags=+syn: bad value for tcp_flags (+syn: wildcards not all"
	  "owed here)" },
	{ "in_port=1,ipv6,ipv6_src=zz",
	  "in_port=1,ipv6,ipv6_src=zz: bad value for ipv6_src (zz: invalid IPv6 address)" },
	{ "in_port=1,ip,nw_frag=maybe",
	  "in_port=1,ip,nw_frag=maybe: bad value for nw_frag (maybe: unknown fragment typ"
	  "e (valid types are \"no\", \"yes\", \"first\", \"later\", \"not_later\")" },
	{ "in_port=1,ct_state=bar",
	  "in_port=1,ct_state=bar: bad value for ct_state (bar: unknown ct_state flag(s))" },
};
