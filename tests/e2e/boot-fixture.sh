# shellcheck shell=bash
# A release made by hand, small enough to boot in seconds: for tests of what is done with a release, not of how one is
# built. Sourced after lib.sh.

# archive NAME TEXT: a cpio on standard output with one file, /NAME.
archive() {
    mkdir -p "$WORK/archive"
    rm -rf "${WORK:?}/archive"/*
    printf '%s\n' "$2" >"$WORK/archive/$1"
    (cd "$WORK/archive" && find . -type f | cpio -o -H newc --quiet -R 0:0)
}

# The machine's only program: says what it was given, then what it is told to do by `then=` on its command line.
fixture_init() {
    cat <<'INIT'
#!/.test/busybox sh
B=/.test/busybox
$B mount -t devtmpfs dev /dev
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
echo "GUEST cmdline $($B cat /proc/cmdline)"
for file in node-file secret-file; do
    if [ -e /$file ]; then echo "GUEST $file $($B cat /$file)"; else echo "GUEST $file is missing"; fi
done
echo "GUEST memory $($B awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) processors $($B grep -c ^processor /proc/cpuinfo)"
for device in /sys/bus/pci/devices/*; do echo "GUEST pci $($B cat $device/vendor):$($B cat $device/device)"; done
echo "GUEST report" >/dev/ttyS1 2>/dev/null
case " $($B cat /proc/cmdline) " in
    *" then=panic "*) exit 1 ;;
    *" then=wait "*) echo "GUEST waits"; $B printf 'prompt without end: '; $B sleep 600 ;;
esac
echo "GUEST done"
$B sync
$B poweroff -f
INIT
}

# fixture RELEASE [KERNEL]: nodes m0 (with a MAC address) and m1 (without).
fixture() {
    local release=$1 kernel=${2:-} public=$1/public node
    mkdir -p "$public/boot" "$WORK/base/.test" "$WORK/base/dev" "$WORK/base/proc" "$WORK/base/sys"
    (umask 077; mkdir -p "$release/secrets/admin")
    if [ -n "$kernel" ]; then cp "$kernel" "$public/boot/vmlinuz-test"; else printf 'no kernel' >"$public/boot/vmlinuz-test"; fi
    cp "$(command -v busybox)" "$WORK/base/.test/busybox"
    fixture_init >"$WORK/base/init"
    chmod 755 "$WORK/base/init"
    (cd "$WORK/base" && find . | sort | cpio -o -H newc --quiet -R 0:0) >"$WORK/base.cpio"
    # Of a length that is no multiple of four: a raw archive behind it is found only if it is filled up.
    zstd -q -f "$WORK/base.cpio" -o "$public/boot/base-test.cpio.zst"
    while [ $(($(stat -c %s "$public/boot/base-test.cpio.zst") % 4)) -eq 0 ]; do
        head -c 1 /dev/urandom | od -An -tx1 >"$WORK/base/.test/salt"
        (cd "$WORK/base" && find . | sort | cpio -o -H newc --quiet -R 0:0) >"$WORK/base.cpio"
        zstd -q -f "$WORK/base.cpio" -o "$public/boot/base-test.cpio.zst"
    done
    for node in m0 m1; do
        mkdir -p "$public/$node/boot"
        (umask 077; mkdir -p "$release/secrets/$node")
        archive node-file "of $node" >"$public/$node/node.cpio"
        (umask 077; archive secret-file "hunter2 of $node" >"$release/secrets/$node/secrets.cpio")
        fixture_script "$node" >"$public/$node/boot/boot.ipxe"
    done
    (umask 077; echo "an administrator's key" >"$release/secrets/admin/admin.conf")
    {
        printf '#!ipxe\n'
        # shellcheck disable=SC2016
        printf 'echo MENU for ${net0/mac}\niseq ${net0/mac} 52:54:00:00:00:10 && chain m0/boot/boot.ipxe ||\necho no such machine\n'
    } >"$public/boot.ipxe"
    fixture_manifest "$release"
    fixture_sums "$release"
}

# fixture_script NODE: paths are relative, as in a release; initrd= as every iPXE needs it.
fixture_script() {
    printf '#!ipxe\n'
    # shellcheck disable=SC2016
    printf 'echo SCRIPT of %s\n' "$1"
    printf 'kernel ../../boot/vmlinuz-test console=ttyS0 from=pxe panic=-1 initrd=base initrd=node initrd=secrets || goto fail\n'
    printf 'initrd --name base ../../boot/base-test.cpio.zst || goto fail\n'
    printf 'initrd --name node ../node.cpio || goto fail\n'
    printf 'initrd --name secrets ../../secrets/%s/secrets.cpio || goto fail\n' "$1"
    # shellcheck disable=SC2016
    printf 'boot || goto fail\n:fail\necho IPXE-FAILED ${errno}\n'
}

fixture_manifest() {
    python3 - "$1" <<'MANIFEST'
import json, sys
root, nodes = sys.argv[1], []
for name, mac in (("m0", "52:54:00:00:00:10"), ("m1", None)):
    boot = {"arch": "amd64"}
    if mac:
        boot["mac"] = mac
    boot["kernel"] = "public/boot/vmlinuz-test"
    boot["initrds"] = ["public/boot/base-test.cpio.zst", f"public/{name}/node.cpio", f"secrets/{name}/secrets.cpio"]
    boot["cmdline"] = f"console=ttyS0 mastermold.name={name}"
    boot["memory"] = 64 << 20
    nodes.append({"name": name, "artifacts": [], "boot": boot})
nodes.append({"name": "bare", "artifacts": []})
zero = "0" * 64
manifest = {"format": 1, "tool": "mastermold 0.0.0", "cluster": "lab", "version": "1.0.0", "epoch": "2026-11-01T00:00:00Z",
            "profile": zero, "overlays": zero, "lock": zero, "nodes": nodes, "artifacts": []}
open(f"{root}/public/manifest.json", "w").write(json.dumps(manifest, separators=(",", ":")) + "\n")
MANIFEST
}

fixture_sums() {
    local part
    for part in public secrets; do
        (cd "$1/$part" && umask 077 && find . -type f ! -name 'SHA256SUMS*' -printf '%P\0' | sort -z | xargs -0 sha256sum >"$WORK/sums" && cp "$WORK/sums" SHA256SUMS)
    done
}
