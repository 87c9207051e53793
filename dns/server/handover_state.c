// SPDX-License-Identifier: Apache-2.0
/* What one daemon knows and the next one has to: JSON, so that versions that differ understand each other. */
#include "dns/server/handover.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "bpf/dns_hash.h"
#include "dns/answer/limit.h"
#include "dns/server/server.h"
#include "dns/server/tls.h"
#include "dns/server/xdp.h"
#include "policy/health.h"

#define STATE_MAX ((size_t)1 << 30)

static int
file_of(const void *data, size_t size)
{
	int fd = memfd_create("weft-dnsd", MFD_CLOEXEC), rc = fd < 0 ? -errno : wf_write_all(fd, data, size);

	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

int
dns_handover_file(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int fd = file_of(text, strlen(text));

	OPENSSL_cleanse(text, strlen(text));
	free(text);
	json_decref(j);
	return fd;
}

json_t *
dns_handover_read(int fd)
{
	struct stat st;
	json_t *j = NULL;
	void *p = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 0 && (size_t)st.st_size <= STATE_MAX)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		j = json_loadb(p, (size_t)st.st_size, 0, NULL);
		munmap(p, (size_t)st.st_size);
	}
	if (fd >= 0)
		close(fd);
	return j;
}

#define LIMITS_SIZE (DNS_X_BUCKETS * sizeof(uint64_t))

int
dns_handover_limits(void)
{
	uint64_t *words = wf_xmalloc(LIMITS_SIZE);
	int fd;

	dns_limiter_copy(dns_server.limiter, words);
	fd = file_of(words, LIMITS_SIZE);
	free(words);
	return fd;
}

bool
dns_handover_take_limits(int fd, uint64_t key)
{
	struct stat st;
	void *p = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && (size_t)st.st_size == LIMITS_SIZE)
		p = mmap(NULL, LIMITS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return false;
	dns_limiter_restore(dns_server.limiter, key, p);
	munmap(p, LIMITS_SIZE);
	return true;
}

json_t *
dns_handover_state(void)
{
	json_t *j = json_object(), *secrets = json_array();
	uint8_t tickets[DNS_TLS_TICKETS];

	for (int i = 0; i < 2; i++) {
		char *hex = OPENSSL_buf2hexstr(dns_server.cookie_secret[i], sizeof dns_server.cookie_secret[i]);

		json_array_append_new(secrets, json_string(hex));
		OPENSSL_free(hex);
	}
	json_object_set_new(j, "cookie-secret", secrets);
	json_object_set_new(j, "limit-key", json_integer((json_int_t)dns_limiter_key()));
	if (dns_server_tls() && dns_tls_tickets(dns_server_tls(), tickets)) {
		char *hex = OPENSSL_buf2hexstr(tickets, sizeof tickets);

		json_object_set_new(j, "tls-tickets", json_string(hex));
		OPENSSL_free(hex);
	}
	OPENSSL_cleanse(tickets, sizeof tickets);
	if (dns_server.health)
		json_object_set_new(j, "health", pol_health_state(dns_server.health));
	return j;
}

/* --- counters ------------------------------------------------------------------------------------ */

static struct dns_counters given;
static bool gave_drivers;

static void
put_counter(void *j, const char *name, uint64_t value, const char *help)
{
	json_object_set_new(j, name, json_integer((json_int_t)value));
}

static uint64_t
counter_of(void *j, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(j, name));
}

json_t *
dns_handover_counters(void)
{
	json_t *j = json_object();
	struct dns_counters sum;

	dns_server_counters(&sum);
#define C(NAME, HELP) json_object_set_new(j, #NAME, json_integer((json_int_t)(sum.NAME - given.NAME)));
#include "dns/answer/counters.def"
#undef C
	given = sum;
	/* The program on the devices is the next process's by now. */
	if (!gave_drivers)
		dns_xdp_counters(put_counter, j);
	gave_drivers = true;
	return j;
}

void
dns_handover_take_counters(json_t *j)
{
#define C(NAME, HELP) dns_server.before.NAME += counter_of(j, #NAME);
#include "dns/answer/counters.def"
#undef C
	dns_xdp_take_counters(counter_of, j);
}
