# shellcheck shell=bash
# etcd members as their machines would run them: each with the command and the user of its own unit, in a network
# namespace of the profile's address on one bridge, and in a root of its own, which is this system with the layers of a
# release on top. For a script that is inside `unshare -nm` and has sourced lib.sh.

declare -A MEMBER
PKI=/etc/kubernetes/pki
ENDPOINTS=https://192.168.5.11:2379,https://192.168.5.12:2379,https://192.168.5.13:2379

# members: the network and the roots of master-0, master-1 and master-2.
members() {
    local number name
    ip link set lo up
    mount -t tmpfs tmpfs "$WORK"
    mkdir -p /run/netns && mount -t tmpfs tmpfs /run
    mkdir -p /run/netns
    ip link add bridge type bridge
    ip link set bridge up
    ip address add 192.168.5.1/24 dev bridge
    for number in 0 1 2; do
        name=master-$number
        ip netns add "$name"
        ip link add "veth$number" type veth peer name eth0 netns "$name"
        ip link set "veth$number" master bridge up
        ip -n "$name" link set lo up
        ip -n "$name" address add "192.168.5.1$((number + 1))/24" dev eth0
        ip -n "$name" link set eth0 up
        mkdir -p "$WORK/$name"/{upper,work,root}
        mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/$name/upper,workdir=$WORK/$name/work" "$WORK/$name/root" ||
            skip "no overlay file system over / here"
    done
    # As systemd starts it: the user and the words of the unit, not ours.
    cat >"$WORK/start.py" <<'PY'
import os, shlex, sys
name, root = sys.argv[1:]
unit = {}
for line in open(root + "/etc/systemd/system/etcd.service"):
    key, _, value = line.strip().partition("=")
    unit[key] = value
words = shlex.split(unit["ExecStart"])
os.execvp("ip", ["ip", "netns", "exec", name, "chroot", root, "setpriv", "--reuid", unit["User"], "--regid", unit["Group"], "--clear-groups", *words])
PY
}

# unpack_on RELEASE NODE: its three layers, in their order, over what is on the machine.
unpack_on() {
    local layer
    for layer in "$1"/public/layers/common-*.cpio.zst "$1/public/$2/node.cpio.zst" "$1/secrets/$2/secrets.cpio.zst"; do
        (cd "$WORK/$2/root" && zstd -dcq "$layer" | cpio -idmu --quiet)
    done
}

start_member() {
    python3 "$WORK/start.py" "$1" "$WORK/$1/root" >>"$WORK/etcd-$1.log" 2>&1 &
    MEMBER[$1]=$!
}

stop_member() {
    kill "${MEMBER[$1]}"
    wait "${MEMBER[$1]}" 2>/dev/null || true
}

# etcdctl NODE ARGUMENT...: from that machine, with its API server's client certificate unless CLIENT says otherwise, and
# trusting what it trusts unless TRUST does.
etcdctl() {
    local root=$WORK/$1/root
    shift
    # shellcheck disable=SC2086
    chroot "$root" env ETCDCTL_API=3 etcdctl --dial-timeout=2s --command-timeout=5s --endpoints "$ENDPOINTS" \
        --cacert "${TRUST:-$PKI/etcd/ca.crt}" ${CLIENT---cert $PKI/apiserver-etcd-client.crt --key $PKI/apiserver-etcd-client.key} "$@"
}

# healthy NODE: within half a minute all members are, asked from there.
healthy() {
    local end=$((SECONDS + 30))
    until etcdctl "$1" endpoint health >"$WORK/health" 2>&1; do
        [ $SECONDS -lt $end ] || { cat "$WORK/health"; return 1; }
        sleep 0.5
    done
}
