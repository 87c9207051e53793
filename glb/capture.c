// SPDX-License-Identifier: Apache-2.0
#include "glb/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "bpf/glb_encap.h"
#include "glb/address.h"

WF_LOG_MODULE(glb_capture);

#define POLL_MS	 20
#define LEASE_MS 5000
#define TURN	 4096 /* packets at a time */
#define MAX_INTERFACES 64

static struct {
	struct glb_datapath **dp;
	struct ring_buffer *ring;
	FILE *file;
	bool json;
	uint64_t count, n, missed_before, missed;
	unsigned turn;
	int64_t asked;	/* when somebody asked last */
	uint64_t epoch; /* ns from the monotonic clock's start to that of 1970 */
	uint32_t interfaces[MAX_INTERFACES], n_interfaces; /* by number in the file */
	const char *ended;
	struct wf_timer timer;
} cap;

static const char *const drop_names[] = {
#define GLB_DROP(NAME, TEXT) #NAME,
#include "bpf/glb_drop.def"
#undef GLB_DROP
};
static const char *const roles[] = { "edge", "local", "host" };
static const char *const verdicts[] = {
	[XDP_ABORTED] = "aborted", [XDP_DROP] = "drop", [XDP_PASS] = "pass", [XDP_TX] = "tx", [XDP_REDIRECT] = "redirect",
};

static const char *
reason_of(const struct glb_event *e)
{
	return e->reason && e->reason <= GLB_N_DROPS ? drop_names[e->reason - 1] : "";
}

/* --- pcapng (draft-ietf-opsawg-pcapng) --------------------------------------------------------- */

static void
put_block(uint32_t type, const void *body, uint32_t len)
{
	uint32_t head[2] = { type, len + 12 };

	fwrite(head, sizeof head, 1, cap.file);
	fwrite(body, len, 1, cap.file);
	fwrite(&head[1], sizeof head[1], 1, cap.file);
}

/* Appends an option to 'to' at '*at', padded to words; code 0 ends the options. */
static void
put_option(uint8_t *to, uint32_t *at, uint16_t code, const void *value, uint16_t len)
{
	memcpy(to + *at, &code, 2);
	memcpy(to + *at + 2, &len, 2);
	memset(to + *at + 4, 0, (len + 3u) & ~3u);
	if (len)
		memcpy(to + *at + 4, value, len);
	*at += 4 + ((len + 3u) & ~3u);
}

static void
put_section(void)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		int32_t len[2];
	} header = { 0x1a2b3c4d, 1, 0, { -1, -1 } };

	put_block(0x0a0d0d0a, &header, sizeof header);
}

static uint32_t
interface_number(uint32_t ifindex)
{
	uint32_t i = 0, at = 8;
	uint8_t body[64] = { 1 }; /* LINKTYPE_ETHERNET */
	char name[IF_NAMESIZE] = "?";

	while (i < cap.n_interfaces && cap.interfaces[i] != ifindex)
		i++;
	if (i < cap.n_interfaces || i == MAX_INTERFACES)
		return i < cap.n_interfaces ? i : 0;
	cap.interfaces[cap.n_interfaces++] = ifindex;
	if_indextoname(ifindex, name);
	memcpy(body + 4, &(uint32_t){ GLB_EVENT_BYTES }, 4);
	put_option(body, &at, 2, name, (uint16_t)strlen(name));
	put_option(body, &at, 9, &(uint8_t){ 9 }, 1); /* time stamps in nanoseconds */
	put_option(body, &at, 0, NULL, 0);
	put_block(1, body, at);
	return i;
}

