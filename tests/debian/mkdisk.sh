#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A disk with a small Debian that starts with systemd and lets root log in without
# a password, and its kernel beside it.  The packages are unpacked as they are.
# Their maintainer scripts, which want a running Debian of that release, are not
# run: what they would have set up and this system needs is below, in one place.
set -eu

usage()
{
	cat >&2 <<\EOF
usage: tests/debian/mkdisk.sh -o DIR NAME DEB...

Makes DIR/disk.img (an ext4 file system), DIR/vmlinuz and DIR/modules.list (what an
initramfs needs to reach the disk, for tools/mkcpio.sh). NAME is the host's name.
No root needed; files belong to root all the same.
EOF
	exit 2
}

if [ $# -lt 4 ] || [ "$1" != -o ]; then usage; fi
out=$2 host=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
# Not on an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin
umask 022
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
root=$out/root

# --- packages -----------------------------------------------------------------

# Debian 12's own files still say /bin and /lib.
mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
for deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" \
		--exclude './usr/share/doc/*' --exclude './usr/share/man/*' \
		--exclude './usr/share/locale/*' --exclude './usr/share/info/*'
done

# --- what their scripts would have done ----------------------------------------

cd "$out"
etc=root/etc
cp root/usr/share/base-passwd/passwd.master $etc/passwd
cp root/usr/share/base-passwd/group.master $etc/group

# The system's own users: "u NAME - "WHO" HOME", "g NAME -", numbers from 100 on.
cat root/usr/lib/sysusers.d/*.conf | awk -v etc="$etc" '
	BEGIN {
		FS = ":"
		while ((getline <(etc "/passwd")) > 0) user[$1] = 1
		while ((getline <(etc "/group")) > 0) group[$1] = 1
		FS = " "; next_id = 100
	}
	{ $0 = $0; sub("!", "", $1) }
	$1 != "u" && $1 != "g" || $3 != "-" { next }
	!group[$2]++ { print $2 ":x:" next_id ":" >>(etc "/group"); id = next_id++ }
	$1 == "u" && !user[$2]++ {
		print $2 ":x:" id ":" id "::/nonexistent:/usr/sbin/nologin" >>(etc "/passwd")
	}'
awk -F: '{ print $1 ":" ($1 == "root" ? "" : "*") ":20000:0:99999:7:::" }' \
	$etc/passwd >$etc/shadow
sed -i 's/^\([^:]*\):\*:/\1:x:/' $etc/passwd
chmod 600 $etc/shadow

# As pam-auth-update fills them in: pam_unix, and pam_systemd for sessions.
for what in auth account password session session-noninteractive; do
	kind=${what%%-*}
	case $what in
	auth) primary='[success=1 default=ignore] pam_unix.so nullok' ;;
	account) primary='[success=1 new_authtok_reqd=done default=ignore] pam_unix.so' ;;
	password) primary='[success=1 default=ignore] pam_unix.so obscure yescrypt' ;;
	*) primary='[default=1] pam_permit.so' ;;
	esac
	sed -e "s/^\$${kind}[a-z_]*_primary\$/$kind $primary/" root/usr/share/pam/common-$what |
		grep -v '^\$' >$etc/pam.d/common-$what
done
{
	echo 'session required pam_unix.so'
	echo 'session optional pam_systemd.so'
} >>$etc/pam.d/common-session

cp root/usr/share/libc-bin/nsswitch.conf root/usr/share/base-files/profile $etc
cp root/usr/share/base-files/dot.bashrc root/root/.bashrc
cp root/usr/share/base-files/dot.profile root/root/.profile
ln -s mawk root/usr/bin/awk
echo "$host" >$etc/hostname
printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$host" >$etc/hosts
echo '/dev/vda / ext4 errors=remount-ro 0 0' >$etc/fstab
: >$etc/default/locale
: >$etc/environment
echo 7c1f5a40a1f74d0e8a4b726f6f747374 >$etc/machine-id
mkdir -p root/usr/local/sbin root/mnt root/srv root/opt root/media
for link in run lock; do rm -rf "root/var/$link"; done
ln -s /run root/var/run
ln -s /run/lock root/var/lock

# Nothing is late on an emulator that others keep busy.
mkdir $etc/systemd/system.conf.d
cat >$etc/systemd/system.conf.d/patience.conf <<\EOF
[Manager]
DefaultTimeoutStartSec=30min
DefaultTimeoutStopSec=30min
DefaultDeviceTimeoutSec=30min
EOF
sed -i 's/^LOGIN_TIMEOUT.*/LOGIN_TIMEOUT 1800/' $etc/login.defs

# Its kernel; modules are found by their aliases, as udev asks for them.
for vmlinuz in root/boot/vmlinuz-*; do version=${vmlinuz##*/vmlinuz-}; done
cp "root/boot/vmlinuz-$version" vmlinuz
depmod -b root "$version"

# Nothing of /etc and /var is to be made anew at the first start.
cp "$here/report" root/usr/local/sbin/report
touch $etc/.updated root/var/.updated

# --- the initramfs' modules -----------------------------------------------------

# needed MODULE: it, after those it needs; modules.dep names them the other way.
needed()
{
	awk -v want="$1" -F': *' '
		{ name = $1; sub(".*/", "", name); sub("[.]ko.*", "", name) }
		name == want {
			n = split($2, dep, " ")
			while (n) print dep[n--]
			print $1
		}' "root/lib/modules/$version/modules.dep"
}

mkdir modules
{
	echo 'dir /modules 755'
	n=10
	{ needed virtio_pci; needed virtio_blk; needed ext4; } | awk '!seen[$0]++' |
	while read -r module; do
		file=root/lib/modules/$version/$module
		case $module in
		*.xz) xz -dc "$file" >modules/$n.ko ;;
		*) cp "$file" modules/$n.ko ;;
		esac
		echo "file /modules/$n.ko $out/modules/$n.ko 644"
		n=$((n + 1))
	done
} >modules.list

# --- the file system -------------------------------------------------------------

rm -rf root/boot/*
kib=$(du -sk root | cut -f1)
rm -f disk.img
truncate -s $((kib + kib / 4 + 32768))K disk.img
mke2fs -q -F -t ext4 -b 4096 -m 0 -L "$host" -E root_owner=0:0 -d root disk.img
# mke2fs takes owners from the files, which are the user's who builds.
if [ "$(id -u)" != 0 ]; then
	find root -mindepth 1 -printf '/%P\n' | awk '{
		printf "sif \"%s\" uid 0\nsif \"%s\" gid 0\n", $0, $0 }' >owners
	debugfs -w -f owners disk.img >/dev/null 2>&1
	rm owners
fi
rm -rf root
