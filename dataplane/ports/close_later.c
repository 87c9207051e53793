/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/close_later.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"

/* Sockets closed at once.  They wait, they do not compute: twice as many halve the time in which
 * 500 ports go (half a second). */
#define THREADS_MAX 16

struct closing {
	struct closing *next;
	int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
/* Under 'lock'. */
static struct closing *waiting;
static unsigned n_threads;

static void *
close_some(void *arg)
{
	struct closing *c;

	(void)arg;
	pthread_mutex_lock(&lock);
	while ((c = waiting) != NULL) {
		waiting = c->next;
		pthread_mutex_unlock(&lock);
		close(c->fd);
		free(c);
		pthread_mutex_lock(&lock);
	}
	n_threads--;
	if (!n_threads)
		pthread_cond_broadcast(&idle);
	pthread_mutex_unlock(&lock);
	return NULL;
}

void
close_later(int fd)
{
	struct closing *c = wf_xmalloc(sizeof *c);
	pthread_attr_t attr;
	pthread_t thread;
	bool start;

	c->fd = fd;
	pthread_mutex_lock(&lock);
	c->next = waiting;
	waiting = c;
	start = n_threads < THREADS_MAX;
	n_threads += start;
	pthread_mutex_unlock(&lock);
	if (!start)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* No thread to be had: then here. */
	if (pthread_create(&thread, &attr, close_some, NULL))
		close_some(NULL);
	pthread_attr_destroy(&attr);
}

void
close_later_wait(void)
{
	pthread_mutex_lock(&lock);
	while (n_threads)
		pthread_cond_wait(&idle, &lock);
	pthread_mutex_unlock(&lock);
}
