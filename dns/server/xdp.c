// SPDX-License-Identifier: Apache-2.0
#include "dns/server/xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/buf.h"
#include "base/log.h"
#include "bpf/dns_answer_bpf.h"
#include "dns/answer/limit.h"
#include "dns/server/server.h"
#include "dns/server/view_load.h"
#include "dns/server/worker.h"
#include "dns/server/xdp_internal.h"

WF_LOG_MODULE(dns_xdp);

#define LEASE_NS  10000000000ull
#define BEAT_MS	  1000
#define TAKE_MS	  100
#define RESUME_MS 10 /* several changes at once are one */
#define MORE_MS	  20
#define SWEEP_NS  60000000000ull  /* when names are forgotten that are asked for less, if there is no more room */
#define RENEW_NS  300000000000ull /* when renewed signatures are taken */

struct dns_xdp dns_xdp;

static const struct {
	const char *name;
	size_t size;
	void **to;
} shared[] = {
	{ "dns_conf", sizeof(struct dns_x_conf), (void **)&dns_xdp.conf },
	{ "dns_hot", DNS_X_SLOTS * sizeof(struct dns_x_hot), (void **)&dns_xdp.hot },
	{ "dns_images", DNS_X_IMAGES * sizeof(struct dns_x_image), (void **)&dns_xdp.images },
	{ "dns_sets", DNS_X_SETS * sizeof(uint64_t), (void **)&dns_xdp.sets },
	{ "dns_policies", DNS_X_POLICIES * sizeof(struct dns_x_policy), (void **)&dns_xdp.policies },
	{ "dns_rows", DNS_X_ROWS * sizeof(struct dns_x_row), (void **)&dns_xdp.rows },
	{ "dns_classes", DNS_X_CLASSES * sizeof(uint64_t), (void **)&dns_xdp.classes },
	{ "dns_buckets", DNS_X_BUCKETS * sizeof(uint64_t), (void **)&dns_xdp.buckets },
};

static uint64_t
clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t
dns_xdp_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int
map_fd(const char *name)
{
	return bpf_object__find_map_fd_by_name(dns_xdp.object, name);
}

/* --- addresses ----------------------------------------------------------------------------------- */

static struct dns_x_address
address_of(const struct sockaddr *at)
{
	struct dns_x_address a = { { 0, 0, htonl(0xffff), 0 } };

	if (at->sa_family == AF_INET)
		a.a[3] = ((const struct sockaddr_in *)at)->sin_addr.s_addr;
	else
		memcpy(a.a, &((const struct sockaddr_in6 *)at)->sin6_addr, sizeof a.a);
	return a;
}

static void
add_address(struct dns_x_address *to, unsigned *n, const struct sockaddr *at)
{
	struct dns_x_address a = address_of(at);
	bool is_loopback = at->sa_family == AF_INET ? (ntohl(a.a[3]) >> 24) == 127 : IN6_IS_ADDR_LOOPBACK((struct in6_addr *)&a);

	/* Nobody else may ask those of the host itself. */
	if (*n < DNS_X_LISTEN && !is_loopback)
		to[(*n)++] = a;
}

static bool
has_address(const struct dns_x_address *in, unsigned n, const struct dns_x_address *a)
{
	for (unsigned i = 0; i < n; i++)
		if (!memcmp(&in[i], a, sizeof *a))
			return true;
	return false;
}

