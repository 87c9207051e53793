// SPDX-License-Identifier: Apache-2.0
#include "glb/import.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "bpf/glb_abi.h"
#include "glb/address.h"
#include "glb/placement.h"

#define MAX_WORDS 64

struct real {
	struct in6_addr address;
	uint16_t port;
	uint8_t encap;
	uint32_t weight;
};

struct vip {
	struct in6_addr address;
	uint16_t port;
	bool udp;
	uint8_t encap; /* of real servers that do not say */
	struct real *reals;
	size_t n_reals;
};

struct import {
	const char *name;
	unsigned line;
	struct vip *vips;
	size_t n_vips;
	struct wf_str *notes;
	struct wf_err *err;
};

static void __attribute__((format(printf, 2, 3)))
note(struct import *in, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	wf_str_fmt(in->notes, "%s:%u: %s\n", in->name, in->line, text);
}

/* "A:P", "[A]:P", or A with 'port' as another word. */
static bool
endpoint(const char *text, const char *port, struct in6_addr *a, uint16_t *ret_port)
{
	char buf[INET6_ADDRSTRLEN + 16], *colon, *end;
	unsigned long n;

	if (!text || strlen(text) >= sizeof buf)
		return false;
	strcpy(buf, text);
	if (!port && !glb_address_parse(buf, a)) {
		colon = strrchr(buf, ':');
		if (!colon)
			return false;
		*colon = '\0';
		port = text + (colon - buf) + 1;
	}
	if (buf[0] == '[' && buf[strlen(buf) - 1] == ']') {
		buf[strlen(buf) - 1] = '\0';
		memmove(buf, buf + 1, strlen(buf));
	}
	n = port ? strtoul(port, &end, 10) : 0;
	if ((port && (!isdigit((unsigned char)*port) || *end)) || n > 65535)
		return false;
	*ret_port = (uint16_t)n;
	return glb_address_parse(buf, a);
}

static struct vip *
get_vip(struct import *in, const struct in6_addr *a, uint16_t port, bool udp, uint8_t encap)
{
	for (size_t i = 0; i < in->n_vips; i++)
		if (!memcmp(&in->vips[i].address, a, sizeof *a) && in->vips[i].port == port && in->vips[i].udp == udp)
			return &in->vips[i];
	in->vips = wf_xrealloc(in->vips, (in->n_vips + 1) * sizeof *in->vips);
	in->vips[in->n_vips] = (struct vip){ .address = *a, .port = port, .udp = udp, .encap = encap };
	return &in->vips[in->n_vips++];
}

static struct real *
add_real(struct vip *v, const struct in6_addr *a, uint16_t port, uint8_t encap)
{
	v->reals = wf_xrealloc(v->reals, (v->n_reals + 1) * sizeof *v->reals);
	v->reals[v->n_reals] = (struct real){ .address = *a, .port = port, .encap = encap, .weight = 1 };
	return &v->reals[v->n_reals++];
}

/* Words of a line, up to a comment; a brace is a word of its own. */
static unsigned
split(char *line, const char *comments, char *words[MAX_WORDS])
{
	unsigned n = 0;

	line[strcspn(line, comments)] = '\0';
	for (char *w = strtok(line, " \t\r\""); w && n < MAX_WORDS - 1; w = strtok(NULL, " \t\r\""))
		words[n++] = w;
	words[n] = NULL;
	return n;
}

/* --- ipvsadm -S and Katran's client --------------------------------------------------------------- */

