#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# payload.sh ELF BIN: a C header with the payload's image and its symbols,
# each as G_symbol.
set -e
sym=$(basename "$2" .bin | tr -c 'a-zA-Z0-9\n' _)
stubs=$(nm "$1" | awk '$3 == "trap_stubs" { print $1 }')
cat <<END
asm(".pushsection .rodata\n"
    "$sym: .incbin \"$2\"\n"
    "${sym}_end:\n.popsection");
extern const char ${sym}[], ${sym}_end[];
#define payload ((struct payload) { .image = $sym, \\
	.size = ${sym}_end - $sym, .stubs = 0x${stubs:-0} })
END
nm "$1" | awk '$2 ~ /^[TDBR]$/ { printf "#define G_%s 0x%sUL\n", $3, $1 }'
