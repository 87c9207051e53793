// SPDX-License-Identifier: Apache-2.0
#include "base/log_internal.h"

#include <ctype.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/daemon.h"

#define DEFAULT_TIME "%Y-%m-%d %H:%M:%S.###"

static int64_t start_ms;

__attribute__((constructor)) static void
note_start(void)
{
	start_ms = wf_now_ms();
}

/* Puts the digits of the fraction of the second over runs of '#': one to three digits,
 * more are zeros. */
static void
fill_fraction(char *s, unsigned ms)
{
	unsigned digits[3] = { ms / 100, ms / 10 % 10, ms % 10 };
	unsigned i = 0;

	for (; *s; s++) {
		if (*s != '#') {
			i = 0;
			continue;
		}
		*s = '0' + (i < 3 ? digits[i] : 0);
		i++;
	}
}

void
wf_log_format_time(struct wf_str *s, const char *format, int64_t wall_ms, bool utc)
{
	time_t sec = wall_ms / 1000;
	char text[256];
	struct tm tm;

	if (utc)
		gmtime_r(&sec, &tm);
	else
		localtime_r(&sec, &tm);
	if (!strftime(text, sizeof(text), format, &tm))
		return;
	fill_fraction(text, wall_ms % 1000);
	wf_str_put(s, text);
}

/* Reads "{ARG}" at 'p' into 'arg', or sets it to 'def'.  Returns what follows. */
static const char *
braces(const char *p, const char *def, char *arg, size_t size)
{
	size_t n = strlen(def);

	if (*p == '{') {
		n = strcspn(++p, "}");
		def = p;
		p += n;
		if (*p == '}')
			p++;
	}
	n = n < size - 1 ? n : size - 1;
	memcpy(arg, def, n);
	arg[n] = '\0';
	return p;
}

static void
put_hostname(struct wf_str *s)
{
	char name[256];

	if (!gethostname(name, sizeof(name))) {
		name[sizeof(name) - 1] = '\0';
		wf_str_put(s, name);
	}
}

/* Appends the conversion 'c', whose arguments start at 'p'.  Returns what follows. */
static const char *
put_conversion(struct wf_str *s, char c, const char *p, const struct wf_log_msg *msg)
{
	char arg[128];

	switch (c) {
	case 'A':
		wf_str_put(s, wf_program_name);
		break;
	case 'B': {
		int facility = wf_syslog_facility();

		wf_str_fmt(s, "%d",
			   (facility ? facility : LOG_LOCAL0) + wf_syslog_severity(msg->level));
		break;
	}
	case 'c':
		p = braces(p, "", arg, sizeof(arg));
		wf_str_put(s, msg->module->name);
		break;
	case 'd':
	case 'D':
		p = braces(p, DEFAULT_TIME, arg, sizeof(arg));
		wf_log_format_time(s, arg, msg->wall_ms, c == 'D');
		break;
	case 'E':
		put_hostname(s);
		break;
	case 'm':
		wf_str_put(s, msg->text);
		break;
	case 'N':
		wf_str_fmt(s, "%u", msg->seq);
		break;
	case 'n':
		wf_str_putc(s, '\n');
		break;
	case 'p':
		wf_str_put(s, wf_log_level_names[msg->level + 1]);
		break;
	case 'P':
		wf_str_fmt(s, "%ld", (long)getpid());
		break;
	case 'r':
		wf_str_fmt(s, "%lld", (long long)(wf_now_ms() - start_ms));
		break;
	case 't':
		wf_str_put(s, msg->thread[0] ? msg->thread : "main");
		break;
	case 'T':
		if (msg->thread[0])
			wf_str_fmt(s, "(%s)", msg->thread);
		break;
	default: /* "%%", and what nobody defined, stand for themselves */
		wf_str_putc(s, c);
		break;
	}
	return p;
}

/* Widens what was written since 'start' to 'width'. */
static void
pad(struct wf_str *s, size_t start, size_t width, char fill, bool left)
{
	size_t used = s->len - start;

	if (used >= width)
		return;

	size_t extra = width - used;
	for (size_t i = 0; i < extra; i++)
		wf_str_putc(s, fill);
	if (!left) {
		memmove(s->s + start + extra, s->s + start, used);
		memset(s->s + start, fill, extra);
	}
}

void
wf_log_format(struct wf_str *s, const char *p, const struct wf_log_msg *msg)
{
	while (*p) {
		size_t plain = strcspn(p, "%");
		size_t width = 0;
		char fill = ' ';
		bool left = false;

		wf_str_putn(s, p, plain);
		p += plain;
		if (!*p++)
			break;
		if (*p == '-') {
			left = true;
			p++;
		}
		if (*p == '0') {
			fill = '0';
			p++;
		}
		for (; isdigit((unsigned char)*p); p++)
			width = width < 1000 ? width * 10 + (*p - '0') : width;
		if (!*p)
			break;

		size_t start = s->len;
		char c = *p++;
		p = put_conversion(s, c, p, msg);
		pad(s, start, width, fill, left);
	}
}
