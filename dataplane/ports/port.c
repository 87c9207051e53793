/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/ports/port.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/ports/classes.h"
#include "dataplane/ports/close_later.h"

static const struct port_class *const classes[] = {
	&port_class_afxdp,
	&port_class_dpdk,
	&port_class_dummy,
	&port_class_dummy_internal,
	&port_class_dummy_pmd,
	&port_class_internal,
	&port_class_system,
	&port_class_tap,
	&port_class_vhost_client,
	&port_class_vhost_server,
};

/* --enable-dummy=override makes every port a dummy, =system those of type system. */
static enum { REPLACE_NONE, REPLACE_SYSTEM, REPLACE_ALL } replace;

void
ports_replace_types(const char *level)
{
	replace = !level			? REPLACE_NONE
		  : !strcmp(level, "override") ? REPLACE_ALL
		  : !strcmp(level, "system")   ? REPLACE_SYSTEM
						: REPLACE_NONE;
}

const struct port_class *
port_class(const char *type)
{
	if (!*type)
		type = "system";
	if (replace == REPLACE_ALL && strncmp(type, "dummy", 5))
		type = strcmp(type, "internal") ? "dummy" : "dummy-internal";
	else if (replace == REPLACE_SYSTEM && !strcmp(type, "system"))
		type = "dummy";
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
		if (!strcmp(classes[i]->type, type))
			return classes[i];
	return NULL;
}

unsigned
port_class_types(const char *types[], unsigned room)
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof classes / sizeof classes[0] && n < room; i++) {
		bool (*listed)(void) = classes[i]->listed ? classes[i]->listed
							   : classes[i]->available;

		if (!listed || listed())
			types[n++] = classes[i]->type;
	}
	return n;
}

void
port_init(struct port *p, const struct port_class *class, const char *name)
{
	p->class = class;
	snprintf(p->name, sizeof p->name, "%s", name);
	p->n_rxq = p->n_txq = 1;
	p->slot = UINT32_MAX;
	pthread_spin_init(&p->tx_lock, PTHREAD_PROCESS_PRIVATE);
}

const char *
port_option(const struct port_options *o, const char *key)
{
	for (unsigned i = 0; o && i < o->n; i++)
		if (!strcmp(o->keys[i], key))
			return o->values[i];
	return NULL;
}

void
ports_exit(void)
{
	close_later_wait();
}
