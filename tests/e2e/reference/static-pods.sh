# shellcheck shell=bash
# The shipped profiles reference/static-pods-1.23 and its key-keeper mode, with a mirror of the releases below WORK in the
# place of the internet. For a script that has sourced lib.sh.

# static_pods_mirror DIR: what the profile fetches, under the names of the releases: small programs that say their name, or
# those of the directory REAL, where it has them.
static_pods_mirror() {
    local mirror=$1 name kubernetes=$1/kubernetes/v1.23.12/bin/linux/amd64 github=$1/github program
    local runc=$github/opencontainers/runc/releases/download/v1.1.3 etcd=$github/etcd-io/etcd/releases/download/v3.5.5
    local containerd=$github/containerd/containerd/releases/download/v1.6.8 crictl=$github/kubernetes-sigs/cri-tools/releases/download/v1.23.0
    mkdir -p "$kubernetes" "$runc" "$etcd/parts/etcd-v3.5.5-linux-amd64" "$containerd/parts/bin" "$crictl/parts"
    stand_in() {
        printf '#!/bin/sh\necho "%s of the mirror"\n' "${1##*/}" >"$1"
        [ ! -x "${REAL:-}/${1##*/}" ] || cp "$REAL/${1##*/}" "$1"
        chmod 755 "$1"
    }
    for program in kubectl kubelet kubeadm; do
        stand_in "$kubernetes/$program"
        sha256sum <"$kubernetes/$program" | cut -c1-64 >"$kubernetes/$program.sha256"
    done
    stand_in "$runc/runc.amd64"
    (cd "$runc" && sha256sum runc.amd64 >runc.sha256sum)
    for program in etcd etcdctl etcdutl; do stand_in "$etcd/parts/etcd-v3.5.5-linux-amd64/$program"; done
    for program in containerd containerd-shim-runc-v2 containerd-stress ctr; do stand_in "$containerd/parts/bin/$program"; done
    stand_in "$crictl/parts/crictl"
    for name in "$etcd/etcd-v3.5.5-linux-amd64" "$containerd/containerd-1.6.8-linux-amd64" "$crictl/crictl-v1.23.0-linux-amd64"; do
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "${name%/*}/parts" -czf "$name.tar.gz" .
        (cd "${name%/*}" && sha256sum "${name##*/}.tar.gz" | tee SHA256SUMS "${name##*/}.tar.gz.sha256sum" | cut -c1-64 >"${name##*/}.tar.gz.sha256")
    done
}

# static_pods_project DIR: the shipped overlays and profiles, and profiles/issued.toml and profiles/key-keeper.toml, which take
# the programs from a mirror and the seed from WORK.
static_pods_project() {
    local project=$1 mode extends
    mkdir -p "$project/programs"
    cp -R "$ROOT/overlays" "$ROOT/profiles" "$project/"
    static_pods_mirror "$WORK/mirror"
    printf '#!/bin/sh\necho "key-keeper in its place"\n' >"$project/programs/key-keeper"
    for mode in issued key-keeper; do
        extends=reference/static-pods-1.23.toml
        [ "$mode" = issued ] || extends=reference/static-pods-1.23-$mode.toml
        cat >"$project/profiles/$mode.toml" <<TOML
extends = "$extends"
[pki]
seed = "$WORK/static-pods.seed"
[vars.fraima-programs]
kubernetes-url = "file://$WORK/mirror/kubernetes"
github-url     = "file://$WORK/mirror/github"
TOML
    done
    export XDG_CACHE_HOME=$WORK/cache
    "$MASTERMOLD" -q pki init "$project/profiles/issued.toml" >/dev/null
}

# static_pods_release PROJECT MODE OUT: locks and builds; prints the release's directory.
static_pods_release() {
    (
        cd "$1"
        "$MASTERMOLD" -q lock "profiles/$2.toml" >/dev/null
        "$MASTERMOLD" -q build "profiles/$2.toml" -o "$3" >/dev/null
    ) && echo "$3"/*/*
}

# smaller_keys PROFILE [NAME...]: RSA keys of 2048 bits, which are found in a tenth of the time; but for those of NAME.
smaller_keys() {
    python3 - "$ROOT/overlays/fraima-pki/overlay.toml" "$@" <<'PY'
import sys, tomllib
overlay, profile, *same = sys.argv[1:]
overlay = tomllib.load(open(overlay, "rb"))
with open(profile, "a") as profile:
    profile.write("[pki.algorithms]\n")
    for one in overlay["authorities"] + overlay["certificates"] + overlay["keypairs"]:
        assert one["algorithm"] == "rsa-4096", one["name"]
        if one["name"] not in same:
            profile.write(f'{one["name"]} = "rsa-2048"\n')
PY
}
