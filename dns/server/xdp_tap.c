// SPDX-License-Identifier: Apache-2.0
/* dnstap of what the driver answers: it tells of one query in so many, and the first worker makes its answer once more,
 * which is the same, and puts both where its own samples go. */
#include <sys/epoll.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/log.h"
#include "bpf/dns_parse.h"
#include "dns/server/server.h"
#include "dns/server/tap.h"
#include "dns/server/xdp.h"
#include "dns/server/xdp_internal.h"

WF_LOG_MODULE(dns_xdp_tap);

/* Before the worker's own queries have their turn. */
#define TURN 64

static struct {
	struct dns_source source;
	struct dns_worker *worker;
	struct ring_buffer *ring;
	unsigned n;
} tap;

static int
on_sample(void *arg, void *data, size_t size)
{
	const struct dns_x_sample *s = data;
	struct dns_view view = *dns_server_view();
	struct dns_context ctx = { .wall_s = tap.worker->ctx.wall_s, .mono_ms = tap.worker->ctx.mono_ms, .draw = 1 };
	struct dns_client client = { .family = (uint8_t)s->family };
	uint8_t answer[DNS_UDP_ROOM];
	size_t answer_size;

	if (size != sizeof *s || s->q.size > DNS_X_MSG_MAX || !atomic_load(&tap.worker->tap_sample))
		return 0;
	/* The limiter has let it pass already. */
	view.limiter = NULL;
	if (s->family == 4)
		memcpy(client.address, &s->client.a[3], 4);
	else
		memcpy(client.address, s->client.a, 16);
	if (dns_answer(&view, &ctx, &client, s->q.msg, s->q.size, answer, &answer_size) == DNS_SEND)
		dns_tap_put(tap.worker, DNS_TAP_UDP, &client, (uint16_t)s->port, s->q.msg, s->q.size, answer, answer_size);
	return ++tap.n % TURN ? 0 : -1;
}

static void
on_samples(struct dns_worker *w, struct dns_source *source, uint32_t events)
{
	ring_buffer__consume(tap.ring);
}

void
dns_xdp_watch(struct dns_worker *w)
{
	int map = dns_xdp.object ? bpf_object__find_map_fd_by_name(dns_xdp.object, "dns_samples") : -1;

	if (map < 0 || w->index)
		return;
	tap.worker = w;
	tap.source = (struct dns_source){ on_samples, map };
	tap.ring = ring_buffer__new(map, on_sample, NULL, NULL);
	if (!tap.ring || dns_worker_watch(w, &tap.source, EPOLLIN))
		wf_warn("xdp: the driver's samples for dnstap cannot be read; they are lost");
}

void
dns_xdp_unwatch(void)
{
	ring_buffer__free(tap.ring);
	tap.ring = NULL;
}
