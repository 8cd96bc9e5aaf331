# shellcheck shell=bash
# What every end-to-end script starts with: the program, a directory of its own that is gone afterwards, and how
# results are told. A script sources this, makes checks, and ends with `finish`.

set -euo pipefail
export LC_ALL=C
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E=$ROOT/tests/e2e
MASTERMOLD=${MASTERMOLD:-$ROOT/target/release/mastermold}
NAME=$(basename "$0")
VERSION=1.0.0 # of the releases of tests/e2e/small
WORK=$(mktemp -d "${TMPDIR:-/tmp}/mastermold-$NAME.XXXXXX")
CALLER_CACHE=${XDG_CACHE_HOME:-}
# What takes long to make or to fetch, and is pinned.
CACHE=${MASTERMOLD_TEST_CACHE:-${CALLER_CACHE:-${HOME:-/root}/.cache}/mastermold-tests}
CHECKS=0
FAILED=0

# Everything that is on the way is ended, and everything mounted below WORK is unmounted, before WORK goes.
clean_up() {
    local status=$? child
    for child in $(jobs -p); do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
    while read -r mount; do umount -l "$mount" 2>/dev/null || true; done \
        < <(awk -v work="$WORK/" 'index($2 "/", work) == 1 { print $2 }' /proc/mounts | sort -r)
    if [ -n "${KEEP:-}" ]; then echo "kept: $WORK" >&2; else rm -rf "$WORK"; fi
    if [ "$status" -ne 0 ] && [ -z "${FINISHED:-}" ]; then echo "FAIL $NAME: ended early with $status"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

pass() {
    CHECKS=$((CHECKS + 1))
    [ -z "${QUIET:-}" ] && echo "  ok: $*"
    return 0
}

fail() {
    CHECKS=$((CHECKS + 1))
    FAILED=$((FAILED + 1))
    echo "  FAIL: $*"
}

# check WHAT COMMAND...: the command succeeds; if not, its output is shown.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then pass "$what"; else
        fail "$what"
        printf '%s\n' "$output" | tail -n "${LINES_SHOWN:-20}" | sed 's/^/    /'
    fi
}

# refused CODE PATTERN WHAT COMMAND...: the command exits with CODE (or one of A|B) and says PATTERN, without a panic.
refused() {
    local code=$1 pattern=$2 what=$3 output status=0
    shift 3
    output=$("$@" 2>&1 </dev/null) || status=$?
    if [[ "|$code|" != *"|$status|"* ]]; then
        fail "$what: exit $status, not $code: $(head -c 400 <<<"$output")"
    elif grep -q 'panicked\|RUST_BACKTRACE' <<<"$output"; then
        fail "$what: a panic: $(head -c 400 <<<"$output")"
    elif ! grep -qE -- "$pattern" <<<"$output"; then
        fail "$what: does not say \`$pattern\`: $(head -c 400 <<<"$output")"
    else pass "$what (exit $status)"; fi
}

# told COMMAND...: what it prints are results: lines of `ok WHAT`, `FAIL WHAT` or `note WHAT`; and it ends well.
told() {
    local line any=
    while IFS= read -r line; do
        any=1
        case $line in
            'ok '*) pass "${line#ok }" ;;
            'note '*) note "${line#note }" ;;
            *) fail "${line#FAIL }" ;;
        esac
    done < <("$@" 2>&1 || echo "FAIL ended with $?: $1 ${2-} ${3-} ${4-}")
    [ -n "$any" ] || fail "nothing was said: $*"
}

# note TEXT: something that the reader should know and that is no result.
note() { echo "  note: $*"; }

finish() {
    FINISHED=1
    if [ "$FAILED" -ne 0 ]; then
        echo "FAIL $NAME: $FAILED of $CHECKS checks"
        exit 1
    fi
    [ "$CHECKS" -gt 0 ] || { echo "FAIL $NAME: nothing was checked"; exit 1; }
    echo "PASS $NAME: $CHECKS checks"
}

# skip REASON: for what this host cannot do; the runner counts it.
skip() {
    FINISHED=1
    echo "SKIP $NAME: $*"
    exit 77
}

# cannot REASON: for what every host can do that was set up: real programs that the test is about. Without them it fails.
cannot() {
    FINISHED=1
    echo "FAIL $NAME: $*"
    exit 1
}

need_root() { [ "$(id -u)" -eq 0 ] || skip "needs root (owners, mounts, namespaces)"; }

need() {
    local program
    for program in "$@"; do command -v "$program" >/dev/null || cannot "no $program: run tests/e2e/setup"; done
}

# small_project DIR: a copy of tests/e2e/small with its generated inputs, a lock and, beside it, seed and signing key.
small_project() {
    local project=$1
    mkdir -p "$project"
    cp -R "$E2E/small/." "$project/"
    # What git does not keep: modes beyond the x-bit, and a file too large to be worth it.
    mkdir -p "$project/inputs/parts/bin"
    openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in /dev/zero 2>/dev/null </dev/null | head -c 3000000 >"$project/inputs/blob" || true
    printf '#!/bin/sh\necho tool\n' >"$project/inputs/parts/bin/tool"
    chmod 755 "$project/inputs/parts/bin/tool"
    seq 1 20000 >"$project/inputs/parts/numbers.txt"
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -C "$project/inputs/parts" -czf "$project/inputs/parts.tar.gz" .
    rm -r "$project/inputs/parts"
    export XDG_CACHE_HOME=$WORK/cache
    [ -e "$WORK/small.seed" ] || "$MASTERMOLD" -q pki init "$project/profiles/small.toml" --seed "$WORK/small.seed" >/dev/null
    [ -e "$WORK/sign.key" ] || "$MASTERMOLD" -q key new "$WORK/sign.key" >/dev/null
    local profile
    for profile in small tiny; do
        "$MASTERMOLD" -q lock "$project/profiles/$profile.toml" --seed "$WORK/small.seed" >/dev/null
    done
}

