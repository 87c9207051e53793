/* SPDX-License-Identifier: Apache-2.0 */
/* type=dpdkvhostuserclient (QEMU listens, we connect, again and again) and type=dpdkvhostuser (we
 * listen): guests over vhost-user.
 *
 * Nothing is polled: the guest's kicks arrive on eventfds that a sleeping worker waits for, and the
 * guest is told not to kick while the worker is at work.
 *
 *   guest queue 2q+1 (its transmit) --kick--> epoll of rxq (q % n_rxq) --> vhost_rx()
 *   vhost_tx(txq) --> guest queue 2q (its receive), q from those that the guest enabled
 *
 * Threads: the callbacks below run on threads of rte_vhost (or on main, in unregister).  They
 * publish by atomics; destroy_device() returns when no worker uses the guest's memory any more.
 * Callbacks about one ring may hold the lock of that ring, so they never wait for workers.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <rte_errno.h>
#include <rte_vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dataplane/ports/classes.h"
#include "dataplane/ports/dpdk_eal.h"
#include "dataplane/ports/vhost_internal.h"

WF_LOG_MODULE(netdev_dpdk);

static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wf_list ports = { &ports, &ports };
static pthread_t main_thread;

void
vhost_nudge(struct vhost_port *v, unsigned guest_queue)
{
	uint64_t one = 1;

	if (write(v->rxq[guest_queue % v->port->n_rxq].nudge, &one, sizeof one) < 0)
		wf_dbg("%s: nudge: %s", v->port->name, wf_strerror(-errno));
}

/* --- What rte_vhost tells -------------------------------------------------------------------- */

/* With ports_lock held. */
static struct vhost_port *
port_of(int vid)
{
	struct vhost_port *v;
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof path))
		return NULL;
	wf_list_for_each (v, node, &ports)
		if (v->path && !strcmp(v->path, path))
			return v;
	return NULL;
}

static void
close_fd(void *fd)
{
	close((int)(intptr_t)fd);
}

/* A worker may be reading it: closed after a grace period.  Being a duplicate, its number is ours
 * until then. */
static void
drop_kick(struct guest_queue *q)
{
	int fd = atomic_exchange(&q->kick, NO_KICK);

	atomic_store(&q->on, false);
	atomic_store(&q->armed, false);
	if (fd != NO_KICK)
		wf_rcu_call(close_fd, (void *)(intptr_t)fd);
}

static void
set_caps(struct vhost_port *v, int vid)
{
	uint64_t f = 0;
	unsigned caps = 0;

	rte_vhost_get_negotiated_features(vid, &f);
	if (f & 1ull << VIRTIO_NET_F_GUEST_CSUM) {
		caps |= PORT_CAP_CSUM;
		if (f & 1ull << VIRTIO_NET_F_GUEST_TSO4 && f & 1ull << VIRTIO_NET_F_GUEST_TSO6)
			caps |= PORT_CAP_TSO;
	}
	atomic_store_explicit(&v->port->caps, caps, memory_order_release);
}

static int
on_new_device(int vid)
{
	struct vhost_port *v;

	pthread_mutex_lock(&ports_lock);
	v = port_of(vid);
	if (v) {
		set_caps(v, vid);
		atomic_store(&v->vid, vid);
		atomic_fetch_add(&v->link_resets, 1);
		wf_info("vHost Device '%s' has been added on numa node %i", v->path,
			rte_vhost_get_numa_node(vid));
		for (unsigned i = 0; i < v->port->n_rxq; i++)
			vhost_nudge(v, i);
		ports_changed(v->port->name);
	}
	pthread_mutex_unlock(&ports_lock);
	return v ? 0 : -1;
}

/* A grace period that a thread of rte_vhost waits for.  Main is a reader as well, so main says when
 * it is over. */
struct grace {
	_Atomic bool over;
	_Atomic unsigned refs;
};

static void
grace_unref(struct grace *g)
{
	if (atomic_fetch_sub(&g->refs, 1) == 1)
		free(g);
}

