/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with room at both ends: messages are built by put() and
 * parsed by pull().  Memory: one heap block, owned by the struct; wf_buf_done()
 * frees it.  All put functions abort on out of memory, like malloc wrappers do.
 * Not for packets in the packet path (dataplane/packet.h).
 */
#ifndef WEFT_BASE_BUF_H
#define WEFT_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct wf_buf {
	uint8_t *base;    /* start of the block, NULL when nothing is allocated */
	uint8_t *data;    /* first byte in use */
	size_t size;      /* bytes in use */
	size_t allocated; /* bytes in the block */
};

#define WF_BUF_INIT { NULL, NULL, 0, 0 }

void wf_buf_init(struct wf_buf *, size_t capacity);
void wf_buf_done(struct wf_buf *);
void wf_buf_clear(struct wf_buf *);                     /* size = 0, keeps the block */
void *wf_buf_put_uninit(struct wf_buf *, size_t size);  /* returns where the new bytes start */
void *wf_buf_put_zeros(struct wf_buf *, size_t size);
void *wf_buf_put(struct wf_buf *, const void *, size_t size);
void *wf_buf_push(struct wf_buf *, const void *, size_t size); /* before 'data' */
void *wf_buf_pull(struct wf_buf *, size_t size);        /* drops from the front; NULL if too short */
void wf_buf_reserve_tail(struct wf_buf *, size_t size);
void wf_buf_pad(struct wf_buf *, size_t multiple);      /* zero bytes up to a multiple */

static inline void *
wf_buf_at(const struct wf_buf *b, size_t ofs)
{
	/* Not 'data + ofs': an empty buffer may have no block, and NULL + 0 is undefined. */
	return (void *)((uintptr_t)b->data + ofs);
}

/* Strings. */
struct wf_str { /* always NUL-terminated once anything was written */
	char *s;
	size_t len, allocated;
};
#define WF_STR_INIT { NULL, 0, 0 }
void wf_str_put(struct wf_str *, const char *);
void wf_str_putc(struct wf_str *, char);
void wf_str_putn(struct wf_str *, const char *, size_t n);
void wf_str_fmt(struct wf_str *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wf_str_vfmt(struct wf_str *, const char *fmt, va_list) __attribute__((format(printf, 2, 0)));
void wf_str_hex(struct wf_str *, const void *, size_t size);       /* lower-case digits, no spaces */
void wf_str_hexdump(struct wf_str *, const void *, size_t size, size_t ofs); /* as OVS prints one */
void wf_str_chomp(struct wf_str *, char);
void wf_str_truncate(struct wf_str *, size_t len);
char *wf_str_steal(struct wf_str *);  /* never NULL; the caller frees */
const char *wf_str_cstr(struct wf_str *); /* never NULL; valid until the next change */
void wf_str_done(struct wf_str *);

void *wf_xmalloc(size_t);
void *wf_xzalloc(size_t);
void *wf_xrealloc(void *, size_t);
void *wf_xmemdup(const void *, size_t);
char *wf_xstrdup(const char *);
char *wf_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
