/* SPDX-License-Identifier: Apache-2.0 */
/* Meters.  The numbers 0xfffffffd and 0xfffffffe are not for flows: they limit the packets that go
 * up to main and to controllers. */
#include "switchd/of_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/msg_meter.h"
#include "switchd/state/state.h"

/* So many, of whatever numbers. */
#define MAX_METERS (1u << 20)

struct of_meter_virtual {
	struct meter *slowpath, *controller;
};

static struct meter **
virtual_place(struct of_switch *sw, uint32_t id)
{
	if (id != OF_METER_SLOWPATH && id != OF_METER_CONTROLLER)
		return NULL;
	if (!sw->virtual_meters)
		sw->virtual_meters = wf_xzalloc(sizeof(*sw->virtual_meters));
	return id == OF_METER_SLOWPATH ? &sw->virtual_meters->slowpath
				       : &sw->virtual_meters->controller;
}

struct meter *
of_meter_virtual_find(struct of_switch *sw, uint32_t id)
{
	struct meter **place = sw->virtual_meters ? virtual_place(sw, id) : NULL;

	return place ? *place : NULL;
}

static struct meter *
meter_get(struct of_switch *sw, uint32_t id)
{
	struct meter **place = virtual_place(sw, id);

	return place ? *place : view_meter_pending(sw->bridge, id);
}

static void
meter_put(struct of_switch *sw, uint32_t id, struct meter *meter)
{
	struct meter **place = virtual_place(sw, id);

	if (!place) {
		view_meter_set(sw->bridge, id, meter);
		return;
	}
	meter_unref(*place);
	*place = meter;
}