static void
grace_over(void *g_)
{
	struct grace *g = g_;

	atomic_store(&g->over, true);
	grace_unref(g);
}

/* Main would wait in vain for itself; and while it closes 'v' it waits for this thread. */
static void
wait_for_readers(const struct vhost_port *v)
{
	struct timespec nap = { .tv_nsec = 200000 };
	struct grace *g;

	if (pthread_equal(pthread_self(), main_thread)) {
		wf_rcu_synchronize();
		return;
	}
	g = wf_xzalloc(sizeof *g);
	atomic_store(&g->refs, 2);
	wf_rcu_call(grace_over, g);
	while (!atomic_load(&g->over) && !(v && atomic_load(&v->closing)))
		nanosleep(&nap, NULL);
	grace_unref(g);
}

static void
on_destroy_device(int vid)
{
	struct vhost_port *v;

	pthread_mutex_lock(&ports_lock);
	v = port_of(vid);
	if (v) {
		atomic_store(&v->vid, -1);
		for (unsigned q = 0; q < GUEST_QUEUES; q++) {
			drop_kick(&v->queue[q]);
			atomic_store(&v->tx_on[q], false);
		}
		atomic_store(&v->n_tx_on, 0);
		atomic_fetch_add(&v->link_resets, 1);
		ports_changed(v->port->name);
		wf_info("vHost Device '%s' has been removed", v->path);
	}
	pthread_mutex_unlock(&ports_lock);
	/* Rule 16: the guest's memory goes when this returns. */
	wait_for_readers(v);
}

static void
watch_kick(struct vhost_port *v, int vid, unsigned q)
{
	/* Each kick is an event of its own, whoever reads the descriptor. */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u32 = q };
	struct rte_vhost_vring ring;
	int fd;

	drop_kick(&v->queue[q]);
	if (rte_vhost_get_vhost_vring(vid, (uint16_t)(q * 2 + 1), &ring) || ring.kickfd < 0)
		return;
	fd = dup(ring.kickfd);
	if (fd < 0)
		return;
	if (epoll_ctl(v->rxq[q % v->port->n_rxq].epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		wf_warn("%s: cannot wait for kicks of queue %u: %s", v->port->name, q,
			wf_strerror(-errno));
		close(fd);
		return;
	}
	atomic_store(&v->queue[q].kick, fd);
	atomic_store(&v->queue[q].on, true);
	if (q >= atomic_load(&v->n_queues))
		atomic_store(&v->n_queues, q + 1);
	vhost_nudge(v, q);
}

static int
on_vring_state_changed(int vid, uint16_t ring, int enable)
{
	struct vhost_port *v;
	unsigned q = ring / 2, n = 0;

	pthread_mutex_lock(&ports_lock);
	v = port_of(vid);
	if (v && q < GUEST_QUEUES) {
		if (ring % 2 == 0) {
			atomic_store(&v->tx_on[q], enable != 0);
			while (n < GUEST_QUEUES && atomic_load(&v->tx_on[n]))
				n++;
			atomic_store(&v->n_tx_on, n);
		} else if (enable) {
			watch_kick(v, vid, q);
		} else {
			drop_kick(&v->queue[q]);
		}
		wf_dbg("State of queue %u ( %s_qid %u ) of vhost device '%s' changed to '%s'", ring,
		       ring % 2 ? "rx" : "tx", q, v->path, enable ? "enabled" : "disabled");
	}
	pthread_mutex_unlock(&ports_lock);
	return 0;
}

/* A connection ended, perhaps before the device was whole. */
static void
on_destroy_connection(int vid)
{
	struct vhost_port *v;

	pthread_mutex_lock(&ports_lock);
	v = port_of(vid);
	if (v && atomic_load(&v->vid) < 0)
		for (unsigned q = 0; q < GUEST_QUEUES; q++) {
			drop_kick(&v->queue[q]);
			atomic_store(&v->tx_on[q], false);
		}
	pthread_mutex_unlock(&ports_lock);
}

static const struct rte_vhost_device_ops callbacks = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state_changed,
	.destroy_connection = on_destroy_connection,
};

