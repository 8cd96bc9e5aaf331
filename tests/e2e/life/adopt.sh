# shellcheck shell=bash
# docs/how-to/adopt.md, for a cluster as kubeadm makes it (RSA 2048) and one with ECDSA keys.
PAGE=adopt.md

# another_project NAME: a project of its own, with a home of its own, in which nothing has been built.
another_project() {
    export HOME=$WORK/home-$1
    mkdir -p "$HOME" "$WORK/$1/profiles"
    cp -R "$ROOT/overlays" "$E2E/life/overlays" "$WORK/$1/"
    cp "$E2E/life/profiles/machines.toml" "$WORK/$1/profiles/"
    cd "$WORK/$1" || exit
    GENERATIONS=() IMPORTS='' ACCEPTED='' PKI_MORE='' RELEASE='' RELEASES=0 OLD=1 NEW=2 KEPT=''
}
# built WHAT: the next release, in the project where we are.
built() {
    next_version
    write_profile
    RELEASE=$PWD/out/prod/$RELEASES
    if mastermold lock profiles/prod.toml >/dev/null 2>"$WORK/log" && mastermold build profiles/prod.toml >/dev/null 2>"$WORK/log"; then
        pass "$1"
    else
        fail "$1: $(cat "$WORK/log")"
    fi
}
then_openssl() { faketime "$(day "$START - 100 days")" openssl "$@" 2>>"$WORK/openssl.log"; }

# kubeadm_cluster DIRECTORY KEY-OPTIONS...: /etc/kubernetes of a master that kubeadm set up 100 days before START.
kubeadm_cluster() {
    local directory=$1/etc/kubernetes pki=$1/etc/kubernetes/pki name cn
    shift
    mkdir -p "$pki/etcd"
    for name in ca:kubernetes etcd/ca:etcd-ca front-proxy-ca:front-proxy-ca; do
        cn=${name#*:} name=${name%:*}
        openssl genpkey "$@" 2>/dev/null | openssl pkey -traditional -out "$pki/$name.key"
        then_openssl req -x509 -new -sha256 -days 3650 -subj "/CN=$cn" -key "$pki/$name.key" -out "$pki/$name.crt" \
            -addext 'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign' \
            -addext 'basicConstraints=critical,CA:TRUE' -addext "subjectAltName=DNS:$cn"
    done
    leaf ca apiserver kube-apiserver serverAuth
    leaf ca apiserver-kubelet-client "kube-apiserver-kubelet-client/O=kubeadm:cluster-admins" clientAuth
    leaf etcd/ca etcd/server master-0 serverAuth,clientAuth
    leaf etcd/ca apiserver-etcd-client kube-apiserver-etcd-client clientAuth
    leaf front-proxy-ca front-proxy-client front-proxy-client clientAuth
    openssl genpkey "$@" 2>/dev/null | openssl pkey -traditional -out "$pki/sa.key"
    openssl pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
    cat >"$directory/encryption-config.yaml" <<YAML
kind: EncryptionConfiguration
resources:
- resources: ["secrets"]
  providers:
  - aescbc:
      keys:
      - name: key-2024
        secret: "$(openssl rand -base64 32)"
  - identity: {}
YAML
}
leaf() { # AUTHORITY FILE CN USAGES
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$pki/$2.key" 2>/dev/null
    then_openssl req -new -subj "/CN=$3" -key "$pki/$2.key" -out "$WORK/leaf.csr"
    then_openssl x509 -req -in "$WORK/leaf.csr" -CA "$pki/$1.crt" -CAkey "$pki/$1.key" -days 365 -out "$pki/$2.crt" \
        -extfile <(printf 'extendedKeyUsage=%s\nsubjectAltName=DNS:master-0' "$4")
}
# The machine that the page's commands ask.
ssh() { [ "$1 $2" = "root@master-0 cat" ] && cat "$MACHINE$3"; }
# The n-th block of shell of a page's section.
block() { awk -v section="## $2" -v wanted="$3" '
    /^## / { here = $0 == section } here && /^```sh/ { number++; inside = 1; next } /^```/ { inside = 0 }
    here && inside && number == wanted' "$DOCS/$1"; }

for kind in rsa ec; do
    case $kind in
        rsa) options=(-algorithm RSA -pkeyopt rsa_keygen_bits:2048) ;;
        ec) options=(-algorithm EC -pkeyopt ec_paramgen_curve:P-256) ;;
    esac
    MACHINE=$WORK/kubeadm-$kind
    kubeadm_cluster "$MACHINE" "${options[@]}"
    another_project "adopt-$kind"
    mkdir overlays/join
    cat >overlays/join/overlay.toml <<'TOML'
