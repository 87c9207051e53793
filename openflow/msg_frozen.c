/* SPDX-License-Identifier: Apache-2.0 */
#include "openflow/msg_frozen.h"

#include "openflow/action.h"
#include "openflow/msg_wire.h"

enum {
	PROP_BRIDGE = 0x8000, PROP_STACK, PROP_MIRRORS, PROP_CONNTRACKED, PROP_TABLE_ID,
	PROP_COOKIE, PROP_ACTIONS, PROP_ACTION_SET, PROP_ODP_PORT
};

#define STACK_VALUE_MAX 128

static void
put_actions(uint16_t type, const void *actions, size_t size, uint8_t version, struct wf_buf *out)
{
	if (size) {
		size_t prop = of_prop_begin(out, type);

		wf_buf_put_zeros(out, 4);
		of_actions_encode(actions, size, version, out);
		of_prop_end(out, prop);
	}
}

/* The list in pieces that start at the unroll records.  These say whose (table, cookie) the
 * actions behind them are; the wire says it by properties, each only where it changes. */
static void
put_action_groups(const struct of_frozen *f, uint8_t version, struct wf_buf *out)
{
	const uint8_t *start = f->actions;
	const uint8_t *end = start + f->actions_size;
	const uint8_t *p = start;
	const struct of_act_unroll *unroll = NULL;
	uint8_t table = 0;
	uint64_t cookie = 0;

	for (;;) {
		const struct of_action *a = (const void *)p;

		if (p >= end || a->type == OF_A_UNROLL_XLATE) {
			if (unroll && unroll->a.u32 != table) {
				table = unroll->a.u32;
				of_prop_put_u8(out, PROP_TABLE_ID, table);
			}
			if (unroll && unroll->cookie != cookie) {
				cookie = unroll->cookie;
				of_prop_put_u64(out, PROP_COOKIE, cookie);
			}
			put_actions(PROP_ACTIONS, start, p - start, version, out);
			if (p >= end)
				break;
			unroll = (const void *)a;
			start = (const uint8_t *)of_action_next(a);
		}
		p = (const uint8_t *)of_action_next(a);
	}
}

void
of_frozen_encode(const struct of_frozen *f, uint8_t version, struct wf_buf *out)
{
	size_t size = f->stack_size;

	if (!is_zeros(f->bridge, sizeof(f->bridge)))
		of_prop_put(out, PROP_BRIDGE, f->bridge, sizeof(f->bridge));
	/* From the top down. */
	while (size > 0) {
		uint8_t len = f->stack[size - 1];

		of_prop_put(out, PROP_STACK, f->stack + size - 1 - len, len);
		size -= 1u + len;
	}
	if (f->mirrors)
		of_prop_put_u32(out, PROP_MIRRORS, f->mirrors);
	if (f->conntracked)
		of_prop_put(out, PROP_CONNTRACKED, NULL, 0);
	if (f->actions_size)
		put_action_groups(f, version, out);
	put_actions(PROP_ACTION_SET, f->action_set, f->action_set_size, version, out);
	if (f->odp_port != UINT32_MAX)
		of_prop_put_u32(out, PROP_ODP_PORT, f->odp_port);
}

struct parts {
	struct wf_buf stack; /* as properties come: length byte and value, top first */
	struct wf_buf actions, action_set;
};

static of_err_t
decode_actions(const struct of_prop *prop, uint8_t version, struct wf_buf *list)
{
	const uint8_t *p;
	size_t size;
	of_err_t error = of_prop_get_nested(prop, &p, &size);

	return error ? error : of_actions_decode(p, size, version, list);
}

static of_err_t
decode_properties(const uint8_t *p, size_t size, uint8_t version, bool loose, struct of_frozen *f,
		  struct parts *parts)
{
	uint8_t table = 0;
	uint64_t cookie = 0;

	while (size > 0) {
		struct of_prop prop;
		of_err_t error = of_prop_next(&p, &size, &prop);

		if (error)
			return error;
		switch (prop.vendor ? 0 : prop.type) {
		case PROP_BRIDGE:
			if (prop.payload_size != sizeof(f->bridge))
				return OF_ERR_OFPBPC_BAD_LEN;
			memcpy(f->bridge, prop.payload, sizeof(f->bridge));
			break;
		case PROP_STACK: {
			uint8_t len = prop.payload_size;

			if (prop.payload_size > STACK_VALUE_MAX)
				return OF_ERR_OFPBPC_BAD_LEN;
			wf_buf_put(&parts->stack, &len, 1);
			wf_buf_put(&parts->stack, prop.payload, len);
			break;
		}
		case PROP_MIRRORS:
			error = of_prop_get_u32(&prop, &f->mirrors);
			break;
		case PROP_CONNTRACKED:
			f->conntracked = true;
			break;
		case PROP_TABLE_ID:
			error = of_prop_get_u8(&prop, &table);
			break;
		case PROP_COOKIE:
			error = of_prop_get_u64(&prop, &cookie);
			break;
		case PROP_ACTIONS: {
			struct of_act_unroll *unroll = of_action_put(
				&parts->actions, OF_A_UNROLL_XLATE, sizeof(*unroll));

			unroll->a.u32 = table;
			unroll->cookie = cookie;
			error = decode_actions(&prop, version, &parts->actions);
			break;
		}
		case PROP_ACTION_SET:
			error = decode_actions(&prop, version, &parts->action_set);
			break;
		case PROP_ODP_PORT:
			error = of_prop_get_u32(&prop, &f->odp_port);
			break;
		default:
			error = of_prop_unknown(loose, &prop);
		}
		if (error)
			return error;
	}
	return 0;
}

of_err_t
of_frozen_decode(const void *data, size_t size, uint8_t version, bool loose, struct of_frozen *f,
		 struct wf_buf *store)
{
	struct parts parts = { WF_BUF_INIT, WF_BUF_INIT, WF_BUF_INIT };
	of_err_t error;

	wf_buf_clear(store);
	*f = (struct of_frozen){ .table = 255, .odp_port = UINT32_MAX };
	error = decode_properties(data, size, version, loose, f, &parts);
	if (!error) {
		/* Lists are multiples of 8 long, so all in 'store' stay aligned. */
		size_t action_set = parts.actions.size;
		size_t stack = action_set + parts.action_set.size;

		wf_buf_put(store, parts.actions.data, parts.actions.size);
		wf_buf_put(store, parts.action_set.data, parts.action_set.size);
		wf_buf_put_uninit(store, parts.stack.size);
		f->actions = wf_buf_at(store, 0);
		f->actions_size = parts.actions.size;
		f->action_set = wf_buf_at(store, action_set);
		f->action_set_size = parts.action_set.size;
		f->stack = wf_buf_at(store, stack);
		f->stack_size = parts.stack.size;

		uint8_t *end = (uint8_t *)wf_buf_at(store, stack) + parts.stack.size;
		for (size_t ofs = 0; ofs < parts.stack.size;) {
			uint8_t len = parts.stack.data[ofs];

			*--end = len;
			end -= len;
			memcpy(end, parts.stack.data + ofs + 1, len);
			ofs += 1u + len;
		}
	}
	wf_buf_done(&parts.stack);
	wf_buf_done(&parts.actions);
	wf_buf_done(&parts.action_set);
	return error;
}