/* --- Opening --------------------------------------------------------------------------------- */

/* What a daemon that was killed left behind would make bind() fail. */
static int
remove_stale_socket(const char *name, const char *path, struct wf_err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, rc;

	if (strlen(path) >= sizeof sun.sun_path)
		return wf_err(err, -ENAMETOOLONG, "%s: the socket's path is longer than %zu: %s", name,
			      sizeof sun.sun_path - 1, path);
	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return wf_err(err, -EEXIST, "%s: %s exists and is not a socket", name, path);
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = connect(fd, (struct sockaddr *)&sun, sizeof sun);
	close(fd);
	if (rc == 0)
		return wf_err(err, -EADDRINUSE, "%s: another process listens on %s", name, path);
	unlink(path);
	return 0;
}

static int
vhost_register(struct vhost_port *v, struct wf_err *err)
{
	uint64_t flags = RTE_VHOST_USER_EXTBUF_SUPPORT | RTE_VHOST_USER_LINEARBUF_SUPPORT |
			 RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS;
	const char *name = v->port->name, *what;

	if (v->client)
		flags |= RTE_VHOST_USER_CLIENT;
	else if (remove_stale_socket(name, v->path, err))
		return -EADDRINUSE;
	what = "register";
	if (rte_vhost_driver_register(v->path, flags))
		goto fail;
	what = "set callbacks of";
	if (rte_vhost_driver_callback_register(v->path, &callbacks))
		goto unregister;
	/* UFO packets are fragments to be; nobody can cut them. */
	what = "set features of";
	if (rte_vhost_driver_disable_features(v->path, 1ull << VIRTIO_NET_F_HOST_UFO |
							       1ull << VIRTIO_NET_F_GUEST_UFO))
		goto unregister;
	what = "start";
	if (rte_vhost_driver_start(v->path))
		goto unregister;
	return 0;
unregister:
	rte_vhost_driver_unregister(v->path);
fail:
	return wf_err(err, -EIO, "%s: cannot %s the vhost-user socket %s", name, what, v->path);
}

static void
close_rxqs(struct vhost_port *v)
{
	for (unsigned i = 0; i < v->port->n_rxq; i++) {
		if (v->rxq[i].epoll_fd >= 0)
			close(v->rxq[i].epoll_fd);
		if (v->rxq[i].nudge >= 0)
			close(v->rxq[i].nudge);
	}
}

static int
open_rxqs(struct vhost_port *v)
{
	bool ok = true;

	for (unsigned i = 0; i < v->port->n_rxq; i++) {
		struct vhost_rxq *q = &v->rxq[i];
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = UINT32_MAX };

		q->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		q->nudge = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ok &= q->epoll_fd >= 0 && q->nudge >= 0 &&
		      epoll_ctl(q->epoll_fd, EPOLL_CTL_ADD, q->nudge, &ev) == 0;
	}
	return ok ? 0 : -errno;
}

/* Fixed for a name, locally administered: nobody sees it but the columns of the database. */
static void
make_mac(struct vhost_port *v)
{
	uint64_t h = wf_hash_mix64(wf_hash_str(v->port->name, 0), 0x77656674);

	memcpy(v->mac, &h, 6);
	v->mac[0] = (uint8_t)((v->mac[0] & 0xfc) | 0x02);
}

static unsigned
wished_rxqs(const struct port_options *o)
{
	const char *text = port_option(o, "n_rxq");
	unsigned long n = text ? strtoul(text, NULL, 10) : 1;

	return n < 1 ? 1 : n > PORT_MAX_QUEUES ? PORT_MAX_QUEUES : (unsigned)n;
}

static int
vhost_open(const struct port_class *class, const char *name, const struct port_options *o,
	   struct port **portp, struct wf_err *err)
{
	bool client = class == &port_class_vhost_client;
	const char *path = port_option(o, "vhost-server-path");
	int rc;

