// SPDX-License-Identifier: Apache-2.0
/* What members say of themselves in answers to probes: the line of an agent, a load in a header. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/probe.h"

#define MAX_LINE 1024

/* A decimal number without sign or exponent; negative: none. */
static double
number(const char *text)
{
	size_t n = strspn(text, "0123456789.");
	char *end;
	double value = n && n < 16 && !text[n] ? strtod(text, &end) : -1;

	return value >= 0 && !*end ? value : -1;
}

double
pol_load_parse(const char *value, size_t n)
{
	char text[32];

	while (n && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (n >= sizeof text)
		return -1;
	memcpy(text, value, n);
	text[n] = '\0';
	return number(text);
}

/* One word; false: it says that the member is not to serve, or is none of ours. */
static bool
take_word(const char *word, struct pol_told *told, bool *ret_known)
{
	size_t n = strlen(word);
	char percent[8];
	double value;

	*ret_known = true;
	if (!strcmp(word, "down") || !strcmp(word, "fail") || !strcmp(word, "failed") || !strcmp(word, "stopped") ||
	    !strcmp(word, "maint"))
		return false;
	if (!strcmp(word, "up") || !strcmp(word, "ready") || !strncmp(word, "maxconn:", 8))
		return true;
	if (!strcmp(word, "drain")) {
		told->drain = true;
		return true;
	}
	if (!strncmp(word, "load:", 5) && (value = number(word + 5)) >= 0) {
		told->load = value;
		return true;
	}
	if (n > 1 && n < sizeof percent && word[n - 1] == '%') {
		memcpy(percent, word, n - 1);
		percent[n - 1] = '\0';
		value = number(percent);
		if (value >= 0) {
			told->percent = value < 100 ? (int)ceil(value) : 100;
			return true;
		}
	}
	*ret_known = false;
	return false;
}

int
pol_agent_judge(const uint8_t *data, size_t n, bool eof, struct pol_told *told, char *text, size_t size)
{
	char line[MAX_LINE + 1], *save, *about;
	size_t len = 0;
	bool known;

	while (len < n && len < MAX_LINE && data[len] != '\n' && data[len] != '\r' && data[len])
		len++;
	if (len == n && !eof)
		return -EAGAIN;
	if (len == MAX_LINE) {
		snprintf(text, size, "an agent's line of more than %d bytes", MAX_LINE - 1);
		return 0;
	}
	memcpy(line, data ? (const char *)data : "", len);
	line[len] = '\0';
	snprintf(text, size, "agent: %.80s", line);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	/* Behind # come words for people. */
	about = strchr(line, '#');
	if (about)
		*about = '\0';
	*told = POL_TOLD_NOTHING;
	char *word = strtok_r(line, " \t,", &save);

	if (!word) {
		snprintf(text, size, n ? "an agent's line without a word" : "closed without an answer");
		return 0;
	}
	for (; word; word = strtok_r(NULL, " \t,", &save)) {
		if (take_word(word, told, &known))
			continue;
		if (!known)
			snprintf(text, size, "not a word of agents: %.40s", word);
		for (char *p = text; *p; p++)
			if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
				*p = '?';
		return 0;
	}
	return 1;
}
