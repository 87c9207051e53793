/* SPDX-License-Identifier: Apache-2.0 */
/* UDP payloads to port 3784, ending at an unmapped page: several in one input, each with a length byte, go
 * to one session; what it sends must always pass its own checks. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "protocols/bfd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP_SIZE (64 * 1024)

static uint64_t
no_packets(void *aux)
{
	return 0;
}

static void
check_sent(struct bfd *b, int64_t now)
{
	uint8_t bytes[BFD_PDU_SIZE];
	struct bfd_pdu p;

	if (!bfd_send(b, bytes, now))
		return;
	if (!bfd_pdu_parse(bytes, sizeof bytes, &p) || p.my_disc != 0x01020304 ||
	    (p.flags & BFD_POLL && p.flags & BFD_FINAL) || p.version != 1 || !p.mult)
		abort();
	/* A session that is up knows its partner's discriminator. */
	if (p.state == BFD_UP && !p.your_disc)
		abort();
	if (bfd_send(b, bytes, now) && !(p.flags & BFD_POLL) && bfd_due(b) <= now)
		abort(); /* it would send without end */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bfd_settings s = { .mult = 3, .min_tx_ms = 100, .min_rx_ms = 100,
				  .decay_min_rx_ms = 1000, .forwarding_if_rx = true };
	struct wf_str text = WF_STR_INIT;
	static uint8_t *end;
	int64_t now = 1;
	struct bfd *b;

	if (!end) {
		uint8_t *map = mmap(NULL, MAP_SIZE + 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED || munmap(map + MAP_SIZE, 4096))
			abort();
		end = map + MAP_SIZE;
		wf_log_set_all(WF_LOG_CONSOLE, WF_EMER);
	}
	b = bfd_new("f", 0x01020304, 1, no_packets, NULL);
	bfd_configure(b, &s, now);
	while (size) {
		size_t n = *data++;
		uint8_t *bytes;

		size--;
		if (n > size)
			n = size;
		bytes = end - n;
		memcpy(bytes, data, n);
		data += n;
		size -= n;
		bfd_receive(b, bytes, n, 255, now);
		bfd_run(b, now);
		check_sent(b, now);
		now += 50;
	}
	for (int k = 0; k < 20; k++, now += 700) {
		bfd_run(b, now);
		check_sent(b, now);
	}
	bfd_show(b, now, &text);
	wf_str_done(&text);
	bfd_free(b);
	return 0;
}