/* Those of the configuration; "any" is all that the host has, looked at each second. */
static void
put_addresses(const struct dns_conf *c)
{
	struct dns_x_address now[DNS_X_LISTEN];
	struct ifaddrs *all = NULL;
	uint32_t one = 1;
	unsigned n = 0;
	int map = map_fd("dns_listen");

	dns_xdp.any4 = dns_xdp.any6 = false;
	for (size_t i = 0; i < c->n_listen; i++) {
		const struct sockaddr *at = (const struct sockaddr *)&c->listen[i];

		if (at->sa_family == AF_INET && !((const struct sockaddr_in *)at)->sin_addr.s_addr)
			dns_xdp.any4 = true;
		else if (at->sa_family == AF_INET6 &&
			 IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)at)->sin6_addr))
			dns_xdp.any6 = true;
		else
			add_address(now, &n, at);
	}
	if ((dns_xdp.any4 || dns_xdp.any6) && !getifaddrs(&all)) {
		for (struct ifaddrs *a = all; a; a = a->ifa_next)
			if (a->ifa_addr && ((a->ifa_addr->sa_family == AF_INET && dns_xdp.any4) ||
					    (a->ifa_addr->sa_family == AF_INET6 && dns_xdp.any6)))
				add_address(now, &n, a->ifa_addr);
		freeifaddrs(all);
	}
	for (unsigned i = 0; i < dns_xdp.n_listen; i++)
		if (!has_address(now, n, &dns_xdp.listen[i]))
			bpf_map_delete_elem(map, &dns_xdp.listen[i]);
	for (unsigned i = 0; i < n; i++)
		if (!has_address(dns_xdp.listen, dns_xdp.n_listen, &now[i]))
			bpf_map_update_elem(map, &now[i], &one, BPF_ANY);
	memcpy(dns_xdp.listen, now, sizeof now);
	dns_xdp.n_listen = n;
}

/* --- places -------------------------------------------------------------------------------------- */

