# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# host.sh CASE...: in an emulated host that has the machine's own /usr, with the
# QEMU and the Python in it.

mv /lib /lib.was
mv /lib64 /lib64.was
ln -s usr/lib /lib
ln -s usr/lib64 /lib64
exec /usr/bin/python3 -B /work/cases.py "$@"