static int
ipvs_line(struct import *in, char *words[], unsigned n, bool katran)
{
	const char *vip = NULL, *real = NULL, *weight = "1";
	bool add_service = false, add_server = false, udp = false, fwmark = false;
	uint8_t encap = katran ? GLB_ENCAP_IPIP : GLB_ENCAP_L2; /* ipvsadm's default is gatewaying */
	struct in6_addr a;
	uint16_t port;
	struct vip *v;

	for (unsigned i = 0; i < n; i++) {
		const char *w = words[i], *value = words[i + 1];

		if (!strcmp(w, "-A"))
			add_service = true;
		else if (!strcmp(w, "-a"))
			add_server = true;
		else if ((!strcmp(w, "-t") || !strcmp(w, "-u")) && value) {
			udp = w[1] == 'u';
			vip = words[++i];
		} else if (!strcmp(w, "-f") && !katran)
			fwmark = true;
		else if (!strcmp(w, "-r") && value)
			real = words[++i];
		else if (!strcmp(w, "-w") && value)
			weight = words[++i];
		else if (!strcmp(w, "-i") || !strcmp(w, "--ipip"))
			encap = GLB_ENCAP_IPIP;
		else if (!strcmp(w, "-m") || !strcmp(w, "--masquerading"))
			encap = GLB_ENCAP_NAT;
		else if (!strcmp(w, "-p") && !katran)
			note(in, "persistence is not taken over: a client's connections may go to different servers");
	}
	if (!add_service && !add_server)
		return 0;
	if (fwmark) {
		note(in, "a service by firewall mark is not taken over: weft-glb knows addresses, prefixes and ports");
		return 0;
	}
	if (!endpoint(vip, NULL, &a, &port))
		return wf_err(in->err, -EINVAL, "%s:%u: %s: is not ADDRESS:PORT", in->name, in->line, vip ? vip : "-t");
	v = get_vip(in, &a, port, udp, encap);
	if (!add_server)
		return 0;
	if (!endpoint(real, NULL, &a, &port))
		return wf_err(in->err, -EINVAL, "%s:%u: %s: is not ADDRESS or ADDRESS:PORT", in->name, in->line,
			      real ? real : "-r");
	add_real(v, &a, port, encap)->weight = (uint32_t)strtoul(weight, NULL, 10);
	return 0;
}

/* --- keepalived.conf -------------------------------------------------------------------------------- */

struct keepalived {
	struct vip *vip;
	size_t first, n_group; /* VIPs that the block stands for */
	struct real *real;
	unsigned depth;	       /* of blocks that are of no interest, within the one that is */
};

static int
keepalived_line(struct import *in, struct keepalived *k, char *words[], unsigned n)
{
	bool opens = n && !strcmp(words[n - 1], "{"), closes = n && !strcmp(words[0], "}");
	struct in6_addr a;
	uint16_t port;

	if (!n)
		return 0;
	if (k->depth) {
		k->depth += opens;
		k->depth -= closes;
		return 0;
	}
	if (closes) {
		if (k->real)
			k->real = NULL;
		else
			k->vip = NULL;
		return 0;
	}
	if (!k->vip) {
		if (strcmp(words[0], "virtual_server") || n < 3 || !strcmp(words[1], "group") || !strcmp(words[1], "fwmark")) {
			if (!strncmp(words[0], "virtual_server", 14))
				note(in, "%s %s is not taken over: write each address as a virtual_server", words[0],
				     n > 1 ? words[1] : "");
			k->depth = opens;
			return 0;
		}
		if (!endpoint(words[1], strcmp(words[2], "{") ? words[2] : "0", &a, &port))
			return wf_err(in->err, -EINVAL, "%s:%u: virtual_server %s %s: is ADDRESS PORT", in->name, in->line,
				      words[1], words[2]);
		k->vip = get_vip(in, &a, port, false, GLB_ENCAP_L2);
		return 0;
	}
	if (!strcmp(words[0], "real_server") && n >= 2 && !k->real) {
		if (!endpoint(words[1], n > 2 && strcmp(words[2], "{") ? words[2] : "0", &a, &port))
			return wf_err(in->err, -EINVAL, "%s:%u: real_server %s: is ADDRESS PORT", in->name, in->line, words[1]);
		k->real = add_real(k->vip, &a, port, k->vip->encap);
		if (!opens)
			k->real = NULL;
		return 0;
	}
	if (opens) {
		if (k->real)
			note(in, "%s is not taken over: give the pool a probe", words[0]);
		k->depth = 1;
		return 0;
	}
	if (k->real && !strcmp(words[0], "weight") && n > 1) {
		k->real->weight = (uint32_t)strtoul(words[1], NULL, 10);
	} else if (!k->real && !strcmp(words[0], "protocol") && n > 1) {
		k->vip->udp = !strcasecmp(words[1], "UDP");
		if (!k->vip->udp && strcasecmp(words[1], "TCP"))
			note(in, "protocol %s is taken as TCP", words[1]);
	} else if (!k->real && (!strcmp(words[0], "lb_kind") || !strcmp(words[0], "lvs_method")) && n > 1) {
		k->vip->encap = !strcasecmp(words[1], "TUN") ? GLB_ENCAP_IPIP :
				!strcasecmp(words[1], "NAT") ? GLB_ENCAP_NAT : GLB_ENCAP_L2;
		for (size_t i = 0; i < k->vip->n_reals; i++)
			k->vip->reals[i].encap = k->vip->encap;
	} else if (!strcmp(words[0], "persistence_timeout") || !strcmp(words[0], "sorry_server")) {
		note(in, "%s is not taken over", words[0]);
	}
	return 0;
}