/* An array in our memory, all zeros.  Returns its descriptor or -1. */
static int
new_array(const char *name, uint32_t value_size, size_t n, void **memory)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), value_size, (uint32_t)n, &opts);

	if (fd >= 0 && memory) {
		*memory = mmap(NULL, n * value_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (*memory == MAP_FAILED) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

static bool
put_inner(int outer, int inner)
{
	uint32_t zero = 0;

	return inner >= 0 && !bpf_map_update_elem(outer, &zero, &inner, BPF_ANY);
}

bool
dns_xdp_put_places(const struct dns_view *v)
{
	const struct loc_table *t = v->places;
	size_t n_pairs;
	void *memory;
	int fd, fd6;
	bool ok;

	if (!t)
		return true;
	n_pairs = dns_xdp_n_place_pairs(t);
	fd = new_array("dns_place", sizeof(uint64_t), n_pairs, &memory);
	if (fd < 0)
		return false;
	dns_xdp_copy_places(t, memory);
	munmap(memory, n_pairs * sizeof(uint64_t));
	fd6 = new_array("dns_place6", sizeof(struct dns_x_start), t->n6 + 1u, &memory);
	if (fd6 < 0) {
		close(fd);
		return false;
	}
	dns_xdp_copy_starts(t, memory);
	munmap(memory, (t->n6 + 1u) * sizeof(struct dns_x_start));
	ok = put_inner(dns_xdp.places, fd) && put_inner(dns_xdp.places6, fd6);
	close(fd);
	/* Kept: to put it there again is how one waits. */
	close(dns_xdp.starts);
	dns_xdp.starts = fd6;
	return ok;
}

/* The kernel waits for running programs when a map within a map is replaced (kernel/bpf/syscall.c,
 * maybe_wait_bpf_programs()). */
void
dns_xdp_wait(void)
{
	put_inner(dns_xdp.places6, dns_xdp.starts);
}

/* --- suspend and resume -------------------------------------------------------------------------- */

static void
read_clocks(void)
{
	dns_xdp.ctx.wall_s = clock_ns(CLOCK_REALTIME) / 1000000000;
	dns_xdp.ctx.mono_ms = dns_xdp_mono_ns() / 1000000;
}

static void
on_more(struct wf_timer *t)
{
	read_clocks();
	if (dns_xdp.conf->epoch && dns_xdp_fill_signed(dns_server_view()))
		wf_timer_set(t, MORE_MS, on_more, NULL);
}

static void
put_conf(const struct dns_view *v)
{
	struct dns_x_conf *c = dns_xdp.conf;

	for (int i = 0; i < 2; i++)
		memcpy(c->secret[i], v->cookie_secret[i], 16);
	c->cookies = v->cookies;
	c->udp_limit = v->udp_limit;
	c->limit_per_s = v->limiter ? dns_server.conf->limit_per_s : 0;
	c->limit_slip = v->limit_slip;
	c->sample = dns_server.conf->tap.sample;
}

static void
on_resume(struct wf_timer *t)
{
	const struct dns_view *v = dns_server_view();

	read_clocks();
	if (dns_xdp.full || !dns_xdp_fill_policies(v)) {
		if (!dns_xdp_put_places(v)) {
			wf_error("xdp: the map of clients cannot be given to the kernel: %s; all queries go through the sockets", strerror(errno));
			return;
		}
		put_conf(v);
		dns_xdp_fill(v);
		dns_xdp.filled_ns = dns_xdp_mono_ns();
		dns_xdp.full = false;
	}
	__atomic_store_n(&dns_xdp.conf->epoch, dns_xdp.epoch, __ATOMIC_RELEASE);
	wf_timer_set(&dns_xdp.more, 0, on_more, NULL);
}

void
dns_xdp_suspend(void)
{
	if (!dns_xdp.object)
		return;
	wf_timer_cancel(&dns_xdp.resume);
	wf_timer_cancel(&dns_xdp.more);
	if (!dns_xdp.conf->epoch)
		return;
	__atomic_store_n(&dns_xdp.conf->epoch, 0, __ATOMIC_RELEASE);
	dns_xdp_wait();
}

void
dns_xdp_resume(bool policies_only)
{
	if (!dns_xdp.object)
		return;
	dns_xdp.full |= !policies_only;
	wf_timer_set(&dns_xdp.resume, RESUME_MS, on_resume, NULL);
}

static void
on_policy(bool after)
{
	if (after)
		dns_xdp_resume(true);
	else
		dns_xdp_suspend();
}

static void
on_take(struct wf_timer *t)
{
	const struct dns_view *v = dns_server_view();
	struct dns_name name;
	uint16_t type;

	read_clocks();
	for (unsigned i = 0; i < dns_server.n_workers; i++)
		while (dns_server.workers[i]->hot && dns_hot_take(dns_server.workers[i]->hot, &name, &type))
			if (dns_xdp.conf->epoch)
				dns_xdp_add_name(v, &name, type);
	if (dns_xdp.unfinished) {
		dns_xdp.unfinished = false;
		wf_timer_set(&dns_xdp.more, 0, on_more, NULL);
	}
	wf_timer_set(t, TAKE_MS, on_take, NULL);
}

/* --- start and stop ------------------------------------------------------------------------------ */

/* The verifier explains itself in thousands of lines, of which the last ones say what is wrong. */
static int
on_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text, *from;

	if (level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	from = strlen(text) > 2000 ? text + strlen(text) - 2000 : text;
	for (char *line; (line = strsep(&from, "\n"));)
		if (*line)
			wf_warn("libbpf: %s", line);
	free(text);
	return 0;
}

static int
load(struct wf_err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "dns_answer");
	int rc;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(on_libbpf);
	dns_xdp.object = bpf_object__open_mem(dns_answer_bpf, sizeof dns_answer_bpf, &opts);
	if (!dns_xdp.object)
		return wf_err(err, -errno, "xdp: the program cannot be opened: %s", strerror(errno));
	rc = bpf_object__load(dns_xdp.object);
	if (rc)
		return wf_err(err, rc, "xdp: the kernel refused the program or a map: %s%s", strerror(-rc),
			      rc == -EPERM ? "; it takes the capabilities BPF and NET_ADMIN" : "");
	for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
		void *p = mmap(NULL, shared[i].size, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(shared[i].name), 0);

		if (p == MAP_FAILED)
			return wf_err(err, -errno, "xdp: map %s: %s", shared[i].name, strerror(errno));
		*shared[i].to = p;
	}
	dns_xdp.places = map_fd("dns_places");
	dns_xdp.places6 = map_fd("dns_places6");
	dns_xdp.starts = new_array("dns_place6", sizeof(struct dns_x_start), 1, NULL);
	if (dns_xdp.starts < 0)
		return wf_err(err, -errno, "xdp: map dns_place6: %s", strerror(errno));
	return 0;
}

static struct handed {
	struct handed *next;
	char *device;
	unsigned index;
	int fd;
} *all_handed;

