# shellcheck shell=bash
# A real Kubernetes, without internet: Debian's source package of it holds the whole upstream tree. For a script that has
# sourced lib.sh.

# The tree (bookworm's; later releases have kubectl's part only) and a Go that it was made for (bullseye's).
KUBERNETES_VERSION=1.20.2
GO_VERSION=1.15

KUBERNETES_PROGRAMS=(kubeadm kube-apiserver kube-controller-manager kube-scheduler kubelet typed)

# kubernetes: its programs, built once and kept in the cache; prints where they are. With KUBE_BIN_DIR, programs of this
# version that somebody else built are taken instead.
kubernetes() {
    local kept=$CACHE/kubernetes-$KUBERNETES_VERSION log=$WORK/kubernetes.log program missing=
    [ -z "${KUBE_BIN_DIR:-}" ] || kept=$KUBE_BIN_DIR
    for program in "${KUBERNETES_PROGRAMS[@]}"; do
        # `typed` is ours: who brings the others need not have it.
        [ -x "$kept/$program" ] || { [ "$program" = typed ] && [ -n "${KUBE_BIN_DIR:-}" ]; } || missing=$program
    done
    if [ -n "$missing" ] && [ -n "${KUBE_BIN_DIR:-}" ]; then
        echo "  KUBE_BIN_DIR=$KUBE_BIN_DIR has no $missing" >&2
        return 1
    fi
    if [ -n "$missing" ]; then
        echo "  building Kubernetes $KUBERNETES_VERSION, which takes some minutes, into $kept" >&2
        mkdir -p "$WORK/kubernetes" "$kept"
        exec 8>"$CACHE/.making" && flock 8
        (set -e; kubernetes_sources "$WORK/kubernetes") >"$log" 2>&1 || { tail -n 3 "$log" >&2; return 1; }
        (set -e; kubernetes_build "$WORK/kubernetes" "$kept") >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
        rm -rf "$WORK/kubernetes"
    fi
    echo "$kept"
}

# From the system's own mirror, through private lists: what apt checks is checked, and nothing is installed.
kubernetes_sources() {
    local to=$1 mirror
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sed -n '/\/debian$/{p;q}')
    mkdir -p "$to"/{parts,lists/partial,archives/partial}
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' \
        deb-src "$mirror" bookworm deb "$mirror" bullseye >"$to/parts/kubernetes.sources"
    local apt=(apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$to/parts" -o Dir::State::Lists="$to/lists"
        -o Dir::Cache="$to" -o APT::Sandbox::User=root)
    "${apt[@]}" update
    cd "$to"
    "${apt[@]}" source --download-only kubernetes
    "${apt[@]}" download "golang-$GO_VERSION-go" "golang-$GO_VERSION-src"
}

kubernetes_build() {
    local from=$1 to=$2 package tree flags types
    cd "$from"
    for package in golang-*.deb; do dpkg -x "$package" go; done
    tree=$from/path/src/k8s.io/kubernetes
    mkdir -p "$tree"
    tar -xzf kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1
    # Not one of theirs: a reader of objects by their types.
    cp -R "$E2E/typed" "$tree/cmd/typed"
    export GOROOT=$from/go/usr/lib/go-$GO_VERSION GOPATH=$from/path GOCACHE=$from/cache GO111MODULE=off CGO_ENABLED=0 GOFLAGS=
    PATH=$GOROOT/bin:$PATH
    cd "$tree"
    # The API's types in the form that the API server wants is generated code, which the tree does not hold.
    go build -o "$from/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    types=$(grep -rl --include='*.go' '+k8s:openapi-gen=true' cmd pkg staging |
        grep -v -e kube-openapi -e imagepolicy -e custom_metrics -e external_metrics |
        xargs -n1 dirname | sort -u | sed -e 's#^staging/src/#k8s.io/kubernetes/vendor/#' -e 't' -e 's#^#k8s.io/kubernetes/#' | paste -sd,)
    "$from/openapi-gen" --input-dirs "$types" --output-package k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        --output-base "$GOPATH/src" --go-header-file hack/boilerplate/boilerplate.generatego.txt -r /dev/null
    flags="-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"
    flags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=20"
    for package in "${KUBERNETES_PROGRAMS[@]}"; do
        [ -x "$to/$package" ] && continue
        go build -ldflags "$flags" -o "$to/.$package" "./cmd/$package"
        mv "$to/.$package" "$to/$package"
    done
}
