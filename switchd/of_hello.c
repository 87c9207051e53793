/* SPDX-License-Identifier: Apache-2.0 */
/* Hello: each side says its versions first of all, and the highest that both have is spoken
 * (OpenFlow 1.3 section 6.3.1). */
#include "switchd/of_internal.h"

#include <stdlib.h>

#include "base/log.h"

WF_LOG_MODULE(vconn); /* the module that tells of versions in Open vSwitch */

static void
log_message(const struct of_conn *c, const char *what, const uint8_t *data, size_t size)
{
	char *text = of_debug_text(c, data, size);

	wf_dbg("%s: %s: %s", c->peer, what, text);
	free(text);
}

void
of_log_received(const struct of_conn *c, const uint8_t *data, size_t size)
{
	if (wf_log_enabled(WF_DBG))
		log_message(c, "received", data, size);
}

void
of_log_sent(const struct of_conn *c, const uint8_t *data, size_t size)
{
	/* Several messages may leave at once. */
	while (wf_log_enabled(WF_DBG) && size >= OF_HEADER_SIZE) {
		size_t n = of_frame_size(data);

		if (!n || n > size)
			return;
		log_message(c, "sent (Success)", data, n);
		data += n;
		size -= n;
	}
}

static void
log_negotiated(const struct of_conn *c, uint32_t theirs)
{
	struct wf_str ours_text = WF_STR_INIT, theirs_text = WF_STR_INIT;

	of_version_bitmap_format(c->allowed, &ours_text);
	of_version_bitmap_format(theirs, &theirs_text);
	wf_dbg("%s: negotiated OpenFlow version 0x%02x (we support %s, peer supports %s)", c->peer,
	       c->codec.version, wf_str_cstr(&ours_text), wf_str_cstr(&theirs_text));
	wf_str_done(&ours_text);
	wf_str_done(&theirs_text);
}

void
of_hello_send(struct of_conn *c)
{
	of_hello_encode(c->allowed, 1, &c->out);
	of_conn_flush(c);
}

size_t
of_hello_input(struct of_conn *c, const uint8_t *data, size_t size)
{
	size_t n = of_frame_size(data);
	uint32_t theirs;

	if (!n) {
		wf_warn_rl("%s: received too-short ofp_header (%u bytes)", c->name,
			   data[2] << 8 | data[3]);
		return SIZE_MAX;
	}
	if (size < n)
		return 0;
	if (data[1] != 0) {
		wf_warn_rl("%s: received message type %u while expecting hello", c->name, data[1]);
		return SIZE_MAX;
	}
	if (!of_hello_decode(data, n, &theirs))
		wf_info_rl("%s: extra data in the peer's hello", c->name);
	c->codec.version = of_hello_negotiate(c->allowed, theirs);
	of_log_received(c, data, n);
	if (c->codec.version) {
		if (wf_log_enabled(WF_DBG))
			log_negotiated(c, theirs);
		return n;
	}

	struct wf_str text = WF_STR_INIT;
	of_hello_format_failure(c->allowed, theirs, &text);
	wf_warn_rl("%s: %s", c->name, wf_str_cstr(&text));
	wf_str_done(&text);
	of_hello_failed_encode(c->allowed, theirs, &c->out);
	of_conn_flush(c);
	return SIZE_MAX;
}
