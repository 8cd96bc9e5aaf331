# shellcheck shell=bash
# docs/how-to/seed-compromise.md, on the cluster that life-cycle has rotated before: its keys are of generation 2.
PAGE=seed-compromise.md
OLD=2 NEW=3
KEPT=", since = { 2 = $SINCE }"
SINCE=$(day "$EPOCH")
OLD_SEED=$HOME/.local/share/mastermold/prod.seed
NEW_SEED=$HOME/.local/share/mastermold/prod-2.seed
BEFORE=$RELEASE
mkdir "$WORK/master-1/root/tmp/stolen"
for kind in crt key; do pki "$BEFORE" master-0 "apiserver-etcd-client.$kind" >"$WORK/master-1/root/tmp/stolen/client.$kind"; done
stolen_client() { CLIENT="--cert /tmp/stolen/client.crt --key /tmp/stolen/client.key" etcdctl master-1 endpoint health; }
# The machines go on from the last release that they have.
check "seed: the certificates that will be stolen work" stolen_client

# One key a line: the SHA-256 of the public half of every private key that a release has.
keys_of() {
    local node file
    for node in "${NODES[@]}"; do
        for file in etcd/server etcd/peer etcd/healthcheck-client apiserver apiserver-kubelet-client apiserver-etcd-client front-proxy-client sa; do
            pki "$1" "$node" "$file.key" | openssl pkey -pubout -outform DER | sha256sum
        done
        for file in kubelet controller-manager scheduler; do
            of "$1" "$node" "etc/kubernetes/$file.conf" | sed -n 's/.*client-key-data: *//p' | tr -d '"' | base64 -d |
                openssl pkey -pubout -outform DER | sha256sum
        done
    done | sort -u
}

# 1. What each seed must know of the other.
mastermold pki init profiles/prod.toml --seed "$NEW_SEED" >/dev/null
mastermold pki export profiles/prod.toml --out pki/old >/dev/null
mkdir -m 700 ~/prod-keys
(umask 077 && of "$BEFORE" master-0 $CONFIG | awk '/- name: key2$/ { getline; gsub(/"/, ""); print $2 }' >~/prod-keys/encryption-key-2-old)
import_lines() { # GENERATION DIRECTORY FILE
    local name
    for name in ca etcd-ca front-proxy-ca; do
        printf '[[pki.imports]]\nauthority = "%s"\ngeneration = %s\ncert = "%s/%s.crt"\n' "$name" "$1" "$2" "$name"
    done
    printf '[[pki.imports]]\nkeypair = "sa"\ngeneration = %s\npublic = "%s/sa.pub"\n' "$1" "$2"
    printf '[[pki.imports]]\nsecret = "encryption-key"\ngeneration = %s\nfile = "~/prod-keys/encryption-key-%s"\n' "$1" "$1"
}
all_generations() { # CURRENT-AND-ACCEPTED FOR-AUTHORITIES
    local name
    for name in ca etcd-ca front-proxy-ca; do generation $PAGE "$name = { $1$2 }"; done
    for name in sa encryption-key; do generation $PAGE "$name = { $1 }"; done
}
mv ~/prod-keys/encryption-key-2-old ~/prod-keys/encryption-key-2
all_generations "current = NEW, accepted = [OLD]" ", since = { NEW = SINCE }"
says $PAGE "$(import_lines OLD pki/old)"
IMPORTS=$SAID
says $PAGE 'seed = "~/.local/share/mastermold/prod-2.seed"'
SECOND=$((RELEASES + 2))
{
    printf 'extends = "prod.toml"\naccept = []\n[cluster]\nversion = "%s"\nepoch = %s\n' "$SECOND" "$(day "$START + $SECOND days")"
    printf '[pki]\n%s\n' "$SAID"
} >profiles/prod-next.toml
ACCEPTED_BEFORE=$ACCEPTED ACCEPTED=''
write_pki profiles/prod-next.toml
mastermold lock profiles/prod-next.toml >/dev/null
mastermold pki export profiles/prod-next.toml --out pki/new >/dev/null
mastermold build profiles/prod-next.toml --out out/next >/dev/null
NEXT=$WORK/project/out/next/prod/$SECOND
(umask 077 && of "$NEXT" master-0 $CONFIG | awk '/- name: key3$/ { getline; gsub(/"/, ""); print $2 }' >~/prod-keys/encryption-key-3)
check "seed: all that is in the project may be there" bash -c '! grep -rlE "PRIVATE KEY" pki'

