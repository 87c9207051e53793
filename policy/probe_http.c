// SPDX-License-Identifier: Apache-2.0
/* Judging answers of HTTP/1.1 (RFC 9112), and payloads of UDP. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/probe.h"

/* The value of a header field; NULL if it is not there.  'head' is NUL-terminated. */
static const char *
field(const char *head, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (!strncasecmp(line + 2, name, n) && line[2 + n] == ':')
			return line + 2 + n + 1 + strspn(line + 2 + n + 1, " \t");
	return NULL;
}

/* Takes the chunk framing out of 'body', in place, as far as it has come.  Returns true at the last
 * chunk.  A frame that makes no sense ends the text. */
static bool
unchunk(uint8_t *body, size_t *size)
{
	size_t in = 0, out = 0, n = *size;
	bool last = false;

	while (in < n) {
		size_t chunk = 0, digits = 0;

		while (in < n && isxdigit(body[in]) && digits < 8) {
			unsigned c = body[in++];

			chunk = chunk * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
			digits++;
		}
		const uint8_t *eol = in < n ? memchr(body + in, '\n', n - in) : NULL;

		if (!digits || !eol)
			break;
		in = eol - body + 1;
		if (!chunk) {
			last = true;
			break;
		}
		size_t have = n - in < chunk ? n - in : chunk;

		memmove(body + out, body + in, have);
		out += have;
		in += have + 2; /* CRLF behind the data */
	}
	*size = out;
	return last;
}

int
pol_http_judge(const struct pol_probe_conf *conf, const uint8_t *data, size_t n, bool eof,
	       char *text, size_t size)
{
	const uint8_t *end = n ? memmem(data, n, "\r\n\r\n", 4) : NULL;
	unsigned status, minor;

	if (!end && !eof)
		return -EAGAIN;
	if (!n) {
		snprintf(text, size, "closed without an answer");
		return 0;
	}
	size_t head_size = end ? (size_t)(end - data) : n;
	char *head = wf_xmalloc(head_size + 1);

	memcpy(head, data, head_size);
	head[head_size] = '\0';
	if (sscanf(head, "HTTP/1.%1u %3u", &minor, &status) != 2) {
		snprintf(text, size, "not an answer of HTTP/1.1");
		free(head);
		return 0;
	}
	snprintf(text, size, "status %u", status);
	if (status < conf->status_min || status > conf->status_max || !conf->expect || !end) {
		free(head);
		if (conf->expect && status >= conf->status_min && status <= conf->status_max) {
			snprintf(text, size, "status %u without what is expected", status);
			return 0;
		}
		return status >= conf->status_min && status <= conf->status_max;
	}

	size_t body_size = data + n - (end + 4);
	uint8_t *body = wf_xmemdup(end + 4, body_size);
	const char *encoding = field(head, "Transfer-Encoding"),
		   *length = field(head, "Content-Length");
	bool complete = eof;

	if (encoding && !strncasecmp(encoding, "chunked", 7))
		complete |= unchunk(body, &body_size);
	else if (length && isdigit((unsigned char)length[0]))
		complete |= body_size >= strtoull(length, NULL, 10);
	bool found = body_size && memmem(body, body_size, conf->expect, strlen(conf->expect));

	free(body);
	free(head);
	if (found)
		return 1;
	if (!complete)
		return -EAGAIN;
	snprintf(text, size, "status %u without what is expected", status);
	return 0;
}

double
pol_http_load(const struct pol_probe_conf *conf, const uint8_t *data, size_t n)
{
	const uint8_t *end = conf->load_header && n ? memmem(data, n, "\r\n\r\n", 4) : NULL;
	double load = -1;

	if (end) {
		size_t size = (size_t)(end - data);
		char *head = wf_xmalloc(size + 1);

		memcpy(head, data, size);
		head[size] = '\0';
		const char *value = field(head, conf->load_header);

		load = value ? pol_load_parse(value, strcspn(value, "\r\n")) : -1;
		free(head);
	}
	return load;
}

int
pol_payload_parse(const char *text, uint8_t **bytes, size_t *size, struct wf_err *err)
{
	uint8_t *out = wf_xmalloc(strlen(text) + 1);
	size_t n = 0;

	for (const char *p = text; *p;) {
		unsigned value;

		if (*p != '\\') {
			out[n++] = *p++;
		} else if (p[1] == '\\') {
			out[n++] = '\\';
			p += 2;
		} else if (p[1] == 'x' && isxdigit((unsigned char)p[2]) &&
			   isxdigit((unsigned char)p[3])) {
			sscanf(p + 2, "%2x", &value);
			out[n++] = value;
			p += 4;
		} else {
			free(out);
			return wf_err(err, -EINVAL,
				      "\"%.60s\": behind a backslash comes xHH (two hexadecimal "
				      "digits) or "
				      "another backslash",
				      text);
		}
	}
	*bytes = out;
	*size = n;
	return 0;
}
