# shellcheck shell=bash
# docs/how-to/outside-authority.md: the cluster's authority is an intermediate whose key is here; etcd's is elsewhere, below
# an offline root; and one of our own has an intermediate too. Real etcd members take what came from outside.
PAGE=outside-authority.md
another_project outside
mkdir overlays/web "$WORK/corporate"
# Two authorities from the seed, one above the other.
cat >overlays/web/overlay.toml <<'TOML'
summary = "a server whose authority has one above it"
[[authorities]]
name    = "web-root"
subject = { cn = "web root" }
chain   = ["/etc/web/root.crt"]
[[authorities]]
name        = "web-ca"
issuer      = "web-root"
subject     = { cn = "web" }
path-length = 0
cert        = ["/etc/web/ca.crt"]
chain       = ["/etc/web/chain.crt"]
[[certificates]]
name      = "web"
authority = "web-ca"
subject   = { cn = "{{ node.name }}" }
usages    = ["server-auth"]
dns       = ["{{ node.name }}"]
cert      = "/etc/web/web.crt"
key       = "/etc/web/web.key"
combined  = "/etc/web/web.pem"
TOML
sed -i 's/"encryption-at-rest"/&, "web"/' profiles/machines.toml
before() { faketime "$(day "$START")" "$@"; }
runs() { # WHAT SHELL: what a page says, where we are, at START
    check "$1" before bash -c "set -e; $2"
}
section() { # HEADING LANGUAGE: all blocks of it
    awk -v section="## $1" -v fence="^\`\`\`$2" '/^## / { here = $0 == section } here && $0 ~ fence { inside = 1; next }
        /^```/ { inside = 0 } here && inside' "$DOCS/$PAGE"
}

# The company's root, and etcd's authority below it: neither key is ever in the project.
cd "$WORK/corporate" || exit
before openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj "/O=Example/CN=Example Root" -days 3650 \
    -keyout root.key -out root.crt -addext keyUsage=critical,keyCertSign 2>/dev/null
openssl req -newkey rsa:3072 -nodes -subj "/O=Example/CN=Example etcd" -keyout etcd-ca.key -out etcd-ca.csr \
    -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign 2>/dev/null
before openssl x509 -req -in etcd-ca.csr -CA root.crt -CAkey root.key -days 1825 -copy_extensions copyall -out etcd-ca.crt 2>/dev/null
cd "$WORK/outside" || exit

# The intermediate.
runs "outside: the page's request for an intermediate" "$(block $PAGE "An intermediate authority of the cluster's own" 1)"
mv ca.csr "$WORK/corporate/"
cd "$WORK/corporate" || exit
runs "outside: the page's signature for it" "$(block $PAGE "An intermediate authority of the cluster's own" 2)"
cp ca.crt root.crt "$WORK/outside/"
cd "$WORK/outside" || exit
runs "outside: the page's chain of it" "$(block $PAGE "An intermediate authority of the cluster's own" 3)"
cat "$WORK/corporate/etcd-ca.crt" root.crt >pki/etcd-ca.crt
rm ca.crt

IMPORTS=$(section "An intermediate authority of the cluster's own" toml; section "Every certificate from outside" toml)
next_version && write_profile && RELEASES=0
mastermold pki init profiles/prod.toml >/dev/null
mastermold lock profiles/prod.toml >/dev/null
refused 2 'has not issued pki/issued/etcd-ca/master-0/etcd-server.crt yet; .*pki csr' "outside: nothing is issued yet" mastermold build profiles/prod.toml
mastermold pki csr profiles/prod.toml --out csr >/dev/null
check "outside: a request for each of its certificates, and no other" test "$(find csr -type f | wc -l)" = 12
mv csr "$WORK/corporate/"
cd "$WORK/corporate" || exit
runs "outside: the page's signatures" "$(block $PAGE "Every certificate from outside" 2)"
cp -R issued "$WORK/outside/"
cd "$WORK/outside" || exit
mkdir -p pki/issued && cp -R issued pki/issued/etcd-ca
refused 2 'is not in it.*mastermold lock' "outside: what came is not in the lock" mastermold build profiles/prod.toml
built "outside: it is locked and built"
mastermold pki csr profiles/prod.toml --out csr >/dev/null
check "outside: the requests are the same every time" diff -r csr "$WORK/corporate/csr"
check "outside: fetch without a seed" env HOME=/nowhere "$MASTERMOLD" -q fetch profiles/prod.toml
for node in "${NODES[@]}"; do
    for file in etcd/server etcd/peer apiserver-etcd-client; do
        pki "$RELEASE" "$node" "$file.crt" >server.crt
        check "outside: $file of $node, by the root and what comes with it" openssl verify -CAfile root.crt -untrusted server.crt server.crt
        check "outside: $file of $node, by what machines trust" openssl verify -partial_chain -CAfile <(pki "$RELEASE" "$node" etcd/ca.crt) server.crt
        fits() { cmp <(openssl x509 -in server.crt -noout -pubkey) <(pki "$RELEASE" "$node" "$file.key" | openssl pkey -pubout); }
        check "outside: $file of $node fits its key" fits
    done
    pki "$RELEASE" "$node" apiserver.crt >server.crt
    check "intermediate: $node's server, by the root and what comes with it" openssl verify -x509_strict -CAfile root.crt -untrusted server.crt server.crt
    trusts_one() { [ "$(certificates "$RELEASE" ca.crt)" = 1 ] && [ "$(pki "$RELEASE" "$node" ca.crt | openssl x509 -noout -subject)" = "subject=O = Example, CN = prod kubernetes" ]; }
    check "intermediate: $node trusts it and not the root" trusts_one
    web() { of "$RELEASE" "$node" "etc/web/$1"; }
    check "derived: the server by the root and what comes with it" openssl verify -x509_strict -CAfile <(web root.crt) -untrusted <(web web.crt) <(web web.crt)
    root_last() { cmp <(web root.crt) <(web chain.crt | awk '/BEGIN/ { number++ } number == 2'); }
    check "derived: the chain has the root last" root_last
    in_one() { cmp <(web web.pem) <(web web.crt; web web.key); }
    check "derived: certificate, chain and key in one file" in_one
    alone() { ! openssl verify -CAfile <(web root.crt) <(web web.crt); }
    check "derived: not without the intermediate" alone
done
check "outside: no key of the company is in the project" bash -c '! grep -rl "PRIVATE KEY" pki issued csr profiles'

# Renewed: the same requests, signed later.
cd "$WORK/corporate" || exit
rm -r issued
check "renewed: signed again" faketime "$(day "$START + 1 day")" bash -c "set -e; $(block $PAGE "Every certificate from outside" 2)"
cp -R issued "$WORK/outside/renewed"
cd "$WORK/outside" || exit
LAST=$RELEASE
rm -r pki/issued/etcd-ca && cp -R renewed pki/issued/etcd-ca
refused 3 'is not the one that is locked' "renewed: what was replaced is noticed" mastermold build profiles/prod.toml
refused 4 'etcd/server.crt of node master-0: .*not valid before.*epoch, or --at' "renewed: not before the epoch" bash -c "'$MASTERMOLD' -q lock profiles/prod.toml >/dev/null && '$MASTERMOLD' -q build profiles/prod.toml --at $(day "$START") --force"
built "renewed: it is locked and built"
check "renewed: with the key that it had" cmp <(pki "$LAST" master-0 etcd/server.key) <(pki "$RELEASE" master-0 etcd/server.key)
later() { [ "$(pki "$LAST" master-0 etcd/server.crt | openssl x509 -noout -enddate)" != "$(pki "$RELEASE" master-0 etcd/server.crt | openssl x509 -noout -enddate)" ]; }
check "renewed: it ends later" later

# Machines that have only this.
for node in "${NODES[@]}"; do
    rm -rf "$WORK/$node/root/var/lib/etcd"
    lay "$RELEASE" "$node"
done
for node in "${NODES[@]}"; do start_member "$node"; done
check "outside: three members are healthy with it" healthy master-1
check "outside: and take what one writes" etcdctl master-2 put key value
