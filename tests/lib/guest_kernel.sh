# SPDX-License-Identifier: Apache-2.0
# Programs of ours on the oldest kernel that they are meant for: Linux 6.1 of Debian 12, in the guest of tests/lib/guest
# without KVM, with those programs, what they link and the YANG modules laid over it.  After tests/lib/system.sh:
#
#   kernel_guest_image      before isolate: builds the guest, or skips the test
#   kernel_guest_lay PROGRAM...     into $root/w, which is /w there; the test adds /w/run and what that needs
#   kernel_guest_run SECONDS NAME WHAT      runs /w/run there: 'WHAT on Linux', its last line, is ok if it exits with 0; its
#                           output is $said.  The guest is left running as NAME, for kernel_guest_stop.

GUEST=$ROOT/tests/lib/guest/guest
IMAGE=${WEFT_GUEST_IMAGE:-$ROOT/build/guest}

kernel_guest_image() {
	[ -n "${WEFT_ISOLATED:-}" ] || "$ROOT/tests/lib/guest/build.sh" "$IMAGE" ||
		{ skip "$(basename "$0" .sh)" "the guest's kernel cannot be had"; exit 0; }
}

kernel_guest_lay() {
	local lib
	root=$T/root
	mkdir -p "$root/w"
	cp "$@" "$root/w/"
	cp -r "$ROOT/yang" "$root/w/yang"
	cp /usr/share/yang/modules/libyang/*.yang "$root/w/yang/" 2> /dev/null || true
	ldd "$@" | awk '$2 == "=>" { print $3 } $1 ~ /^\/lib.*ld-/ { print $1 }' | sort -u |
		while read -r lib; do
			mkdir -p "$root$(dirname "$lib")"
			cp -L "$lib" "$root$lib"
		done
}

kernel_guest_run() {
	local seconds=$1 name=$2 what=$3 code
	chmod 755 "$root/w/run"
	mkdir -p "$T/boot"
	cp "$IMAGE/vmlinuz" "$T/boot/"
	# The kernel takes archives one behind the other.
	{ cat "$IMAGE/initrd.gz"; (cd "$root" && find . | busybox cpio -o -H newc 2> /dev/null | gzip -1); } > "$T/boot/initrd.gz"
	if ! "$GUEST" start "$T/boot" "$T/vm" "$name" none memory=512 2> "$T/start.log"; then
		skip "$(basename "$0" .sh)" "the guest does not start: $(tail -n 3 "$T/start.log" | tr '\n' ' ')"
		exit 0
	fi
	# The verifier takes its time without KVM.
	"$GUEST" sh "$T/vm" "$name" \
		'(sh /w/run > /w/out 2>&1; echo $? > /w/code.new; mv /w/code.new /w/code) > /dev/null 2>&1 &' > /dev/null || true
	retry "$seconds" "$GUEST" sh "$T/vm" "$name" 'test -e /w/code' > /dev/null || true
	code=$("$GUEST" sh "$T/vm" "$name" 'cat /w/code' | tr -d '[:space:]')
	said=$("$GUEST" sh "$T/vm" "$name" 'cat /w/out')
	if [ "$code" = 0 ]; then
		ok "$what on Linux $(tail -n 1 <<< "$said")"
	else
		fail "$what" "$said"
	fi
	check "the guest's kernel is 6.1" eval '[[ $said == *$'\''\n'\''6.1.* ]]'
}

kernel_guest_stop() { "$GUEST" stop "$T/vm" "$1"; }