static int
take_handed(const char *device, unsigned index)
{
	for (struct handed **at = &all_handed, *h; (h = *at) != NULL; at = &h->next)
		if (!strcmp(h->device, device) && h->index == index) {
			int fd = h->fd;

			*at = h->next;
			free(h->device);
			free(h);
			return fd;
		}
	return -1;
}

static int
attach(struct dns_xdp_device *d, enum dns_xdp_mode mode, struct wf_err *err)
{
	const char *device = d->name;
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = mode == DNS_XDP_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int prog = bpf_program__fd(bpf_object__find_program_by_name(dns_xdp.object, "dns_answer"));
	int fd;

	d->index = if_nametoindex(device);
	if (!d->index)
		return wf_err(err, -ENODEV, "xdp: device %s: there is none of that name", device);
	d->link = take_handed(device, d->index);
	if (d->link >= 0)
		return 0;
	fd = bpf_link_create(prog, (int)d->index, BPF_XDP, &opts);
	if (fd < 0 && errno != EBUSY && errno != EEXIST && mode == DNS_XDP_AUTO) {
		wf_warn("xdp: the driver of device %s takes no program (%s): before the stack instead, which saves less", device, strerror(errno));
		return attach(d, DNS_XDP_GENERIC, err);
	}
	if (fd < 0)
		return wf_err(err, -errno, "xdp: device %s: the program cannot be attached: %s%s", device, strerror(errno),
			      errno == EBUSY || errno == EEXIST ? "; another XDP program has the device (chaining by libxdp is not built)" : "");
	d->link = fd;
	wf_info("xdp: device %s, %s", device, mode == DNS_XDP_GENERIC ? "before the stack (generic)" : "in the driver (native)");
	return 0;
}

/* Devices that went, or came back as others of the same name. */
static void
follow_devices(void)
{
	for (unsigned i = 0; i < dns_xdp.n_devices; i++) {
		struct dns_xdp_device *d = &dns_xdp.devices[i];
		unsigned index = if_nametoindex(d->name);
		struct wf_err err = { "" };

		if (index == d->index)
			continue;
		if (d->link >= 0)
			close(d->link);
		d->link = -1;
		d->index = index;
		if (!index)
			wf_warn("xdp: device %s is gone", d->name);
		else if (attach(d, dns_xdp.mode, &err))
			wf_error("%s", err.text);
	}
}

static void
on_beat(struct wf_timer *t)
{
	uint64_t now = dns_xdp_mono_ns();

	__atomic_store_n(&dns_xdp.conf->wall_ns, clock_ns(CLOCK_REALTIME) - now, __ATOMIC_RELAXED);
	__atomic_store_n(&dns_xdp.conf->lease_ns, now + LEASE_NS, __ATOMIC_RELAXED);
	if (dns_xdp.any4 || dns_xdp.any6)
		put_addresses(dns_server.conf);
	follow_devices();
	if (dns_xdp_is_full() && now - dns_xdp.swept_ns > SWEEP_NS) {
		dns_xdp.swept_ns = now;
		dns_xdp_suspend();
		dns_xdp_forget_names(false);
		dns_xdp_resume(false);
	} else if (dns_xdp.any_signed && now - dns_xdp.filled_ns > RENEW_NS) {
		dns_xdp_suspend();
		dns_xdp_resume(false);
	}
	wf_timer_set(t, BEAT_MS, on_beat, NULL);
}

int
dns_xdp_start(const struct dns_conf *c, struct dns_limiter *limiter, struct wf_err *err)
{
	uint64_t keys[2];
	int rc;

	if (!c->n_xdp)
		return 0;
	wf_hmap_init(&dns_xdp.names);
	wf_hmap_init(&dns_xdp.by_content);
	rc = load(err);
	if (rc)
		return rc;
	if (getrandom(keys, sizeof keys, 0) != sizeof keys)
		return wf_err(err, -EIO, "the kernel gives no random bytes: %s", strerror(errno));
	dns_xdp.n_cpus = libbpf_num_possible_cpus();
	dns_xdp.conf->name_key = keys[0];
	dns_xdp.conf->bucket_key = dns_limiter_key();
	/* The port lies at the same place in both families. */
	dns_xdp.conf->port = ((const struct sockaddr_in *)&c->listen[0])->sin_port;
	dns_limiter_use_table(limiter, dns_xdp.buckets);
	put_addresses(c);
	dns_xdp.mode = c->xdp_mode;
	dns_xdp.devices = wf_xzalloc(c->n_xdp * sizeof(dns_xdp.devices[0]));
	for (size_t i = 0; i < c->n_xdp && !rc; i++) {
		dns_xdp.devices[dns_xdp.n_devices++] = (struct dns_xdp_device){ .name = wf_xstrdup(c->xdp[i]), .link = -1 };
		rc = attach(&dns_xdp.devices[i], c->xdp_mode, err);
	}
	if (rc)
		return rc;
	dns_view_on_policy = on_policy;
	on_beat(&dns_xdp.beat);
	wf_timer_set(&dns_xdp.take, TAKE_MS, on_take, NULL);
	dns_xdp_resume(false);
	return 0;
}

