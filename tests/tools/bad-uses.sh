#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make, asked for what cannot be: one clear line before anything is built, and a
# non-zero exit.  Then the machines that lack what building needs.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
# make is not to take part in the make that runs this test.
unset MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS
unset MANIFEST ADD CMDLINE T V ACCEL 2>/dev/null || :

# refuse 'LINE' COMMAND...: says that, and beside it at most what make adds.
refuse()
{
	line=$1
	shift
	code=0
	timeout 60 "$@" >"$work/out" 2>&1 </dev/null || code=$?
	grep -v '^make\(\[[0-9]*\]\)*: \*\*\*\|^make.*: \(Entering\|Leaving\) directory' "$work/out" \
		>"$work/said" || :
	if [ "$code" = 0 ] || [ "$(cat "$work/said")" != "$line" ]; then
		echo "$*: exit $code, expected the one line"
		echo "    $line"
		echo "but it said:"
		sed 's/^/    /' "$work/out"
		failed=1
	fi
}

touch "$work/a file"
spaces='make knows no names with spaces in them'
refuse 'make run: MANIFEST=missing: no such file' make run MANIFEST=missing
refuse 'make image: MANIFEST=missing: no such file' make image MANIFEST=missing
refuse "make run: MANIFEST=$work/a file: $spaces" make run MANIFEST="$work/a file"
refuse 'make run: ADD=nosuchfile: no such file' make run ADD=nosuchfile:/x
refuse 'make run: ADD=nosuchfile: no such file' make run ADD='Makefile:/x nosuchfile:/y'
refuse 'check: no test "nosuch" (make check T=list)' make check T=nosuch
refuse 'check-peers: no such test "nosuch" (make check-peers T=list)' make check-peers T=nosuch
refuse 'check: no test "nosuch" (make check T=list)' make check T='tree nosuch'
targets=$(cat tests/fuzz/*.mk tests/unit/*.mk | sed -n 's/^fuzz_targets *+= *//p' | tr '\n' ' ')
machines=$(sed -n 's/^\[\(fuzz-.*\)\]$/\1/p' tests/matrix.cfg | tr '\n' ' ')
refuse "fuzz: F= is one of: $targets${machines% }" make fuzz F=nosuch
refuse 'make image: KERNEL_TARBALL=missing: cannot be read' env KERNEL_TARBALL=missing make image
refuse 'make image: BUSYBOX_TARBALL=missing: cannot be read' make image BUSYBOX_TARBALL=missing
mkdir "$work/dir"
refuse "make image: MANIFEST=$work/dir: is not a file" make image MANIFEST="$work/dir"
plain='make knows no such characters in names'
refuse "make image: MANIFEST=a'b: $plain" make image MANIFEST="a'b"
refuse "make image: ADD=Makefile:/a\"b: $plain" make image ADD='Makefile:/a"b'
refuse "make check: T=a'b: $plain" make check T="a'b"
refuse "make fuzz: F=a;b: $plain" make fuzz F='a;b'
refuse "make image: KERNEL_TARBALL=$work/dir: is not a file" make image KERNEL_TARBALL="$work/dir"
refuse "make image: KERNEL_TARBALL=Makefile: is not a tarball" make image KERNEL_TARBALL=Makefile
refuse "make image: BUSYBOX_TARBALL=Makefile: is not a tarball" \
	make image BUSYBOX_TARBALL=Makefile UNVERIFIED=1
size='a size, such as 2G or 512M'
refuse "make run: MEM=abc: $size" make run MEM=abc
refuse "make run: MEM=G: $size" make run MEM=G
refuse "make run: MEM=0: $size" make run MEM=0
refuse 'make run: CPUS=0: a number from 1' make run CPUS=0
refuse 'make run: CPUS=two: a number from 1' env CPUS=two make run
refuse 'make run: ACCEL=foo: tcg or kvm' make run ACCEL=foo
refuse 'make image: JOBS=abc: a number from 1' make image JOBS=abc
refuse 'make image: JOBS=0: a number from 1' make image JOBS=0
refuse 'make fuzz: TIME=soon: a number from 1' make fuzz F=pe TIME=soon
refuse 'make run: ACCEL=kvm cannot work here: there is no /dev/nothing' \
	make run ACCEL=kvm KVM_DEVICE=/dev/nothing
# Where nobody can write, not even root.
refuse 'make image: /proc/rootstock cannot be made (XDG_CACHE_HOME= names another place)' \
	env XDG_CACHE_HOME=/proc make image
refuse 'make image: O=/proc/out cannot be made' make image O=/proc/out

# A checkout in a directory with a space; make itself names the line.
mkdir -p "$work/a tree"
cp -r Makefile mk "$work/a tree"
if O=out make -C "$work/a tree" help >"$work/out" 2>&1 ||
	! grep -qF "*** $spaces: \"$work/a tree\", O=\"out\".  Stop." "$work/out"; then
	echo "a tree in a directory with a space:"
	sed 's/^/    /' "$work/out"
	failed=1
fi

# Tools that are not make's take such names.
echo 'guests: []' >"$work/a tree/none.yaml"
if ! tools/mkimage.sh --manifest "$work/a tree/none.yaml" --add "$work/a file:/file" \
	--format efi -o "$work/a tree/image" >"$work/out" 2>&1; then
	echo "mkimage.sh and spaces:"
	sed 's/^/    /' "$work/out"
	failed=1
fi

# --- packages that cannot be installed ------------------------------------------

# tools/deps.sh with a list of its own and nothing in PATH but what it calls.
mkdir -p "$work/tools" "$work/bin"
cp tools/deps.sh "$work/tools"
echo 'build no-such-package cmd:no-such-command a test' >"$work/tools/packages"
for tool in awk cat cut date dirname env grep id mkdir sed sh tail tr; do
	ln -s "$(command -v "$tool")" "$work/bin/$tool"
done

deps()
{
	refuse "$1" env PATH="$work/bin" O="$work" sh "$work/tools/deps.sh" ensure build
}

# fake NAME BODY: a command that says so.
fake()
{
	rm -f "$work/bin/$1"
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# shellcheck disable=SC1091 # the machine's own file
case $(. /etc/os-release 2>/dev/null && echo "${ID:-} ${VERSION_ID:-}") in
'debian 12' | 'debian 13')
	fake id 'echo 1000'
	deps 'deps: missing packages, and neither root nor sudo to install them: no-such-package'
	fake id 'echo 0'
	fake apt-get 'echo "E: Could not resolve the mirror" >&2; exit 100'
	deps "deps: installing no-such-package
deps: apt-get update failed: E: Could not resolve the mirror (log: $work/deps.log)"
	# Without network apt-get update only warns.
	# shellcheck disable=SC2016 # for the fake to expand
	fake apt-get '[ "$1" != update ] || exit 0; echo "E: Unable to locate it" >&2; exit 100'
	deps "deps: installing no-such-package
deps: apt-get install failed: E: Unable to locate it (log: $work/deps.log)"
	;;
*) deps 'deps: this is not Debian 12 or 13; please install what is missing (Debian'"'"'s names): no-such-package' ;;
esac

exit "$failed"