	if (strchr(name, '/'))
		return wf_err(err, -EINVAL, "%s: the name of a vhost-user port has no '/'", name);
	main_thread = pthread_self();
	rc = dpdk_start(err);
	if (rc)
		return rc;
	if (!dpdk_pool())
		return wf_err(err, -ENOMEM, "%s: no memory for packets: see dpdk-socket-mem", name);
	struct port *p = wf_xzalloc(sizeof *p);
	struct vhost_port *v = wf_xzalloc(sizeof *v);
	port_init(p, class, name);
	p->impl = v;
	p->n_rxq = wished_rxqs(o);
	p->n_txq = N_TXQ;
	v->port = p;
	v->client = client;
	v->pool = dpdk_pool();
	v->mtu = 1500;
	make_mac(v);
	atomic_store(&v->vid, -1);
	for (unsigned q = 0; q < GUEST_QUEUES; q++)
		atomic_store(&v->queue[q].kick, NO_KICK);
	rc = open_rxqs(v);
	if (rc) {
		wf_err(err, rc, "%s: no file descriptors: %s", name, wf_strerror(rc));
		goto fail;
	}
	if (!client)
		v->path = wf_xasprintf("%s/%s", dpdk_vhost_socket_dir(), name);
	else if (path && *path)
		v->path = wf_xstrdup(path);
	pthread_mutex_lock(&ports_lock);
	wf_list_push_back(&ports, &v->node);
	pthread_mutex_unlock(&ports_lock);
	/* A client without a path waits for one. */
	rc = v->path ? vhost_register(v, err) : 0;
	if (rc) {
		pthread_mutex_lock(&ports_lock);
		wf_list_remove(&v->node);
		pthread_mutex_unlock(&ports_lock);
		goto fail;
	}
	if (v->path)
		wf_info(client ? "vHost User device '%s' created in 'client' mode, using client "
				 "socket '%s'"
			       : "Socket %s created for vhost-user port %s",
			client ? name : v->path, client ? v->path : name);
	*portp = p;
	return 0;
fail:
	close_rxqs(v);
	free(v->path);
	free(v);
	free(p);
	return rc;
}

static int
client_open(const char *name, const struct port_options *o, struct port **p, struct wf_err *err)
{
	return vhost_open(&port_class_vhost_client, name, o, p, err);
}

static int
server_open(const char *name, const struct port_options *o, struct port **p, struct wf_err *err)
{
	return vhost_open(&port_class_vhost_server, name, o, p, err);
}

static int
vhost_set_options(struct port *p, const struct port_options *o, struct wf_err *err)
{
	struct vhost_port *v = p->impl;
	const char *path = port_option(o, "vhost-server-path");

	if (wished_rxqs(o) != p->n_rxq)
		return -EAGAIN;
	if (v->client && strcmp(path ? path : "", v->path ? v->path : ""))
		return -EAGAIN;
	return 0;
}

static void
vhost_close(struct port *p, bool destroy)
{
	struct vhost_port *v = p->impl;

	/* rte_vhost waits for its threads, which may wait in on_destroy_device() for main. */
	atomic_store(&v->closing, true);
	if (v->path)
		rte_vhost_driver_unregister(v->path);
	pthread_mutex_lock(&ports_lock);
	wf_list_remove(&v->node);
	pthread_mutex_unlock(&ports_lock);
	for (unsigned q = 0; q < GUEST_QUEUES; q++)
		drop_kick(&v->queue[q]);
	close_rxqs(v);
	free(v->path);
	free(v);
	free(p);
}

/* --- State ----------------------------------------------------------------------------------- */

static int
vhost_rx_fd(const struct port *p, unsigned rxq)
{
	return ((struct vhost_port *)p->impl)->rxq[rxq].epoll_fd;
}

