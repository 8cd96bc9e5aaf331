# shellcheck shell=bash
# What scripts that boot machines share, sourced after lib.sh: a kernel with its modules, an accelerator that works, a tiny
# base, and boots whose verdict is what the machine said, since QEMU exits with 0 for a panic too.
#
#     boot_kernel                     KERNEL and MODULES, from the cache or by apt
#     boot_accel                      ACCEL, by a boot; prints accel=... once
#     tiny_base FILE                  a base of busybox without /init; its /sbin/init starts what /etc/marker has
#     boot SECONDS MEMORY INITRD CMDLINE [QEMU ARGUMENT...]    $BOOT/console, and what the machine says on ttyS1 in $BOOT/report
#     told_done / told_line / panicked / half_unpacked         about the last boot

BOOT=$WORK/boot
FAULTS=0
mkdir -p "$CACHE" "$BOOT"

# boot_kernel: Debian's cloud kernel. A second run needs no network.
boot_kernel() {
    local package
    [ "$(uname -m)" = x86_64 ] || skip "the kernel is for x86-64"
    need qemu-system-x86_64 busybox cpio zstd python3 dpkg
    KERNEL=$(find "$CACHE" -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n1)
    MODULES=$CACHE/modules-${KERNEL##*/vmlinuz-}
    [ -z "$KERNEL" ] || [ ! -d "$MODULES" ] || return 0
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n1)
    [ -n "$package" ] || cannot "apt knows no linux-image-cloud-amd64 (apt-get update)"
    mkdir "$WORK/deb"
    (cd "$WORK/deb" && apt-get -q download "$package" >/dev/null 2>&1) || cannot "$package cannot be fetched and is not in $CACHE"
    dpkg -x "$WORK"/deb/*.deb "$WORK/deb/x"
    KERNEL=$CACHE/$(basename "$WORK"/deb/x/boot/vmlinuz-*)
    MODULES=$CACHE/modules-${KERNEL##*/vmlinuz-}
    cp "$WORK"/deb/x/boot/vmlinuz-* "$KERNEL.part" && mv "$KERNEL.part" "$KERNEL"
    rm -rf "$MODULES.part" "$MODULES"
    cp -a "$WORK"/deb/x/lib/modules/* "$MODULES.part" && mv "$MODULES.part" "$MODULES"
    rm -rf "$WORK/deb"
}

# boot SECONDS MEMORY INITRD CMDLINE [QEMU ARGUMENT...]: the exit status is the time-out's (124) or QEMU's.
boot() {
    local seconds=$1 memory=$2 initrd=$3 cmdline=$4 status
    shift 4
    once() {
        rm -f "$BOOT/report"
        status=0
        timeout -k 5 $((seconds * ${SLOWER:-1})) qemu-system-x86_64 "${ACCEL[@]}" -m "$memory" -smp 2 -display none -monitor none -no-reboot \
            -nic none -kernel "$KERNEL" -initrd "$initrd" -append "console=ttyS0 panic=-1 $cmdline" \
            -serial "file:$BOOT/console" -serial "file:$BOOT/report" "$@" </dev/null >"$BOOT/qemu" 2>&1 || status=$?
    }
    once "$@"
    # What fails before the kernel looks at the initrd is the emulator's: once more, and it is told.
    if ! grep -aq 'Trying to unpack rootfs\|Unpacking initramfs' "$BOOT/console"; then
        FAULTS=$((FAULTS + 1))
        note "the emulator failed before the initrd was read ($FAULTS); once more"
        once "$@"
    fi
    return "$status"
}

# told_line LINE: the machine said just that. told_done: it came to its end, and nothing failed on the way.
told_line() { tr -d '\r' <"$BOOT/report" 2>/dev/null | grep -qxF -e "$1"; }
panicked() { grep -aq 'Kernel panic' "$BOOT/console"; }
half_unpacked() { grep -aq 'Initramfs unpacking failed' "$BOOT/console"; }
told_done() { told_line DONE && ! panicked && ! half_unpacked; }
# shown: the end of the console, for who reads a failure.
shown() { tail -n "${1:-15}" "$BOOT/console" | tr -d '\r' | sed 's/^/    /'; }

# boot_accel: KVM can be there and useless, so it is tried with a boot. BOOT_ACCEL=kvm makes that an error, =tcg leaves it out.
boot_accel() {
    local reason="asked for" probe=$WORK/probe
    mkdir -p "$probe/dev"
    cp "$(command -v busybox)" "$probe/busybox"
    printf '#!/busybox sh\n/busybox mount -t devtmpfs dev /dev\necho DONE >/dev/ttyS1\n/busybox poweroff -f\n' >"$probe/init"
    chmod 755 "$probe/init"
    pack "$probe" "$probe.cpio"
    if [ "${BOOT_ACCEL:-}" != tcg ]; then
        if [ ! -w /dev/kvm ]; then
            reason="no /dev/kvm"
        else
            ACCEL=(-accel kvm -cpu host)
            if { boot 15 256 "$probe.cpio" "" >/dev/null || true; } 2>/dev/null && told_done; then
                echo "  accel=kvm"
                return 0
            fi
            reason="kvm: $(grep -m1 -a -i 'fail\|error' "$BOOT/qemu" || echo "no boot")"
        fi
        [ "${BOOT_ACCEL:-}" != kvm ] || cannot "KVM was asked for, and it does not work ($reason)"
    fi
    # cmpxchg16b of QEMU 7.2 is broken: kernels panic at random.
    ACCEL=(-accel tcg,thread=multi -cpu max,-cx16)
    FAULTS=0
    boot 60 256 "$probe.cpio" "" || true
    told_done || cannot "no accelerator boots ${KERNEL##*/}: $(tail -n2 "$BOOT/console" "$BOOT/qemu" | tr '\n' ' ')"
    echo "  accel=tcg reason=\"$reason\""
}