summary = "the token with which machines join"
[[secrets]]
name  = "bootstrap-token"
shape = "bootstrap-token"
scope = "cluster"
path  = "/etc/kubernetes/bootstrap-token"
TOML
    sed -i 's/"encryption-at-rest"/&, "join"/' profiles/machines.toml
    check "adopt $kind: the page's shell runs" bash -c "$(declare -f ssh); $(declare -p MACHINE); set -e; $(block $PAGE '1. Copy' 1); $(block $PAGE '1. Copy' 2)"
    (umask 077 && echo abcdef.0123456789abcdef >~/prod-keys/bootstrap-token)
    TOML=$(awk '/^## /{ here = $0 == "## 2. The profile" } here && /^```toml/ { inside = 1; next } /^```/ { inside = 0 } here && inside' "$DOCS/$PAGE")
    IMPORTS=$TOML
    next_version && write_profile && RELEASES=0
    mastermold pki init profiles/prod.toml >/dev/null
    built "adopt $kind: it is locked and built"
    check "adopt $kind: the page's checks pass but for the writing of the last" \
        bash -c "$(declare -f ssh of); $(declare -p MACHINE); set -e; $(block $PAGE '4. Check before the first machine gets it' 1 | sed "s|^release=.*|release=$RELEASE|; /encryption-config/d")"
    for pair in ca:apiserver ca:apiserver-kubelet-client etcd/ca:etcd/server etcd/ca:apiserver-etcd-client front-proxy-ca:front-proxy-client; do
        old=$MACHINE/etc/kubernetes/pki
        check "adopt $kind: the authority of ${pair#*:} is the same to the byte" cmp "$old/${pair%:*}.crt" <(pki "$RELEASE" master-1 "${pair%:*}.crt")
        check "adopt $kind: new machines take the old ${pair#*:}" openssl verify -CAfile <(pki "$RELEASE" master-1 "${pair%:*}.crt") "$old/${pair#*:}.crt"
        check "adopt $kind: old machines take the new ${pair#*:}" openssl verify -x509_strict -CAfile "$old/${pair%:*}.crt" <(pki "$RELEASE" master-0 "${pair#*:}.crt")
    done
    OLD_TOKEN=$(python3 "$WORK/jwt.py" sign "$old/sa.key")
    check "adopt $kind: a token from before is accepted" accepts "$RELEASE" "$OLD_TOKEN"
    check "adopt $kind: sa.key is the same to the byte" cmp "$old/sa.key" <(pki "$RELEASE" master-0 sa.key)
    says_the_same() {
        python3 - "$MACHINE/etc/kubernetes/encryption-config.yaml" <(of "$RELEASE" master-0 $CONFIG) <<'PY'
import sys, yaml
before, after = (yaml.safe_load(open(path).read())["resources"] for path in sys.argv[1:])
sys.exit(before != after)
PY
    }
    check "adopt $kind: the encryption configuration says the same" says_the_same
    names_are_equal() { names_are "$RELEASE" key-2024; }
    check "adopt $kind: on all machines" names_are_equal
    check "adopt $kind: the token to join with" test "$(of "$RELEASE" master-0 etc/kubernetes/bootstrap-token)" = abcdef.0123456789abcdef
    no_key() { ! grep -rl 'PRIVATE KEY' . --include='*.lock' --include='*.toml' --include='*.json' --include='*.crt'; }
    check "adopt $kind: no key is in the project" no_key
    (umask 077 && echo abcdef.0123456789abcdeg >~/prod-keys/bootstrap-token)
    refused 4 'others than the lock was made with' "adopt $kind: another token is noticed" mastermold build profiles/prod.toml
    (umask 077 && echo abcdef.0123456789abcdef >~/prod-keys/bootstrap-token)

    # From imported keys to the seed's, as rotation.md says.
    PAGE=rotation.md
    ADOPTED=$RELEASE
    SINCE=$(day "$START")
    all_generations() {
        local name
        for name in ca etcd-ca front-proxy-ca; do generation $PAGE "$name = { $1$2 }"; done
        for name in sa encryption-key; do generation $PAGE "$name = { $1 }"; done
    }
    all_generations "current = OLD, accepted = [NEW]" ", since = { NEW = SINCE }"
    built "adopt $kind, then: first release"
    FIRST=$RELEASE
    both_ways "adopt $kind, then: first release" "$ADOPTED" "$FIRST"
    IMPORTS=$(sed '/^key = .*ca.key"/d; s|^key = .*sa.key"|public = "pki/sa.pub"|' <<<"$TOML")
    cp "$old/sa.pub" pki/
    rm ~/prod-keys/*ca.key ~/prod-keys/sa.key
    all_generations "current = NEW, accepted = [OLD]" ", since = { NEW = SINCE }"
    built "adopt $kind, then: second release, without the old private keys"
    both_ways "adopt $kind, then: second release" "$FIRST" "$RELEASE"
    check "adopt $kind, then: tokens from before are accepted" accepts "$RELEASE" "$OLD_TOKEN"
    check "adopt $kind, then: and the first release accepts new ones" accepts "$FIRST" "$(token "$RELEASE")"
    check "adopt $kind, then: the old key is second, with its name" names_are "$RELEASE" "key2 key-2024"
    PAGE=adopt.md
done