/* --- out ------------------------------------------------------------------------------------------------ */

static const char *
pool_name(const struct vip *v, char *buf, size_t size)
{
	char address[INET6_ADDRSTRLEN];

	glb_address_text(&v->address, address);
	snprintf(buf, size, "%s-%s-%u", address, v->udp ? "udp" : "tcp", v->port);
	for (char *c = buf; *c; c++)
		if (*c == ':')
			*c = '_';
	return buf;
}

/* One server of several kinds, or of several ports behind NAT, is several nodes. */
static const char *
server_name(const struct vip *v, const struct real *r, char *buf, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	bool port = r->encap == GLB_ENCAP_NAT && r->port && r->port != v->port;

	glb_address_text(&r->address, address);
	if (port)
		snprintf(buf, size, "%s-%s-%u", address, plc_encap_name(r->encap), r->port);
	else
		snprintf(buf, size, "%s-%s", address, plc_encap_name(r->encap));
	for (char *c = buf; *c; c++)
		if (*c == ':')
			*c = '_';
	return buf;
}

static bool
seen(const struct import *in, size_t vip, size_t real, const char *name)
{
	char other[128];

	for (size_t i = 0; i <= vip; i++)
		for (size_t k = 0; k < (i == vip ? real : in->vips[i].n_reals); k++)
			if (!strcmp(name, server_name(&in->vips[i], &in->vips[i].reals[k], other, sizeof other)))
				return true;
	return false;
}

static void
put_out(struct import *in, struct wf_str *wanted, struct wf_str *config)
{
	char address[INET6_ADDRSTRLEN], name[128];
	bool any = false;

	wf_str_put(wanted, "{ \"sites\": { \"dc1\": \"192.0.2.1\" },\n  \"servers\": {");
	for (size_t i = 0; i < in->n_vips; i++)
		for (size_t k = 0; k < in->vips[i].n_reals; k++) {
			const struct real *r = &in->vips[i].reals[k];

			server_name(&in->vips[i], r, name, sizeof name);
			if (seen(in, i, k, name))
				continue;
			wf_str_fmt(wanted, "%s\n    \"%s\": { \"address\": \"%s\", \"encapsulation\": \"%s\"", any ? "," : "", name,
				   glb_address_text(&r->address, address), plc_encap_name(r->encap));
			if (r->encap == GLB_ENCAP_NAT && r->port && r->port != in->vips[i].port)
				wf_str_fmt(wanted, ", \"port\": %u", r->port);
			wf_str_put(wanted, " }");
			any = true;
		}
	wf_str_put(wanted, " },\n  \"pools\": {");
	wf_str_put(config, "{ \"weft-glb:glb\": {\n  \"placement\": \"/etc/weft/placement.json\",\n  \"address\": [\"192.0.2.1\"],\n"
			   "  \"interface\": [{ \"name\": \"eth0\" }],\n  \"edge\": {}, \"local\": { \"site\": \"dc1\" },\n  \"vip\": [");
	for (size_t i = 0; i < in->n_vips; i++) {
		const struct vip *v = &in->vips[i];

		pool_name(v, name, sizeof name);
		wf_str_fmt(wanted, "%s\n    \"%s\": { \"dc1\": { \"weight\": 100, \"servers\": {", i ? "," : "", name);
		wf_str_fmt(config, "%s\n    { \"address\": \"%s\", \"protocol\": \"%s\", \"port\": %u, \"pool\": \"%s\" }", i ? "," : "",
			   glb_address_text(&v->address, address), v->udp ? "udp" : "tcp", v->port, name);
		for (size_t k = 0; k < v->n_reals; k++)
			wf_str_fmt(wanted, "%s \"%s\": %u", k ? "," : "", server_name(v, &v->reals[k], name, sizeof name),
				   v->reals[k].weight);
		wf_str_put(wanted, " } } }");
	}
	wf_str_put(wanted, " } }\n");
	wf_str_put(config, " ] } }\n");
}

