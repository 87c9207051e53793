/* SPDX-License-Identifier: Apache-2.0 */
/* The TLV table: which tunnel option is which tun_metadata field. */
#include "switchd/of_internal.h"

#include "openflow/msg_nx.h"
#include "switchd/state/state.h"
#include "switchd/switchd.h"

/* Rules that match on a field, or whose actions name it, keep its mapping. */
struct field_use {
	const struct of_tlv_map *map;
	uint64_t fields; /* being deleted */
	bool used;
};

static bool
names(const struct field_use *u, unsigned field)
{
	return field >= OF_F_TUN_METADATA0 && field < OF_F_TUN_METADATA0 + OF_TLV_N_FIELDS &&
	       u->fields >> (field - OF_F_TUN_METADATA0) & 1;
}

/* Do the actions write one of the fields? */
static bool
actions_write(const struct field_use *u, const struct rule_actions *actions)
{
	of_action_for_each(a, actions->data, actions->size)
	{
		switch (a->type) {
		case OF_A_SET_FIELD:
			if (names(u, ((const struct of_act_set_field *)a)->field))
				return true;
			break;
		case OF_A_REG_MOVE:
			if (names(u, ((const struct of_act_move *)a)->dst.field))
				return true;
			break;
		case OF_A_STACK_POP:
			if (names(u, ((const struct of_act_stack *)a)->sf.field))
				return true;
			break;
		case OF_A_DELETE_FIELD:
			if (names(u, a->u32))
				return true;
			break;
		case OF_A_LEARN:
			of_learn_for_each_spec(s, (const struct of_act_learn *)a)
				if (names(u, s->dst.field))
					return true;
			break;
		}
	}
	return false;
}

static bool
rule_uses(struct rule *r, void *u_)
{
	struct field_use *u = u_;
	static struct of_match_full full;

	of_match_unpack(r->match, &full);
	for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++) {
		const struct of_field *f = of_field((enum of_field_id)(OF_F_TUN_METADATA0 + i));

		if (u->fields >> i & 1 && !of_match_field_is_wild(&full, f))
			u->used = true;
	}
	if (r->actions->reads) {
		static struct of_match_full reads;

		of_match_unpack(r->actions->reads, &reads);
		for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++)
			if (u->fields >> i & 1 &&
			    !of_match_field_is_wild(&reads, of_field((enum of_field_id)(
								    OF_F_TUN_METADATA0 + i))))
				u->used = true;
	}
	u->used |= actions_write(u, r->actions);
	return !u->used;
}

static bool
are_used(struct of_switch *sw, uint64_t fields)
{
	struct field_use u = { &sw->tlv_map, fields, false };

	for (unsigned t = 0; t < N_TABLES && !u.used; t++)
		table_for_each(&sw->bridge->tables[t], NULL, view_next_version(), rule_uses, &u);
	return u.used;
}

static of_err_t
change(struct of_switch *sw, const struct of_tlv_mod *mod, struct of_tlv_map *next)
{
	uint64_t deleted = 0;
	of_err_t err;

	switch (mod->command) {
	case OF_TLV_ADD:
		for (size_t i = 0; i < mod->n; i++) {
			const struct of_tlv_mapping *m = &mod->maps[i];

			err = of_tlv_map_add(next, m->option_class, m->option_type, m->option_len,
					     m->index);
			if (err)
				return err;
		}
		return 0;
	case OF_TLV_DELETE:
		for (size_t i = 0; i < mod->n; i++) {
			if (mod->maps[i].index >= OF_TLV_N_FIELDS)
				return OF_ERR_NXTTMFC_BAD_FIELD_IDX;
			if (next->entry[mod->maps[i].index].valid)
				deleted |= 1ull << mod->maps[i].index;
			of_tlv_map_del(next, mod->maps[i].index);
		}
		break;
	case OF_TLV_CLEAR:
		for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++)
			if (next->entry[i].valid)
				deleted |= 1ull << i;
		of_tlv_map_init(next);
		break;
	default:
		return OF_ERR_NXTTMFC_BAD_COMMAND;
	}
	return deleted && are_used(sw, deleted) ? OF_ERR_NXTTMFC_INVALID_TLV_DEL : 0;
}

of_err_t
of_handle_tlv_mod(struct of_conn *c, const struct of_msg *m)
{
	static struct wf_buf store;
	struct of_tlv_map next = c->sw->tlv_map;
	struct of_tlv_mod mod;
	of_err_t err = of_tlv_mod_decode(m, &mod, &store);

	if (!err)
		err = change(c->sw, &mod, &next);
	if (err)
		return err;
	c->sw->tlv_map = next;
	sw_tunnels_use_options(&next);
	view_set_tlv_map(c->sw->bridge, &next);
	state_tlv_map(c->sw);
	return 0;
}

of_err_t
of_handle_tlv_request(struct of_conn *c, const struct of_msg *m)
{
	struct of_tlv_mapping maps[OF_TLV_N_FIELDS];
	struct of_tlv_reply reply = { OF_TLV_SPACE, OF_TLV_N_FIELDS, 0, maps };

	for (unsigned i = 0; i < OF_TLV_N_FIELDS; i++) {
		const struct of_tlv_entry *e = &c->sw->tlv_map.entry[i];

		if (e->valid)
			maps[reply.n++] = (struct of_tlv_mapping){ e->opt_class, e->type, e->len,
								   (uint16_t)i };
	}
	of_tlv_reply_encode(m, &reply, &c->out);
	of_conn_reply(c);
	return 0;
}
