// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
out_of_memory(void)
{
	/* Not through the log: it allocates. */
	fputs("virtual memory exhausted\n", stderr);
	abort();
}

void *
wf_xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
wf_xzalloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
wf_xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *
wf_xmemdup(const void *src, size_t size)
{
	void *p = wf_xmalloc(size);

	if (size)
		memcpy(p, src, size);
	return p;
}

void
wf_buf_init(struct wf_buf *b, size_t capacity)
{
	*b = (struct wf_buf)WF_BUF_INIT;
	if (capacity) {
		b->base = b->data = wf_xmalloc(capacity);
		b->allocated = capacity;
	}
}

void
wf_buf_done(struct wf_buf *b)
{
	free(b->base);
	*b = (struct wf_buf)WF_BUF_INIT;
}

void
wf_buf_clear(struct wf_buf *b)
{
	b->data = b->base;
	b->size = 0;
}

static size_t
headroom(const struct wf_buf *b)
{
	return b->base ? (size_t)(b->data - b->base) : 0;
}

static size_t
tailroom(const struct wf_buf *b)
{
	return b->allocated - headroom(b) - b->size;
}

/* Moves the contents to a new block with at least the room asked for. */
static void
rebuild(struct wf_buf *b, size_t head, size_t tail)
{
	size_t need;

	if (__builtin_add_overflow(head, b->size, &need) ||
	    __builtin_add_overflow(need, tail, &need))
		out_of_memory();

	uint8_t *base = wf_xmalloc(need);
	if (b->size)
		memcpy(base + head, b->data, b->size);
	free(b->base);
	b->base = base;
	b->data = base + head;
	b->allocated = need;
}

void
wf_buf_reserve_tail(struct wf_buf *b, size_t size)
{
	if (b->base && size <= tailroom(b))
		return;

	/* A stream that is pulled at the front and put at the back slides forward: reuse
	 * the front when it is at least half of the block, which keeps the cost of the
	 * moves linear. */
	size_t front = headroom(b);
	if (front >= b->size && size <= tailroom(b) + front && front >= b->allocated / 2 &&
	    b->base) {
		memmove(b->base, b->data, b->size);
		b->data = b->base;
		return;
	}

	size_t grow = b->size + front;
	rebuild(b, front, size > grow ? size : grow > 64 ? grow : 64);
}

void *
wf_buf_put_uninit(struct wf_buf *b, size_t size)
{
	wf_buf_reserve_tail(b, size);

	uint8_t *p = b->data + b->size;
	b->size += size;
	return p;
}

void *
wf_buf_put_zeros(struct wf_buf *b, size_t size)
{
	void *p = wf_buf_put_uninit(b, size);

	memset(p, 0, size);
	return p;
}

void *
wf_buf_put(struct wf_buf *b, const void *src, size_t size)
{
	void *p = wf_buf_put_uninit(b, size);

	if (size)
		memcpy(p, src, size);
	return p;
}

void *
wf_buf_push(struct wf_buf *b, const void *src, size_t size)
{
	if (headroom(b) < size)
		rebuild(b, size + 64, tailroom(b));
	b->data -= size;
	b->size += size;
	if (size)
		memcpy(b->data, src, size);
	return b->data;
}

void *
wf_buf_pull(struct wf_buf *b, size_t size)
{
	if (size > b->size)
		return NULL;

	void *p = b->data;
	b->data += size;
	b->size -= size;
	return p;
}

void
wf_buf_pad(struct wf_buf *b, size_t multiple)
{
	size_t over = b->size % multiple;

	if (over)
		wf_buf_put_zeros(b, multiple - over);
}
