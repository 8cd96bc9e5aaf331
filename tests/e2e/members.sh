# shellcheck shell=bash
# Three etcd members as their machines would run them: master-0, master-1 and master-2 of control-plane.sh, each with the
# command and the user of its own unit. For a script that is inside `unshare -nm` and has sourced lib.sh.
source "$E2E/control-plane.sh"

# shellcheck disable=SC2034
BOUND=1800
PKI=/etc/kubernetes/pki
ENDPOINTS=https://192.168.5.11:2379,https://192.168.5.12:2379,https://192.168.5.13:2379

members() { machines master-0=192.168.5.11/24 master-1=192.168.5.12/24 master-2=192.168.5.13/24; }
start_member() { start_unit "$1" etcd.service; }
stop_member() { stop "$1" etcd; }

# etcdctl NODE ARGUMENT...: from that machine, with its API server's client certificate unless CLIENT says otherwise, and
# trusting what it trusts unless TRUST does.
etcdctl() {
    local root=${ROOTS[$1]}
    shift
    # shellcheck disable=SC2086
    chroot "$root" env ETCDCTL_API=3 etcdctl --dial-timeout=2s --command-timeout=5s --endpoints "$ENDPOINTS" \
        --cacert "${TRUST:-$PKI/etcd/ca.crt}" ${CLIENT---cert $PKI/apiserver-etcd-client.crt --key $PKI/apiserver-etcd-client.key} "$@"
}

# healthy NODE: within half a minute all members are, asked from there.
healthy() { eventually 30 etcdctl "$1" endpoint health; }
