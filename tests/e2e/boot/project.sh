# shellcheck shell=bash
# A project with the profiles of tests/e2e/boot, for scripts that boot releases of them. Sourced after lib.sh.
#
#     boot_project PROFILE            a project in $PROJECT with that profile, its lock and its seed
#     boot_build PROFILE DIR          its release, below DIR
#     boot_secrets RELEASE NODE PATH  a file of a node's secrets layer
#
# Debian's packages, and the base that is made of them, are kept with the lock that names them: a second run needs no network.

DEBIAN=$CACHE/boot-debian
PROJECT=$WORK/project
# QEMU alone needs this many times longer than a processor, and a host that has other work longer still.
SLOWER=${SLOWER:-1}

boot_project() {
    local profile=$1
    need qemu-system-x86_64 mmdebstrap python3 zstd cpio
    [ "$(uname -m)" = x86_64 ] || skip "the machines are for x86-64"
    mkdir -p "$PROJECT" "$DEBIAN"
    cp -R "$ROOT/overlays" "$E2E/boot/profiles" "$PROJECT/"
    cp -R "$E2E/boot/overlays/." "$PROJECT/overlays/"
    export XDG_CACHE_HOME=$DEBIAN/cache
    # Certificates begin yesterday, whatever day it is.
    SOURCE_DATE_EPOCH=$(date -ud "yesterday 00:00" +%s)
    export SOURCE_DATE_EPOCH
    # A seed of tests, which the kept locks belong to. Another profile's lock has the same base in it.
    local lock
    SEED=$DEBIAN/seed
    [ -e "$SEED" ] || "$MASTERMOLD" -q pki init "$PROJECT/profiles/$profile.toml" --seed "$SEED" >/dev/null
    for lock in "$DEBIAN/$profile.lock" "$DEBIAN"/*.lock; do
        [ ! -e "$lock" ] || { cp "$lock" "$PROJECT/profiles/$profile.lock" && break; }
    done
    "$MASTERMOLD" -q lock "$PROJECT/profiles/$profile.toml" --seed "$SEED" >"$WORK/lock.said" 2>&1 ||
        cannot "$profile cannot be locked: $(tail -n 3 "$WORK/lock.said" | tr '\n' ' ')"
    cp "$PROJECT/profiles/$profile.lock" "$DEBIAN/"
}

boot_build() {
    "$MASTERMOLD" -q build "$PROJECT/profiles/$1.toml" --seed "$SEED" -o "$2" >/dev/null
}

# whole CONSOLE: the kernel unpacked all that it was given, and did not panic.
whole() { ! grep -aq 'Initramfs unpacking failed\|Kernel panic' "$1"; }

# shown CONSOLE: its end, for who reads a failure.
shown() { tail -n 25 "$1" | tr -d '\r' | sed 's/^/    /'; }
