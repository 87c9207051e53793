// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target without libFuzzer, for CI: every seed file of a folder, the seed cut at
 * every byte, then random mutations of the seeds.
 *
 *   fuzz_X SEED_FOLDER [N_MUTATIONS [RANDOM_SEED]]
 *   fuzz_X FILE                                     (one input, to repeat a crash)
 *
 * An input ends at an unmapped page, so that reading one byte too far is a crash also
 * without ASan.  A crash prints the input before the process dies; a target that takes
 * longer than 10 s for one input is a failure too. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MAX_INPUT_SIZE (64u << 10)
#define SECONDS_PER_INPUT 10

struct seed {
	uint8_t *data;
	size_t size;
};

static struct seed *seeds;
static size_t n_seeds;
static uint8_t *arena_end;
static const uint8_t *running;
static size_t running_size;
static uint64_t random_state;

/* xorshift64*: the same run everywhere for the same seed. */
static uint32_t
random_u32(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull) >> 32;
}

static size_t
random_below(size_t n)
{
	return n ? random_u32() % n : 0;
}

static void
put(const char *s)
{
	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		_exit(125);
}

static void
on_crash(int signum)
{
	static const char digits[] = "0123456789abcdef";
	char hex[3] = "";

	put(signum == SIGALRM ? "\ntoo slow on the input " : "\ncrash on the input ");
	for (size_t i = 0; i < running_size; i++) {
		hex[0] = digits[running[i] >> 4];
		hex[1] = digits[running[i] & 15];
		put(hex);
	}
	put("\n(xxd -r -p turns that into a file)\n");
	signal(signum, SIG_DFL);
	raise(signum);
}

static void
run(const uint8_t *data, size_t size)
{
	uint8_t *at = arena_end - size;

	if (size)
		memcpy(at, data, size);
	running = at;
	running_size = size;
	alarm(SECONDS_PER_INPUT);
	LLVMFuzzerTestOneInput(at, size);
	alarm(0);
}

static void
make_arena(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, MAX_INPUT_SIZE + page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + MAX_INPUT_SIZE, page, PROT_NONE) < 0) {
		perror("mmap");
		exit(1);
	}
	arena_end = p + MAX_INPUT_SIZE;
}

static void
add_seed(const char *path)
{
	struct seed s = { malloc(MAX_INPUT_SIZE), 0 };
	FILE *f = fopen(path, "rb");

	if (!f || !s.data) {
		perror(path);
		exit(1);
	}
	s.size = fread(s.data, 1, MAX_INPUT_SIZE, f);
	fclose(f);
	seeds = realloc(seeds, (n_seeds + 1) * sizeof(*seeds));
	if (!seeds)
		abort();
	seeds[n_seeds++] = s;
}

static int
not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void
read_seeds(const char *folder)
{
	struct dirent **names;
	int n = scandir(folder, &names, not_hidden, alphasort); /* sorted: repeatable */

	if (n < 0) {
		perror(folder);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		add_seed(path);
		free(names[i]);
	}
	free(names);
}

/* One small change.  Lengths and counts are what parsers trip over, so that 16-bit words
 * get extreme values more often than chance would have it. */
static size_t
mutate(uint8_t *p, size_t size)
{
	static const uint16_t extremes[] = { 0, 1, 3, 4, 7, 8, 9, 0x7f, 0x80, 0xff, 0x100, 0x7fff,
					     0x8000, 0xfff8, 0xffff };
	size_t at = random_below(size);
	size_t n;

	switch (random_below(8)) {
	case 0:
		if (size)
			p[at] ^= 1u << random_below(8);
		return size;
	case 1:
		if (size)
			p[at] = random_u32();
		return size;
	case 2:
		if (size >= 2) {
			uint16_t v = extremes[random_below(sizeof(extremes) / 2)];

			at &= ~(size_t)1;
			if (at + 2 > size)
				at -= 2;
			p[at] = v >> 8;
			p[at + 1] = v;
		}
		return size;
	case 3: /* cut the end */
		return size ? size - 1 - random_below(size < 16 ? size : 16) : 0;
	case 4: /* take some out */
		n = random_below(size - at < 16 ? size - at : 16);
		memmove(p + at, p + at + n, size - at - n);
		return size - n;
	case 5: /* repeat a piece */
		n = random_below(size - at < 64 ? size - at : 64);
		if (size + n > MAX_INPUT_SIZE)
			return size;
		memmove(p + at + n, p + at, size - at);
		return size + n;
	case 6: /* a piece of another seed */
	{
		const struct seed *s = &seeds[random_below(n_seeds)];
		size_t from = random_below(s->size);

		n = random_below(s->size - from < 64 ? s->size - from : 64);
		if (at + n > MAX_INPUT_SIZE)
			return size;
		memcpy(p + at, s->data + from, n);
		return at + n > size ? at + n : size;
	}
	default: /* a few random bytes at the end */
		n = 1 + random_below(8);
		if (size + n > MAX_INPUT_SIZE)
			return size;
		for (size_t i = 0; i < n; i++)
			p[size + i] = random_u32();
		return size + n;
	}
}

static void
run_mutations(unsigned long n)
{
	static uint8_t work[MAX_INPUT_SIZE];

	for (unsigned long i = 0; i < n; i++) {
		const struct seed *s = &seeds[random_below(n_seeds)];
		size_t size = s->size;

		memcpy(work, s->data, size);
		for (size_t k = 1 + random_below(4); k; k--)
			size = mutate(work, size);
		run(work, size);
	}
}

static void
run_cuts(const struct seed *s)
{
	/* Of a large seed only the head and the tail. */
	for (size_t size = 0; size <= s->size; size++) {
		if (size == 512 && s->size > 1024)
			size = s->size - 512;
		run(s->data, size);
	}
}

int
main(int argc, char *argv[])
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM };
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	struct stat st;

	if (argc < 2) {
		fprintf(stderr, "usage: %s SEED_FOLDER|FILE [N_MUTATIONS [RANDOM_SEED]]\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], on_crash);
	make_arena();
	run(NULL, 0);
	if (!stat(argv[1], &st) && S_ISREG(st.st_mode)) {
		add_seed(argv[1]);
		run(seeds[0].data, seeds[0].size);
	} else {
		read_seeds(argv[1]);
		if (!n_seeds) {
			fprintf(stderr, "%s: no seeds\n", argv[1]);
			return 1;
		}
		for (size_t i = 0; i < n_seeds; i++)
			run_cuts(&seeds[i]);
		random_state = seed ? seed : 1;
		run_mutations(n);
	}
	printf("%s: %zu seeds, %lu mutations, random seed %llu: no crash\n", argv[1], n_seeds, n,
	       (unsigned long long)seed);
	for (size_t i = 0; i < n_seeds; i++)
		free(seeds[i].data);
	free(seeds);
	return 0;
}