static void
put_packet(const struct glb_event *e)
{
	uint32_t number = interface_number(e->ifindex), at = 20 + ((e->captured + 3u) & ~3u);
	uint8_t body[20 + GLB_EVENT_BYTES + 256] = { 0 }, verdict[9] = { 2 }; /* of XDP */
	uint64_t ns = e->ns + cap.epoch, action = e->verdict;
	uint32_t head[5] = { number, (uint32_t)(ns >> 32), (uint32_t)ns, e->captured, e->len };
	char comment[128];
	int n = snprintf(comment, sizeof comment, "%s: %s%s%s", roles[e->role % 3], verdicts[e->verdict % 5],
			 e->reason ? " " : "", reason_of(e));

	memcpy(body, head, sizeof head);
	memcpy(body + 20, e->bytes, e->captured);
	memcpy(verdict + 1, &action, sizeof action);
	put_option(body, &at, 1, comment, (uint16_t)n);
	put_option(body, &at, 7, verdict, sizeof verdict);
	put_option(body, &at, 0, NULL, 0);
	put_block(6, body, at);
}

/* --- a line a packet ---------------------------------------------------------------------------- */

/* What the programs read of it: of a tunnel's the packet inside, if 'inside'. */
static bool
read_flow(const struct glb_event *e, bool inside, struct glb_flow *f)
{
	const uint8_t *data = e->bytes, *end = data + e->captured;
	struct glb_tunnel t = { .off = 0 };
	uint32_t off, at;
	__be16 type;
	int rc;

	if (glb_parse_eth(data, end, &off, &type) || (type != GLB_BE16(0x0800) && type != GLB_BE16(0x86dd)) ||
	    off + 40 > e->captured)
		return false;
	rc = type == GLB_BE16(0x0800) ? glb_parse_ip4(data, end, off, f) : glb_parse_ip6(data, end, off, f);
	if (rc || !inside)
		return !rc;
	at = f->l4;
	if (f->proto == GLB_GRE) {
		rc = glb_parse_gre(data, end, at, &t);
	} else if (f->proto == GLB_IPIP || f->proto == GLB_IPV6) {
		t.off = (uint16_t)at;
		t.inner = f->proto == GLB_IPIP ? 4 : 6;
	} else if (f->proto == GLB_UDP && f->vip_port == GLB_BE16(4789)) {
		rc = glb_parse_vxlan(data, end, at + GLB_UDP_LEN, &t);
	} else if (f->proto == GLB_UDP) {
		rc = glb_parse_gue(data, end, at + GLB_UDP_LEN, &t);
	} else {
		return true;
	}
	if (!rc && t.off) {
		struct glb_flow inner = { .family = 0 };

		rc = t.inner == 4 ? glb_parse_ip4(data, end, t.off, &inner) : glb_parse_ip6(data, end, t.off, &inner);
		if (!rc)
			*f = inner;
	}
	return true;
}

static void
put_line(const struct glb_event *e)
{
	uint64_t ns = e->ns + cap.epoch;
	struct glb_flow f = { .family = 0 };
	char name[IF_NAMESIZE] = "?", from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	struct in6_addr a, b;

	if_indextoname(e->ifindex, name);
	fprintf(cap.file, "{\"time\":%" PRIu64 ".%09" PRIu64 ",\"interface\":\"%s\",\"role\":\"%s\",\"verdict\":\"%s\"", ns / 1000000000,
		ns % 1000000000, name, roles[e->role % 3], verdicts[e->verdict % 5]);
	if (e->reason)
		fprintf(cap.file, ",\"reason\":\"%s\"", reason_of(e));
	fprintf(cap.file, ",\"length\":%u", e->len);
	if (read_flow(e, e->role != GLB_EDGE, &f)) {
		memcpy(&a, f.client, sizeof a);
		memcpy(&b, f.vip, sizeof b);
		fprintf(cap.file, ",\"client\":\"%s\",\"client-port\":%u,\"vip\":\"%s\",\"vip-port\":%u,\"protocol\":%u",
			glb_address_text(&a, from), ntohs(f.client_port), glb_address_text(&b, to), ntohs(f.vip_port), f.proto);
	}
	fputs("}\n", cap.file);
}

/* --- the ring ------------------------------------------------------------------------------------ */

/* The loop has more to do than to follow the ring of a busy device. */
static int
take_turn(void)
{
	return ++cap.turn % TURN ? 0 : -1;
}