void
dns_xdp_stop(void)
{
	if (!dns_xdp.object)
		return;
	dns_xdp_unwatch();
	wf_timer_cancel(&dns_xdp.beat);
	wf_timer_cancel(&dns_xdp.take);
	dns_xdp_suspend();
	for (unsigned i = 0; i < dns_xdp.n_devices; i++) {
		if (dns_xdp.devices[i].link >= 0)
			close(dns_xdp.devices[i].link);
		free(dns_xdp.devices[i].name);
	}
	free(dns_xdp.devices);
	dns_xdp.n_devices = 0;
	dns_xdp_forget_names(true);
	dns_xdp_forget_images();
	wf_hmap_done(&dns_xdp.names);
	wf_hmap_done(&dns_xdp.by_content);
	close(dns_xdp.starts);
	/* The limiter's table is in a map's memory, and is used until the workers have gone: the process ends soon. */
	bpf_object__close(dns_xdp.object);
	dns_xdp.object = NULL;
}

/* --- from one process to the next ----------------------------------------------------------------- */

void
dns_xdp_give(void (*fn)(void *arg, const char *device, unsigned index, int fd), void *arg)
{
	for (unsigned i = 0; i < dns_xdp.n_devices; i++)
		if (dns_xdp.devices[i].link >= 0)
			fn(arg, dns_xdp.devices[i].name, dns_xdp.devices[i].index, dns_xdp.devices[i].link);
}

void
dns_xdp_hand_in(const char *device, unsigned index, int fd)
{
	struct handed *h = wf_xzalloc(sizeof *h);

	*h = (struct handed){ all_handed, wf_xstrdup(device), index, fd };
	all_handed = h;
}

/* The own program on all devices. */
static int
put_program(struct wf_err *err)
{
	int prog = bpf_program__fd(bpf_object__find_program_by_name(dns_xdp.object, "dns_answer"));

	for (unsigned i = 0; i < dns_xdp.n_devices; i++)
		if (dns_xdp.devices[i].link >= 0 && bpf_link_update(dns_xdp.devices[i].link, prog, NULL))
			return wf_err(err, -errno, "xdp: device %s: the program cannot be replaced: %s", dns_xdp.devices[i].name,
				      strerror(errno));
	return 0;
}

int
dns_xdp_take(struct wf_err *err)
{
	/* Devices that are not in the configuration any more: their link ends with the other process. */
	while (all_handed)
		close(take_handed(all_handed->device, all_handed->index));
	if (!dns_xdp.object)
		return 0;
	dns_xdp.conf->bucket_key = dns_limiter_key();
	return put_program(err);
}

void
dns_xdp_take_back(void)
{
	struct wf_err err = { "" };

	if (dns_xdp.object && put_program(&err))
		wf_error("%s", err.text);
}

static void
cancel_timers(void)
{
	wf_timer_cancel(&dns_xdp.beat);
	wf_timer_cancel(&dns_xdp.take);
	wf_timer_cancel(&dns_xdp.resume);
	wf_timer_cancel(&dns_xdp.more);
}

void
dns_xdp_leave(void)
{
	if (!dns_xdp.object)
		return;
	cancel_timers();
	for (unsigned i = 0; i < dns_xdp.n_devices; i++) {
		if (dns_xdp.devices[i].link >= 0)
			close(dns_xdp.devices[i].link);
		dns_xdp.devices[i].link = -1;
	}
}

