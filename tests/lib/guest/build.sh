#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the guest that tests boot: a kernel and a small initramfs, from Debian packages only.
#   build.sh FOLDER      -> FOLDER/vmlinuz, FOLDER/initrd.gz
# The kernel package is downloaded and unpacked, never installed.  A finished FOLDER is kept until
# this script or init changes.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: build.sh FOLDER}
mkdir -p "$out"
out=$(cd "$out" && pwd)
stamp=$out/done-$(cat "$here/build.sh" "$here/init" | sha256sum | cut -c1-16)
[ ! -e "$stamp" ] || exit 0

tmp=$(mktemp -d "$out/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# The image to which the meta package points.  A fresh machine may have no package lists yet.
kernel_package() {
	apt-cache depends linux-image-cloud-amd64 2> /dev/null |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }'
}
fetch() { (cd "$tmp" && apt-get -o APT::Sandbox::User=root -q download "$(kernel_package)") > "$out/apt.log" 2>&1; }
[ -n "$(kernel_package)" ] || apt-get -q update > "$out/apt.log" 2>&1
fetch || { apt-get -q update > "$out/apt.log" 2>&1 && fetch; } || {
	tail -n 5 "$out/apt.log" >&2
	exit 1
}
dpkg-deb -x "$tmp"/linux-image-*.deb "$tmp/kernel"
version=$(ls "$tmp/kernel/lib/modules")
depmod -b "$tmp/kernel" "$version"

# The modules the guest loads and what these need, in the order in which they must be loaded.
for module in virtio_pci virtio_net virtio_blk 8021q af_packet ipv6; do
	modprobe -d "$tmp/kernel" -S "$version" --show-depends "$module" 2> /dev/null |
		awk '$1 == "insmod" { print $2 }' || true
done | awk '!seen[$0]++' > "$tmp/order"

root=$tmp/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,mod}
cp "$(command -v busybox)" "$root/bin/busybox"
"$root/bin/busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
n=100
while read -r file; do
	n=$((n + 1))
	cp "$file" "$root/mod/$n-$(basename "$file")"
done < "$tmp/order"
install -m 755 "$here/init" "$root/init"

(cd "$root" && find . | LC_ALL=C sort | busybox cpio -o -H newc 2> /dev/null) |
	gzip -1 > "$out/initrd.gz"
cp "$tmp/kernel/boot/vmlinuz-$version" "$out/vmlinuz"
rm -f "$out"/done-*
: > "$stamp"
