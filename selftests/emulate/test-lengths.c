// SPDX-License-Identifier: GPL-2.0-only
/* The decoder's idea of a length against the assembler's. */
#include <stdio.h>
#include "unit.h"

struct length {
	const u8 *insn;
	u32 len;
	u32 bits;
};

extern const struct length lengths[];

void test_lengths(void)
{
	static const u32 modes[] = { 16, 32, 64 };
	const struct length *l;
	int i, n, good, cut;
	u32 k;

	for (i = 0; i < 3; i++) {
		n = good = cut = 0;
		for (l = lengths; l->insn; l++) {
			if (l->bits != modes[i])
				continue;
			n++;
			if (lodge_emul_length(l->insn, 15, l->bits) ==
			    (int)l->len) {
				good++;
			} else {
				printf("# %d instead of %u:",
				       lodge_emul_length(l->insn, 15, l->bits),
				       l->len);
				for (k = 0; k < l->len; k++)
					printf(" %02x", l->insn[k]);
				puts("");
			}
			/* One byte too few is no instruction. */
			for (k = 0; k < l->len; k++)
				if (lodge_emul_length(l->insn, k, l->bits))
					break;
			cut += k == l->len;
		}
		report(good == n && n > 100, "lengths of %d of %d instructions in %u-bit code",
		       good, n, modes[i]);
		report(cut == n, "cut short, none of them has a length (%u-bit)",
		       modes[i]);
	}
}