# 2. First release.
ACCEPTED=$ACCEPTED_BEFORE
all_generations "current = OLD, accepted = [NEW]" KEEP
says $PAGE "$(import_lines NEW pki/new)"
IMPORTS=$SAID
release
FIRST_OF_SEEDS=$RELEASE
both_ways "seed, first release" "$BEFORE" "$FIRST_OF_SEEDS"
check "seed, first release: the second's certificates are trusted" trusts "$FIRST_OF_SEEDS" "$NEXT"
check "seed, first release: the keys are the old ones" test "$(keys_of "$BEFORE")" = "$(keys_of "$FIRST_OF_SEEDS")"
check "seed, first release: the new encryption key is second" names_are "$FIRST_OF_SEEDS" "key2 key3"
check "seed, first release: it is the one that will be used" same_key "$FIRST_OF_SEEDS" "$NEXT" key3
OLD_TOKEN=$(token "$FIRST_OF_SEEDS")
roll "seed, first release" "$FIRST_OF_SEEDS"

# 3. Second release.
next_version
mastermold build profiles/prod-next.toml >/dev/null
RELEASE=$WORK/project/out/prod/$RELEASES
check "seed, second release: it is what was built before the first" test "$(fingerprint "$RELEASE")" = "$(fingerprint "$NEXT")"
both_ways "seed, second release" "$FIRST_OF_SEEDS" "$RELEASE"
check "seed, second release: what skipped the first one does not trust it" refuses "$BEFORE" "$RELEASE"
check "seed, second release: no key is an old one" test -z "$(comm -12 <(keys_of "$BEFORE") <(keys_of "$RELEASE"))"
check "seed, second release: and there are as many" test "$(keys_of "$BEFORE" | wc -l)" = "$(keys_of "$RELEASE" | wc -l)"
check "seed, second release: the new encryption key writes" names_are "$RELEASE" "key3 key2"
check "seed, second release: the old one is what it was" same_key "$BEFORE" "$RELEASE" key2
NEW_TOKEN=$(token "$RELEASE")
check "seed, second release: old tokens are accepted" accepts "$RELEASE" "$OLD_TOKEN"
check "seed, second release: the first one accepts new ones" accepts "$FIRST_OF_SEEDS" "$NEW_TOKEN"
roll "seed, second release" "$RELEASE"
check "seed, second release: the old client is still served" stolen_client

# 4. Third release.
for name in ca etcd-ca front-proxy-ca; do generation $PAGE "$name = { current = NEW, since = { NEW = SINCE } }"; done
for name in sa encryption-key; do generation $PAGE "$name = NEW"; done
IMPORTS='' ACCEPTED=''
accept $PAGE service-account-key-dropped "the old seed is known: every token was signed anew before 2028-02-01"
accept $PAGE encryption-key-dropped "the old seed is known: all Secrets were written anew on 2028-02-01"
PKI_MORE='seed = "~/.local/share/mastermold/prod-2.seed"'
SECOND_OF_SEEDS=$RELEASE
rm -r profiles/prod-next.* pki
release
both_ways "seed, third release" "$SECOND_OF_SEEDS" "$RELEASE"
check "seed, third release: it does not trust the old certificates" refuses "$RELEASE" "$FIRST_OF_SEEDS"
check "seed, third release: the new encryption key alone" names_are "$RELEASE" key3
check "seed, third release: it is what it was" same_key "$SECOND_OF_SEEDS" "$RELEASE" key3
check "seed, third release: new tokens are accepted" accepts "$RELEASE" "$NEW_TOKEN"
check "seed, third release: old ones are refused" rejects "$RELEASE" "$OLD_TOKEN"
roll "seed, third release" "$RELEASE"
turned_away "seed, third release: the old client is refused" stolen_client
refused 4 "another one than .*prod.lock was made with" "seed, third release: the old seed is refused" mastermold build profiles/prod.toml --seed "$OLD_SEED"