static struct meter *
meter_new(const struct of_meter_config *cfg, const struct meter *old)
{
	struct meter *meter = wf_xzalloc(sizeof(*meter) + cfg->n_bands * sizeof(meter->bands[0]));

	meter->id = cfg->meter;
	meter->flags = cfg->flags;
	meter->n_bands = (uint32_t)cfg->n_bands;
	meter->created_ms = old ? old->created_ms : wf_now_ms();
	meter->n_flows = old ? old->n_flows : 0;
	atomic_init(&meter->refs, 1);
	for (size_t i = 0; i < cfg->n_bands; i++) {
		meter->bands[i].type = cfg->bands[i].type;
		meter->bands[i].prec_level = cfg->bands[i].prec_level;
		meter->bands[i].rate = cfg->bands[i].rate;
		meter->bands[i].burst = cfg->bands[i].burst_size;
	}
	return meter;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static bool
is_other(const struct of_action *a, void *id)
{
	return a->type != OF_A_METER || a->u32 != *(uint32_t *)id;
}

static bool
rule_names_meter(const struct rule *r, void *id)
{
	return !of_actions_visit(r->actions->data, r->actions->size, is_other, id);
}

static void
meter_delete(struct of_conn *c, uint32_t id, uint32_t xid)
{
	struct of_switch *sw = c->sw;
	struct meter *meter = meter_get(sw, id);

	if (!meter)
		return;
	if (!virtual_place(sw, id))
		of_flows_delete(sw, rule_names_meter, &id, OF_FRR_METER_DELETE, c, xid);
	meter_put(sw, id, NULL);
}

static of_err_t
check_config(const struct of_meter_config *cfg)
{
	if (!cfg->meter || (cfg->meter > OF_METER_MAX && cfg->meter != OF_METER_SLOWPATH &&
			    cfg->meter != OF_METER_CONTROLLER))
		return OF_ERR_OFPMMFC_INVALID_METER;
	for (size_t i = 0; i < cfg->n_bands; i++)
		if (cfg->bands[i].type != OF_MBT_DROP && cfg->bands[i].type != OF_MBT_DSCP_REMARK)
			return OF_ERR_OFPMMFC_BAD_BAND;
	return 0;
}

static of_err_t
meter_mod(struct of_conn *c, const struct of_meter_mod *mm, uint32_t xid)
{
	struct of_switch *sw = c->sw;
	struct meter *old;
	of_err_t err;

	if (mm->command == OF_MC_DELETE) {
		if (mm->config.meter != OF_METER_ALL) {
			if (mm->config.meter)
				meter_delete(c, mm->config.meter, xid);
			return 0;
		}
		uint32_t n, *ids = view_meter_ids(sw->bridge, &n);

		for (uint32_t i = 0; i < n; i++)
			meter_delete(c, ids[i], xid);
		free(ids);
		meter_delete(c, OF_METER_SLOWPATH, xid);
		meter_delete(c, OF_METER_CONTROLLER, xid);
		return 0;
	}
	err = check_config(&mm->config);
	if (err)
		return err;
	old = meter_get(sw, mm->config.meter);
	switch (mm->command) {
	case OF_MC_ADD:
		if (old)
			return OF_ERR_OFPMMFC_METER_EXISTS;
		if (view_bridge_pending(sw->bridge)->n_meters >= MAX_METERS)
			return OF_ERR_OFPMMFC_OUT_OF_METERS;
		break;
	case OF_MC_MODIFY:
		if (!old)
			return OF_ERR_OFPMMFC_UNKNOWN_METER;
		break;
	default:
		return OF_ERR_OFPMMFC_BAD_COMMAND;
	}
	meter_put(sw, mm->config.meter, meter_new(&mm->config, old));
	return 0;
}

of_err_t
of_handle_meter_mod(struct of_conn *c, const struct of_msg *m)
{
	static struct wf_buf bands;
	struct of_meter_mod mm;
	of_err_t err = of_meter_mod_decode(m, &mm, &bands);
	struct of_requestforward rf = { .xid = m->xid, .meter_mod = &mm };
	struct of_conn *other;

	if (!err)
		err = meter_mod(c, &mm, m->xid);
	if (err)
		return err;
	state_meter(c->sw, mm.config.meter);
	wf_list_for_each(other, node, &c->sw->conns)
		if (other != c && other->codec.version >= OF13_VERSION &&
		    of_conn_wants(other, OF_ASYNC_REQUESTFORWARD, 1) &&
		    of_requestforward_encode(&other->codec, &rf, &other->out))
			of_conn_async(other);
	return 0;
}

void
of_meters_flush(struct of_switch *sw)
{
	uint32_t n, *ids = view_meter_ids(sw->bridge, &n);

	for (uint32_t i = 0; i < n; i++)
		view_meter_set(sw->bridge, ids[i], NULL);
	free(ids);
	state_meter(sw, OF_METER_ALL);
	if (!sw->virtual_meters)
		return;
	meter_unref(sw->virtual_meters->slowpath);
	meter_unref(sw->virtual_meters->controller);
	free(sw->virtual_meters);
	sw->virtual_meters = NULL;
}

of_err_t
of_meter_restore(struct of_switch *sw, const struct of_meter_config *cfg, int64_t created_ms)
{
	of_err_t err = check_config(cfg);
	struct meter *meter;

	if (err)
		return err;
	meter = meter_new(cfg, NULL);
	meter->created_ms = created_ms;
	meter_put(sw, cfg->meter, meter);
	return 0;
}

/* --- Multipart -------------------------------------------------------------------------------- */

struct meter_dump {
	struct of_dump dump;
	uint32_t n, next, *ids;
};

static void
meter_dump_free(struct of_dump *dump)
{
	struct meter_dump *d = wf_container(dump, struct meter_dump, dump);

	free(d->ids);
	free(d);
}

static bool
stats_step(struct of_conn *c, struct of_dump *dump)
{
	struct meter_dump *d = wf_container(dump, struct meter_dump, dump);
	struct of_meter_band_stats *bands;
	struct meter *meter;

	if (d->next == d->n)
		return true;
	meter = meter_get(c->sw, d->ids[d->next++]);
	if (!meter)
		return false;
	bands = wf_xzalloc((meter->n_bands + 1) * sizeof(*bands));
	for (uint32_t i = 0; i < meter->n_bands; i++) {
		bands[i].n_packets = atomic_load(&meter->bands[i].packets);
		bands[i].n_bytes = atomic_load(&meter->bands[i].bytes);
	}
	struct of_meter_stats s = {
		.meter = meter->id, .n_flows = meter->n_flows,
		.packets_in = atomic_load(&meter->packets_in),
		.bytes_in = atomic_load(&meter->bytes_in),
		.n_bands = meter->n_bands, .bands = bands,
	};
	of_duration(meter->created_ms, &s.duration_s, &s.duration_ns);
	of_meter_stats_append(&dump->mp, &s);
	free(bands);
	return false;
}

static bool
config_step(struct of_conn *c, struct of_dump *dump)
{
	struct meter_dump *d = wf_container(dump, struct meter_dump, dump);
	struct of_meter_band *bands;
	struct meter *meter;

	if (d->next == d->n)
		return true;
	meter = meter_get(c->sw, d->ids[d->next++]);
	if (!meter)
		return false;
	bands = wf_xzalloc((meter->n_bands + 1) * sizeof(*bands));
	for (uint32_t i = 0; i < meter->n_bands; i++)
		bands[i] = (struct of_meter_band){
			.type = meter->bands[i].type, .prec_level = meter->bands[i].prec_level,
			.rate = meter->bands[i].rate, .burst_size = meter->bands[i].burst,
		};
	struct of_meter_config cfg = { meter->id, meter->flags, meter->n_bands, bands };
	of_meter_config_append(&dump->mp, &cfg);
	free(bands);
	return false;
}

static of_err_t
dump_meters(struct of_conn *c, const struct of_msg *m,
	    bool (*step)(struct of_conn *, struct of_dump *))
{
	uint32_t which, n, *ids;
	of_err_t err = of_meter_request_decode(m, &which);
	struct meter_dump *d;

	if (err)
		return err;
	if (which != OF_METER_ALL && !meter_get(c->sw, which))
		return OF_ERR_OFPMMFC_UNKNOWN_METER;
	d = wf_xzalloc(sizeof(*d));
	d->dump.step = step;
	d->dump.free = meter_dump_free;
	ids = view_meter_ids(c->sw->bridge, &n);
	d->ids = ids = wf_xrealloc(ids, (n + 2) * sizeof(*ids));
	if (which != OF_METER_ALL) {
		d->ids[d->n++] = which;
	} else {
		d->n = n;
		if (meter_get(c->sw, OF_METER_SLOWPATH))
			d->ids[d->n++] = OF_METER_SLOWPATH;
		if (meter_get(c->sw, OF_METER_CONTROLLER))
			d->ids[d->n++] = OF_METER_CONTROLLER;
	}
	of_multipart_begin(&d->dump.mp, &c->dump_out, m);
	of_conn_dump(c, &d->dump);
	return 0;
}

of_err_t
of_handle_meter_request(struct of_conn *c, const struct of_msg *m)
{
	return dump_meters(c, m, stats_step);
}

of_err_t
of_handle_meter_config(struct of_conn *c, const struct of_msg *m)
{
	return dump_meters(c, m, config_step);
}

of_err_t
of_handle_meter_features(struct of_conn *c, const struct of_msg *m)
{
	struct of_meter_features f = {
		.max_meters = MAX_METERS,
		.band_types = 1u << OF_MBT_DROP | 1u << OF_MBT_DSCP_REMARK,
		.capabilities = OF_MF_KBPS | OF_MF_PKTPS | OF_MF_BURST | OF_MF_STATS,
		.max_bands = 255,
	};

	of_meter_features_encode(m, &f, &c->out);
	of_conn_reply(c);
	return 0;
}