static int
on_event(void *arg, void *data, size_t size)
{
	const struct glb_event *e = data;

	if (size < sizeof *e - GLB_EVENT_BYTES || size < sizeof *e - GLB_EVENT_BYTES + e->captured ||
	    (cap.count && cap.n == cap.count))
		return take_turn();
	if (cap.json)
		put_line(e);
	else
		put_packet(e);
	cap.n++;
	return take_turn();
}

/* What is in it while the programs put nothing more. */
static void
drain(void)
{
	while (ring_buffer__consume(cap.ring) < 0)
		;
}

static void
end(const char *why)
{
	if (!cap.file)
		return;
	if (glb_datapath_capture(*cap.dp, NULL))
		wf_warn("the programs go on to capture: %s", strerror(errno));
	drain();
	ring_buffer__free(cap.ring);
	if (fclose(cap.file))
		why = "the file cannot be written";
	cap.file = NULL;
	cap.missed = glb_datapath_count(*cap.dp, GLB_COUNT_STATS, GLB_STAT_MISSED).packets - cap.missed_before;
	cap.ended = why;
	wf_timer_cancel(&cap.timer);
}

static void
on_time(struct wf_timer *t)
{
	cap.turn = 0;
	ring_buffer__consume(cap.ring);
	fflush(cap.file);
	if (ferror(cap.file))
		end("the file cannot be written");
	else if (cap.count && cap.n >= cap.count)
		end("done");
	else if (wf_now_ms() - cap.asked > LEASE_MS)
		end("nobody asks for it");
	else
		wf_timer_set(t, POLL_MS, on_time, NULL);
}

int
glb_capture_start(struct glb_datapath **dp, const struct glb_capture_args *a, struct wf_err *err)
{
	struct timespec mono, real;
	struct stat st;
	int fd, rc;

	if (cap.file)
		return wf_err(err, -EBUSY, "somebody captures already");
	if (*a->path != '/')
		return wf_err(err, -EINVAL, "%s: is not an absolute path", a->path);
	fd = open(a->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return wf_err(err, -errno, "%s: %s", a->path, strerror(errno));
	/* Nobody waits for who reads a pipe. */
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return wf_err(err, -EINVAL, "%s: is not a regular file", a->path);
	}
	memset(&cap, 0, sizeof cap);
	cap.ring = ring_buffer__new(glb_datapath_events(*dp), on_event, NULL, NULL);
	if (!cap.ring) {
		rc = -errno;
		close(fd);
		return wf_err(err, rc, "glb_events: %s", strerror(-rc));
	}
	cap.dp = dp;
	cap.json = a->json;
	cap.count = a->count;
	cap.file = fdopen(fd, "w");
	cap.asked = wf_now_ms();
	cap.missed_before = glb_datapath_count(*dp, GLB_COUNT_STATS, GLB_STAT_MISSED).packets;
	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	cap.epoch = (uint64_t)(real.tv_sec - mono.tv_sec) * 1000000000 + (uint64_t)real.tv_nsec - (uint64_t)mono.tv_nsec;
	if (!cap.json)
		put_section();
	/* What an earlier capture left is not of this one. */
	cap.count = 1;
	cap.n = 1;
	drain();
	cap.count = a->count;
	cap.n = 0;
	rc = glb_datapath_capture(*dp, &a->want);
	if (rc) {
		end("");
		return wf_err(err, rc, "glb_conf: %s", wf_strerror(rc));
	}
	wf_timer_set(&cap.timer, POLL_MS, on_time, NULL);
	return 0;
}

void
glb_capture_poll(struct wf_str *s)
{
	cap.asked = wf_now_ms();
	if (cap.file)
		cap.missed = glb_datapath_count(*cap.dp, GLB_COUNT_STATS, GLB_STAT_MISSED).packets - cap.missed_before;
	wf_str_fmt(s, "%s: %" PRIu64 " packets, %" PRIu64 " missed\n", cap.file ? "running" : cap.ended ? cap.ended : "none",
		   cap.n, cap.missed);
}

void
glb_capture_stop(void)
{
	end("done");
}