int
glb_import(enum glb_import_kind kind, const char *name, const char *text, struct wf_str *wanted,
	   struct wf_str *config, struct wf_str *notes, struct wf_err *err)
{
	struct import in = { .name = name, .notes = notes, .err = err };
	struct keepalived k = { 0 };
	char *copy = wf_xstrdup(text), *words[MAX_WORDS], *line = copy, *next;
	int rc = 0;

	for (; line && !rc; line = next) {
		unsigned n;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		in.line++;
		n = split(line, kind == GLB_IMPORT_KEEPALIVED ? "#!" : "#", words);
		rc = kind == GLB_IMPORT_KEEPALIVED ? keepalived_line(&in, &k, words, n) :
						     ipvs_line(&in, words, n, kind == GLB_IMPORT_KATRAN);
	}
	for (size_t i = 0; i < in.n_vips && !rc; i++)
		for (size_t r = 0; r < in.vips[i].n_reals; r++) {
			const struct real *real = &in.vips[i].reals[r];

			if (real->encap != GLB_ENCAP_NAT && real->port && real->port != in.vips[i].port)
				note(&in, "port %u of a real server that takes whole packets is the VIP's, %u", real->port,
				     in.vips[i].port);
			if (real->weight > 1000000)
				rc = wf_err(err, -EINVAL, "%s: weight %u: is 0 to 1000000", name, real->weight);
		}
	if (!rc && !in.n_vips)
		rc = wf_err(err, -EINVAL, "%s: there is no virtual server in it", name);
	if (!rc)
		put_out(&in, wanted, config);
	for (size_t i = 0; i < in.n_vips; i++)
		free(in.vips[i].reals);
	free(in.vips);
	free(copy);
	return rc;
}

int
glb_import_main(int argc, char *argv[])
{
	static const char *const kinds[] = { "katran", "ipvs", "keepalived" };
	struct wf_str text = WF_STR_INIT, wanted = WF_STR_INIT, config = WF_STR_INIT, notes = WF_STR_INIT;
	char *wanted_path = NULL, *config_path = NULL;
	struct wf_err err = { "" };
	unsigned kind = 0;
	int rc = -EINVAL;

	while (argc == 4 && kind < 3 && strcmp(argv[1], kinds[kind]))
		kind++;
	if (argc != 4 || kind == 3) {
		fputs("usage: import katran|ipvs|keepalived FILE FOLDER\n"
		      "Writes FOLDER/wanted.json and FOLDER/glb.json from another balancer's configuration.\n", stderr);
		return 2;
	}
	if (!wf_file_read_text(argv[2], 64 << 20, &text, &err))
		rc = glb_import((enum glb_import_kind)kind, argv[2], wf_str_cstr(&text), &wanted, &config, &notes, &err);
	if (!rc && mkdir(argv[3], 0755) && errno != EEXIST)
		rc = wf_err(&err, -errno, "%s: %s", argv[3], strerror(errno));
	wanted_path = wf_xasprintf("%s/wanted.json", argv[3]);
	config_path = wf_xasprintf("%s/glb.json", argv[3]);
	rc = rc ? rc : wf_file_replace(wanted_path, wanted.s, wanted.len, &err);
	rc = rc ? rc : wf_file_replace(config_path, config.s, config.len, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("%s%s and %s are written; site dc1, its address 192.0.2.1 and the device eth0 in them are for you to set\n",
		       wf_str_cstr(&notes), wanted_path, config_path);
	free(wanted_path);
	free(config_path);
	wf_str_done(&text);
	wf_str_done(&wanted);
	wf_str_done(&config);
	wf_str_done(&notes);
	return rc ? 1 : 0;
}