# build_small PROJECT OUT [FLAG...]: builds and signs profiles/small.toml; PROFILE=tiny for the other one.
build_small() {
    local project=$1 out=$2 profile=${PROFILE:-small}
    shift 2
    "$MASTERMOLD" -q build "$project/profiles/$profile.toml" -o "$out" --seed "$WORK/small.seed" "$@" >/dev/null &&
        "$MASTERMOLD" -q sign "$out/$profile/$VERSION" --key "$WORK/sign.key" >/dev/null
}

# booting PROJECT OUT: builds a release of the small project from which machines start, OUT/booting/VERSION, unsigned; with
# a signer of its boot files in WORK: boot.key, chain.pem, and the authority that vouches for it, authority.pem.
booting() {
    local project=$1 out=$2 base=$WORK/base
    mkdir -p "$base" && printf '#!/bin/sh\n' >"$base/init" && chmod 755 "$base/init"
    (cd "$base" && echo init | cpio -o -H newc --quiet -R 0:0 >"$project/inputs/base.cpio")
    seq 50 >"$project/inputs/vmlinuz"
    {
        printf 'extends = "tiny.toml"\n[cluster]\nname = "booting"\n[boot]\nimgverify = true\n'
        printf '[base]\nkernel = { path = "inputs/vmlinuz" }\ninitrd = [{ path = "inputs/base.cpio" }]\ncmdline = "console=ttyS0"\n'
    } >"$project/profiles/booting.toml"
    authority -subj /CN=authority -keyout "$WORK/authority.key" -out "$WORK/authority.pem" -addext keyUsage=critical,keyCertSign
    authority -subj /CN=signer -keyout "$WORK/boot.key" -out "$WORK/boot.crt" -CA "$WORK/authority.pem" -CAkey "$WORK/authority.key" \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=codeSigning
    chmod 600 "$WORK/boot.key"
    cat "$WORK/boot.crt" "$WORK/authority.pem" >"$WORK/chain.pem"
    "$MASTERMOLD" -q lock "$project/profiles/booting.toml" --seed "$WORK/small.seed" >/dev/null
    "$MASTERMOLD" -q build "$project/profiles/booting.toml" -o "$out" --seed "$WORK/small.seed" >/dev/null
}
# authority FLAG...: a certificate of OpenSSL's own making, and its key.
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 "$@" 2>/dev/null; }

# uncompressed ARCHIVE: the name of a file that has it without compression. No pipe: cpio reads to its trailer and no
# further, and whoever writes the bytes behind that may die of SIGPIPE.
uncompressed() {
    local to=$WORK/uncompressed
    case $1 in
        *.zst) zstd -dqf "$1" -o "$to" ;;
        *.gz) gzip -dc "$1" >"$to" ;;
        *) cp "$1" "$to" ;;
    esac && echo "$to"
}
# unpack ARCHIVE DIR [PATTERN...]: a cpio's files. entries ARCHIVE: their names.
unpack() {
    local archive=$1 to=$2 cpio
    shift 2
    cpio=$(uncompressed "$archive") && (cd "$to" && cpio -idmu --quiet "$@" <"$cpio")
}
entries() {
    local cpio
    cpio=$(uncompressed "$1") && cpio -t --quiet <"$cpio"
}

# fingerprint RELEASE: one SHA-256 over every file's name, mode and contents.
fingerprint() {
    (cd "$1" && find . -printf '%P %y %m\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-64
}

# lies_there OVERLAY: says in it, a copy, what the test's machines have beside a release: programs of this host's distribution, and
# what these are linked with.
lies_there() {
    cat >>"$1/overlay.toml" <<'TOML'

[[provides]]
by        = "the machines of this test"
paths     = ["/lib64/ld-linux-x86-64.so.2", "/usr/bin/containerd", "/usr/bin/etcd", "/usr/lib/systemd/system/containerd.service"]
libraries = ["libc.so.6"]
TOML
}

# demo_release: builds the demo if it is not there or older than what it is made of, and prints its directory.
demo_release() {
    local made=$ROOT/.demo/release newer
    newer=$(find "$ROOT/overlays" "$ROOT/profiles" "$MASTERMOLD" -newer "$made" -type f -print -quit 2>/dev/null || echo none)
    if [ ! -e "$made" ] || [ -n "$newer" ] || [ ! -e "$(cat "$made")/public/manifest.json" ]; then
        (
            unset XDG_CACHE_HOME
            [ -z "$CALLER_CACHE" ] || export XDG_CACHE_HOME=$CALLER_CACHE
            "$E2E/demo" --quiet >&2
        ) || return 1
    fi
    cat "$made"
}
