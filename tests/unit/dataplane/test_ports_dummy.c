/* SPDX-License-Identifier: Apache-2.0 */
/* Dummy ports: life, counters, pcap files, and which types --enable-dummy replaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/ports/port.h"

static char dir[] = "/tmp/weft-dummy-XXXXXX";

static char *
path(const char *name)
{
	static char text[4][64];
	static unsigned k;

	k = (k + 1) % 4;
	snprintf(text[k], sizeof text[k], "%s/%s", dir, name);
	return text[k];
}

static long
size_of(const char *name)
{
	struct stat st;

	return stat(path(name), &st) < 0 ? -1 : (long)st.st_size;
}

static void
set(struct port *p, const char *key, const char *value)
{
	const char *keys[] = { key }, *values[] = { value };
	struct port_options o = { key ? 1 : 0, keys, values };
	struct wf_err err = { "" };

	assert_int_equal(p->class->set_options(p, &o, &err), 0);
}

static struct port *
open_dummy(const char *name)
{
	struct port_options none = { 0 };
	struct wf_err err = { "" };
	struct port *p;

	assert_int_equal(port_class("dummy")->open(name, &none, &p, &err), 0);
	return p;
}

static void
send_one(struct port *p)
{
	static const uint8_t frame[60];
	struct rte_mbuf *m = pkt_from_bytes(frame, sizeof frame);

	assert_int_equal(p->class->tx(p, 0, &m, 1), 1);
}

static void
counts_what_it_sends(void **state)
{
	struct port *p = open_dummy("p1");
	struct port_status st;
	struct port_stats s;
	struct rte_mbuf *m;

	send_one(p);
	send_one(p);
	p->class->get_stats(p, &s);
	assert_int_equal(s.tx_packets, 2);
	assert_int_equal(s.tx_bytes, 120);
	assert_int_equal(s.rx_packets, 0);
	assert_int_equal(p->class->rx(p, 0, &m, 1), 0);
	p->class->get_status(p, &st);
	assert_true(st.admin_up && st.link_up);
	assert_int_equal(st.mtu, 1500);
	assert_int_equal(st.mac[0], 0xaa);
	assert_int_equal(st.mac[1], 0x55);
	p->class->close(p, true);
}

static void
refuses_a_wrong_mtu(void **state)
{
	struct port *p = open_dummy("p1");
	struct wf_err err = { "" };
	struct port_status st;

	assert_true(p->class->set_mtu(p, 10, &err) < 0);
	assert_non_null(strstr(err.text, "p1"));
	assert_int_equal(p->class->set_mtu(p, 9000, &err), 0);
	p->class->get_status(p, &st);
	assert_int_equal(st.mtu, 9000);
	p->class->close(p, true);
}

/* 24 bytes of header; 16 and the frame for each packet. */
static void
writes_pcap_files(void **state)
{
	struct port *p = open_dummy("p1");

	set(p, "pcap", path("both"));
	send_one(p);
	assert_int_equal(size_of("both"), 24 + 76);
	set(p, "tx_pcap", path("tx"));
	send_one(p);
	assert_int_equal(size_of("both"), 24 + 76);
	assert_int_equal(size_of("tx"), 24 + 76);
	set(p, "pcap", path("other"));
	set(p, "pcap", path("other"));
	set(p, "pcap", path("both"));
	send_one(p);
	assert_int_equal(size_of("other"), 24);
	assert_int_equal(size_of("both"), 24 + 76);
	set(p, NULL, NULL);
	send_one(p);
	assert_int_equal(size_of("both"), 24 + 76);
	p->class->close(p, true);
}

static void
takes_the_place_of_other_types(void **state)
{
	ports_enable_dummy("system");
	assert_string_equal(port_class("")->type, "dummy");
	assert_string_equal(port_class("system")->type, "dummy");
	assert_string_equal(port_class("tap")->type, "tap");
	ports_enable_dummy("override");
	assert_string_equal(port_class("tap")->type, "dummy");
	assert_string_equal(port_class("internal")->type, "dummy-internal");
	ports_enable_dummy(NULL);
	assert_string_equal(port_class("")->type, "system");
	assert_null(port_class("nosuchtype"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_it_sends),
		cmocka_unit_test(refuses_a_wrong_mtu),
		cmocka_unit_test(writes_pcap_files),
		cmocka_unit_test(takes_the_place_of_other_types),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	ports_enable_dummy(NULL);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path("both"));
	unlink(path("tx"));
	unlink(path("other"));
	rmdir(dir);
	return rc;
}