# pack DIR FILE: a raw cpio of a directory, all of it root's.
pack() { (cd "$1" && find . -mindepth 1 | sort | cpio -o -H newc --quiet -R 0:0 >"$2"); }

# tiny_base FILE: everything that a base must have, in 2 MB. Its init runs what it finds in /etc/marker, which stands for the
# machine's units, and then /etc/after-markers if that is there, on ttyS1; then the machine is off.
tiny_base() {
    local root=$WORK/tiny-base
    rm -rf "$root"
    mkdir -p "$root"/{bin,sbin,etc,dev,proc,sys,run,tmp,usr/lib,var/lib}
    cp "$(command -v busybox)" "$root/bin/busybox"
    while read -r applet; do ln -s busybox "$root/bin/$applet"; done < <("$root/bin/busybox" --list | grep -vx busybox)
    cat >"$root/sbin/init" <<'INIT'
#!/bin/sh
exec >/dev/ttyS1 2>&1
for marker in /etc/marker/*; do sh "$marker"; done
[ ! -e /etc/after-markers ] || sh /etc/after-markers
echo DONE
sync
poweroff -f
INIT
    chmod 755 "$root/sbin/init"
    pack "$root" "$1"
}

# small_base FILE: a Debian with systemd, udev, runc and e2fsprogs, and the modules for disks, cards and containers; made once
# with mmdebstrap and kept. Nothing in it is ours: no /init.
small_base() {
    local kept=$CACHE/base-small-${KERNEL##*/vmlinuz-}.cpio.zst root=$WORK/small-base version=${KERNEL##*/vmlinuz-} module line
    if [ ! -e "$kept" ]; then
        need_root
        need mmdebstrap modprobe depmod
        mkdir -p "$root"
        mmdebstrap --quiet --mode=root --variant=essential --include=systemd,systemd-sysv,udev,kmod,runc,e2fsprogs \
            --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
            "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root/all" >"$WORK/mmdebstrap" 2>&1 </dev/null ||
            cannot "mmdebstrap makes no base, and $CACHE has none: $(tail -n1 "$WORK/mmdebstrap")"
        mkdir -p "$root/modules/lib/modules"
        cp -a "$MODULES" "$root/modules/lib/modules/$version"
        mkdir -p "$root/all/usr/lib/modules/$version"
        cp "$MODULES"/modules.{builtin,builtin.modinfo,order} "$root/all/usr/lib/modules/$version/"
        depmod -b "$root/modules" "$version"
        for module in virtio_pci virtio_blk virtio_net virtio_rng overlay br_netfilter nf_conntrack loop; do
            modprobe -d "$root/modules" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
        done | sort -u | while read -r line; do
            line=${line#"$root/modules/lib/modules/$version/"}
            mkdir -p "$root/all/usr/lib/modules/$version/${line%/*}"
            cp "$MODULES/$line" "$root/all/usr/lib/modules/$version/$line"
        done
        depmod -b "$root/all" "$version"
        rm -rf "$root"/all/{boot,dev,proc,sys,run,tmp}/* "$root"/all/var/{cache,lib}/apt/* "$root"/all/var/log/*.log
        (cd "$root/all" && find . -mindepth 1 -xdev | sort | cpio -o -H newc --quiet) | zstd -q -3 -T0 >"$kept.part"
        mv "$kept.part" "$kept"
        rm -rf "$root"
    fi
    cp "$kept" "$1"
}
