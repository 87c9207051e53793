// SPDX-License-Identifier: Apache-2.0
/* Signs the sets of zones that are signed here before they are asked for, and anew before their
 * signatures end, in a thread of the lowest priority.
 *
 * It is an RCU reader: the view of a turn stays until the turn ends; after each turn of a few
 * signatures it looks whether there is a new one. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rcu.h"
#include "dns/server/server.h"
#include "dns/zone/dnssec.h"

/* Signatures in one turn: a few milliseconds, which bound the grace period. */
#define TURN 64
/* A look at all zones for signatures that are to be renewed. */
#define SWEEP_S 60

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool is_running, stop;
	unsigned generation; /* of the view */
} presign = { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER };

static unsigned
generation(bool *stop)
{
	unsigned g;

	pthread_mutex_lock(&presign.lock);
	g = presign.generation;
	*stop = presign.stop;
	pthread_mutex_unlock(&presign.lock);
	return g;
}

/* All zones of the view; false: there is a new one, or the end. */
static bool
sweep(unsigned begun)
{
	size_t zone = 0, slot = 0;
	bool stop, more = true;

	while (more) {
		const struct dns_view *v;

		wf_rcu_online();
		/* The view is the one that the sweep began with, as nobody has published since. */
		if (generation(&stop) != begun || stop) {
			wf_rcu_offline();
			return false;
		}
		v = dns_server_view();
		for (more = false; v && zone <= v->mask; zone++, slot = 0) {
			const struct dns_zone *z = v->slots[zone];

			if (!z || !z->dnssec || !z->dnssec->keys)
				continue;
			if (dns_zone_presign(z, &slot, TURN, wf_wall_ms() / 1000)) {
				more = true;
				break;
			}
		}
		wf_rcu_offline();
	}
	return true;
}

static void *
run(void *arg)
{
	bool stop = false, done = false;
	unsigned begun = 0;

	pthread_setname_np(pthread_self(), "dnssign");
	wf_log_thread_name("dnssign");
	setpriority(PRIO_PROCESS, syscall(SYS_gettid), 19);
	wf_rcu_register("dnssign");
	wf_rcu_offline();
	for (;;) {
		unsigned now = generation(&stop);

		if (stop)
			break;
		if (now != begun || !done) {
			begun = now;
			done = sweep(begun);
			continue;
		}
		pthread_mutex_lock(&presign.lock);
		if (presign.generation == begun && !presign.stop) {
			struct timespec until;

			clock_gettime(CLOCK_REALTIME, &until);
			until.tv_sec += SWEEP_S;
			if (pthread_cond_timedwait(&presign.wake, &presign.lock, &until))
				done = false;
		}
		pthread_mutex_unlock(&presign.lock);
	}
	wf_rcu_unregister();
	dns_dnssec_thread_done();
	return NULL;
}

void
dns_presign_start(void)
{
	presign.stop = false;
	presign.is_running = !pthread_create(&presign.thread, NULL, run, NULL);
}

void
dns_presign_wake(void)
{
	pthread_mutex_lock(&presign.lock);
	presign.generation++;
	pthread_cond_signal(&presign.wake);
	pthread_mutex_unlock(&presign.lock);
}

void
dns_presign_stop(void)
{
	if (!presign.is_running)
		return;
	pthread_mutex_lock(&presign.lock);
	presign.stop = true;
	pthread_cond_signal(&presign.wake);
	pthread_mutex_unlock(&presign.lock);
	pthread_join(presign.thread, NULL);
	presign.is_running = false;
}
