// SPDX-License-Identifier: GPL-2.0-only
/*
 * distinct FILE...: how many pages of all of them together have contents that no
 * other has, zero ones left out: what an ideal merge would hold. Files are read as
 * they stand, without mapping them. Two pages are alike if two hashes are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS	512

struct print {
	uint64_t a, b;
};

static struct print *prints;
static size_t nr;

static int compare(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct print));
}

static void add(const uint64_t *page)
{
	struct print p = { 14695981039346656037u, 88172645463325252u };
	uint64_t any = 0;
	int i;

	for (i = 0; i < WORDS; i++) {
		any |= page[i];
		p.a = (p.a ^ page[i]) * 1099511628211u;
		p.a ^= p.a >> 32;
		p.b = (p.b + page[i]) * 6364136223846793005u;
		p.b ^= p.b >> 29;
	}
	if (!any)
		return;
	if (!(nr & (nr - 1)))
		prints = realloc(prints, (nr ? 2 * nr : 1) * sizeof(*prints));
	if (!prints)
		abort();
	prints[nr++] = p;
}

static int take(const char *path)
{
	int fd = open(path, O_RDONLY);
	uint64_t page[WORDS];
	off_t at = 0;

	if (fd < 0)
		return -1;
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		if (pread(fd, page, sizeof(page), at) != sizeof(page))
			break;
		add(page);
		at += sizeof(page);
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i, distinct = 0;

	for (i = 1; i < (size_t)argc; i++) {
		if (take(argv[i])) {
			perror(argv[i]);
			return 1;
		}
	}
	qsort(prints, nr, sizeof(*prints), compare);
	for (i = 0; i < nr; i++)
		distinct += !i || compare(&prints[i], &prints[i - 1]);
	printf("%zu %zu\n", nr, distinct);
	return 0;
}
