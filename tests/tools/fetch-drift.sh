#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What tools/fetch.sh says and does when the archive no longer has what
# tools/sources.lock pins.  The archive is ours: package lists written here, read
# by the real apt-cache; only apt-get, which would use the network, is replaced.
set -eu

command -v apt-cache >/dev/null || { echo "no apt on this machine"; exit 77; }
[ -r /usr/share/keyrings/debian-archive-keyring.gpg ] ||
	{ echo "no debian-archive-keyring on this machine"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lists=$work/cache/rootstock/apt/lists
failed=0
mkdir -p "$lists" "$work/bin" "$work/archive"
touch "$lists/../lists.stamp"

# "update" finds the lists as they are; "download NAME=VERSION" takes from archive/.
cat >"$work/bin/apt-get" <<'END'
#!/bin/sh
for last; do :; done
case " $* " in
*' update '*) echo update >>"$WORK/calls" ;;
*' download '*) cp "$WORK/archive/$last.deb" . ;;
*) exit 100 ;;
esac
END
chmod +x "$work/bin/apt-get"

# pin NAME FIELD: what tools/sources.lock says.
pin()
{
	awk -v name="$1" -v field="$2" '$1 == name { print $field }' tools/sources.lock
}

# binary PACKAGE VERSION [LINE]...: a stanza of a list of packages.
binary()
{
	printf 'Package: %s\nVersion: %s\nArchitecture: amd64\n' "$1" "$2"
	printf 'Maintainer: nobody\nFilename: pool/%s\nSize: 1\n' "$1"
	shift 2
	for stanza_line; do echo "$stanza_line"; done
	echo
}

# list NAME: standard input becomes that list of a mirror that does not exist.
list()
{
	cat >"$lists/mirror.invalid_debian_dists_$1"
	rm -f "$lists/../cache"/*.bin
}

# fetch CODE NAME: run it; what it said is in $work/said.
fetch()
{
	code=0
	rm -f "$work/got" "$work/calls"
	PATH=$work/bin:$PATH WORK=$work XDG_CACHE_HOME=$work/cache \
		APT_MIRROR=http://mirror.invalid/debian \
		tools/fetch.sh "$2" -o "$work/got" >"$work/said" 2>&1 </dev/null || code=$?
	if [ "$code" != "$1" ]; then
		echo "fetch $2: exit $code, expected $1; it said:"
		sed 's/^/    /' "$work/said"
		failed=1
	fi
	if grep -v '^fetch: ' "$work/said" >"$work/noise"; then
		echo "fetch $2: said besides:"
		sed 's/^/    /' "$work/noise"
		failed=1
	fi
	# Before it gives up on a version it looks again.
	if [ ! -s "$work/calls" ]; then
		echo "fetch $2: the lists were not refreshed"
		failed=1
	fi
}

# says LINE: to the letter.
says()
{
	if ! grep -qxF -e "$1" "$work/said"; then
		echo "expected the line"
		echo "    $1"
		echo "but it said:"
		sed 's/^/    /' "$work/said"
		failed=1
	fi
}

not_delivered()
{
	[ ! -e "$work/got" ] || { echo "$1 was delivered all the same"; failed=1; }
}

# --- pinned sources: a binary package, a source package ------------------------

kernel=$(pin kernel 3)
version=$(pin kernel 4)
{
	binary "$kernel" 7.3.2-1~bpo13+1
	binary "$kernel" 7.3.99-1~bpo13+2
	binary "$kernel" 7.3.11-1~bpo13+1
} | list trixie-backports_main_binary-amd64_Packages
fetch 1 kernel
says "fetch: kernel: the pinned $kernel $version has left the archive; newest available:\
 7.3.99-1~bpo13+2. Update tools/sources.lock or give KERNEL_TARBALL=path"
not_delivered kernel

binary something-else 1 | list trixie-backports_main_binary-amd64_Packages
fetch 1 kernel
says "fetch: kernel: the pinned $kernel $version has left the archive; newest available:\
 none. Update tools/sources.lock or give KERNEL_TARBALL=path"

list trixie_main_source_Sources <<'END'
Package: busybox
Binary: busybox
Version: 1:1.99.0-3
Maintainer: nobody
Architecture: any
Format: 3.0 (quilt)
Files:
 d41d8cd98f00b204e9800998ecf8427e 0 busybox_1.99.0-3.dsc
Checksums-Sha256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 busybox_1.99.0-3.dsc
Directory: pool/main/b/busybox

END
fetch 1 busybox
says "fetch: busybox: the pinned busybox $(pin busybox 4) has left the archive; newest available:\
 1:1.99.0-3. Update tools/sources.lock or give BUSYBOX_TARBALL=path"
not_delivered busybox

# --- Debian's kernel: the newest one instead, with a warning --------------------

gone="$(pin debian-kernel 3) $(pin debian-kernel 4)"
new=linux-image-6.12.999+deb13-cloud-amd64
echo "a newer kernel" >"$work/archive/$new=6.12.999-1.deb"
sum=$(sha256sum "$work/archive/$new=6.12.999-1.deb" | cut -d ' ' -f 1)
meta=$(binary linux-image-cloud-amd64 6.12.999-1 "Depends: $new (= 6.12.999-1)")
{
	echo "$meta"
	echo
	binary "$new" 6.12.999-1 "SHA256: $sum"
} | list trixie_main_binary-amd64_Packages
fetch 0 debian-kernel
says "fetch: debian-kernel: warning: $gone has left the archive, using $new 6.12.999-1\
 (verified by the archive's signature, not by a pin)"
cmp "$work/got" "$work/archive/$new=6.12.999-1.deb" || failed=1

# The list's checksum decides, not what the mirror sends.
echo "something else" >"$work/archive/$new=6.12.999-1.deb"
rm -rf "$work/cache/rootstock/sources"
fetch 1 debian-kernel
says "fetch: debian-kernel: sha256 of $new 6.12.999-1 is $(
	sha256sum "$work/archive/$new=6.12.999-1.deb" | cut -d ' ' -f 1), expected $sum; not used"
not_delivered debian-kernel

# Nothing left that could be used instead.
binary something-else 1 | list trixie_main_binary-amd64_Packages
fetch 1 debian-kernel
says "fetch: debian-kernel: $gone has left the archive and\
 linux-image-cloud-amd64 does not resolve"
not_delivered debian-kernel

# --- a guest's packages: the newest of the release that the pin is of ------------

gone="$(pin debian13-bash 3) $(pin debian13-bash 4)"
echo "a newer shell" >"$work/archive/bash=5.2.99-1.deb"
sum=$(sha256sum "$work/archive/bash=5.2.99-1.deb" | cut -d ' ' -f 1)
binary bash 5.2.99-1 "SHA256: $sum" | list trixie_main_binary-amd64_Packages
binary bash 5.9-1~bpo13+1 | list trixie-backports_main_binary-amd64_Packages
binary bash 5.2.98-1 | list bookworm_main_binary-amd64_Packages
fetch 0 debian13-bash
says "fetch: debian13-bash: warning: $gone has left the archive, using bash 5.2.99-1\
 (verified by the archive's signature, not by a pin)"
binary something-else 1 | list bookworm_main_binary-amd64_Packages
fetch 1 debian12-bash
says "fetch: debian12-bash: $(pin debian12-bash 3) $(pin debian12-bash 4) has left the archive,\
 and bookworm has no other"
not_delivered debian12-bash

exit "$failed"