static void
vhost_get_stats(struct port *p, struct port_stats *s)
{
	struct vhost_port *v = p->impl;

	memset(s, 0xff, sizeof *s);
	s->rx_packets = s->rx_bytes = s->rx_dropped = 0;
	s->tx_packets = s->tx_bytes = s->tx_dropped = 0;
	s->rx_errors = s->tx_errors = 0;
	for (unsigned i = 0; i < p->n_rxq; i++) {
		s->rx_packets += atomic_load(&v->rx_counts[i].packets);
		s->rx_bytes += atomic_load(&v->rx_counts[i].bytes);
		s->rx_errors += atomic_load(&v->rx_counts[i].dropped);
	}
	for (unsigned i = 0; i < N_TXQ; i++) {
		s->tx_packets += atomic_load(&v->tx_counts[i].packets);
		s->tx_bytes += atomic_load(&v->tx_counts[i].bytes);
		s->tx_dropped += atomic_load(&v->tx_counts[i].dropped);
	}
}

static void
vhost_get_status(struct port *p, struct port_status *s)
{
	struct vhost_port *v = p->impl;

	memset(s, 0, sizeof *s);
	s->admin_up = true;
	s->link_up = atomic_load(&v->vid) >= 0;
	s->has_carrier_info = true;
	s->mtu = v->mtu;
	memcpy(s->mac, v->mac, 6);
	s->link_resets = atomic_load(&v->link_resets);
}

static int
vhost_set_mtu(struct port *p, uint32_t mtu, struct wf_err *err)
{
	struct vhost_port *v = p->impl;

	if (mtu < 68 || mtu > 9702)
		return wf_err(err, -EINVAL, "%s: an MTU is from 68 to 9702, not %u", p->name, mtu);
	v->mtu = mtu;
	ports_changed(p->name);
	return 0;
}

static int
vhost_set_mac(struct port *p, const uint8_t mac[6], struct wf_err *err)
{
	memcpy(((struct vhost_port *)p->impl)->mac, mac, 6);
	return 0;
}

static void
put_fmt(void (*put)(void *, const char *, const char *), void *aux, const char *key,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
put_fmt(void (*put)(void *, const char *, const char *), void *aux, const char *key,
	const char *fmt, ...)
{
	char text[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	put(aux, key, text);
}

static void
vhost_put_status(struct port *p, void (*put)(void *aux, const char *, const char *), void *aux)
{
	struct vhost_port *v = p->impl;
	int vid = atomic_load(&v->vid);
	struct rte_vhost_vring ring;
	uint64_t features;
	uint16_t mtu, n;
	int numa;

	put(aux, "mode", v->client ? "client" : "server");
	put(aux, "status", vid < 0 ? "disconnected" : "connected");
	if (vid < 0)
		return;
	put(aux, "socket", v->path);
	if (!rte_vhost_get_negotiated_features(vid, &features))
		put_fmt(put, aux, "features", "0x%016" PRIx64, features);
	if (!rte_vhost_get_mtu(vid, &mtu))
		put_fmt(put, aux, "mtu", "%u", mtu);
	numa = rte_vhost_get_numa_node(vid);
	if (numa >= 0)
		put_fmt(put, aux, "numa", "%d", numa);
	n = rte_vhost_get_vring_num(vid);
	if (n)
		put_fmt(put, aux, "num_of_vrings", "%u", n);
	for (uint16_t i = 0; i < n; i++) {
		char key[32];

		if (rte_vhost_get_vhost_vring(vid, i, &ring))
			continue;
		snprintf(key, sizeof key, "vring_%u_size", i);
		put_fmt(put, aux, key, "%u", ring.size);
	}
}

#define VHOST_OPERATIONS                                                                       \
	.listed = dpdk_is_running, .set_options = vhost_set_options, .close = vhost_close,     \
	.rx = vhost_rx, .tx = vhost_tx, .rx_fd = vhost_rx_fd, .get_stats = vhost_get_stats,    \
	.get_status = vhost_get_status, .set_mtu = vhost_set_mtu, .set_mac = vhost_set_mac,    \
	.put_status = vhost_put_status

const struct port_class port_class_vhost_client = {
	.type = "dpdkvhostuserclient",
	.open = client_open,
	VHOST_OPERATIONS,
};
const struct port_class port_class_vhost_server = {
	.type = "dpdkvhostuser",
	.open = server_open,
	VHOST_OPERATIONS,
};