/* --- counters ------------------------------------------------------------------------------------ */

static struct dns_x_stats
read_stats(void)
{
	struct dns_x_stats sum = { 0 }, *cpu;
	uint32_t zero = 0;

	if (!dns_xdp.object)
		return sum;
	cpu = wf_xzalloc(dns_xdp.n_cpus * sizeof *cpu);
	if (!bpf_map_lookup_elem(map_fd("dns_stats"), &zero, cpu))
		for (unsigned i = 0; i < dns_xdp.n_cpus; i++)
			for (size_t k = 0; k < DNS_X_N_STATS; k++)
				((uint64_t *)&sum)[k] += ((const uint64_t *)&cpu[i])[k];
	free(cpu);
	return sum;
}

uint64_t
dns_xdp_hits(uint32_t slot)
{
	uint64_t sum = 0, *cpu = wf_xzalloc(dns_xdp.n_cpus * sizeof *cpu);

	if (!bpf_map_lookup_elem(map_fd("dns_hits"), &slot, cpu))
		for (unsigned i = 0; i < dns_xdp.n_cpus; i++)
			sum += cpu[i];
	free(cpu);
	return sum;
}

void
dns_xdp_add_counters(struct dns_counters *to)
{
	struct dns_x_stats s = read_stats();

	dns_xdp_add_stats(&s, to);
}

/* Of the processes that handed over to this one: what is counted for the driver alone. */
static struct dns_x_stats before;

void
dns_xdp_counters(void (*fn)(void *arg, const char *name, uint64_t value, const char *help), void *arg)
{
	struct dns_x_stats s = read_stats();

	if (!dns_xdp.object)
		return;
	fn(arg, "xdp_answers", s.answers4 + s.answers6 + before.answers4, "of the answers: sent by the driver");
	fn(arg, "xdp_dropped", s.dropped4 + s.dropped6 + before.dropped4, "of limited_dropped: by the driver");
#define P(NAME, HELP)                                                                                          \
	fn(arg, "xdp_passed_" #NAME, s.pass[DNS_X_PASS_##NAME] + before.pass[DNS_X_PASS_##NAME],               \
	   "left to the sockets: " HELP);
#include "bpf/dns_pass.def"
#undef P
}

void
dns_xdp_take_counters(uint64_t (*value_of)(void *arg, const char *name), void *arg)
{
	before.answers4 += value_of(arg, "xdp_answers");
	before.dropped4 += value_of(arg, "xdp_dropped");
#define P(NAME, HELP) before.pass[DNS_X_PASS_##NAME] += value_of(arg, "xdp_passed_" #NAME);
#include "bpf/dns_pass.def"
#undef P
}

void
dns_xdp_show(struct wf_str *s)
{
	struct dns_x_stats st = read_stats();
	unsigned n = 0;

	for (unsigned i = 0; i < dns_xdp.n_devices; i++)
		n += dns_xdp.devices[i].link >= 0;
	if (dns_xdp.object)
		wf_str_fmt(s, "xdp: %u devices, %s, %u hot names and types, %u images, %llu answers\n", n,
			   dns_xdp.conf->epoch ? "answers" : "suspended", dns_xdp.n_names, dns_xdp.n_images,
			   (unsigned long long)(st.answers4 + st.answers6));
}

void
dns_xdp_why(const struct dns_name *name, unsigned type, struct wf_str *s)
{
	const struct dns_xdp_name *n;

	if (!dns_xdp.object)
		return;
	n = name->size < DNS_X_NAME ? dns_xdp_find_name(name, type) : NULL;
	if (!dns_xdp.conf->epoch)
		wf_str_put(s, "driver: leaves all to the sockets while the data is being replaced\n");
	else if (n && n->slot >= 0)
		wf_str_fmt(s, "driver: answers it (%s), %llu times since it is hot\n",
			   n->by_policy ? "a policy chooses" : "often asked for",
			   (unsigned long long)(dns_xdp_hits(n->slot)));
	else
		wf_str_put(s, "driver: leaves it to the sockets\n");
}
