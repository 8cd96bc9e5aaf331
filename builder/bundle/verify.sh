#!/bin/sh
# Checks a release of mastermold where mastermold is not: with a POSIX shell, sha256sum, and minisign or OpenSSL 3.
#
#   sh verify.sh [--release DIR] [--cluster NAME] [--node NAME] [--version V] [--min-version V] [--threshold N] KEY.pub...
#
# As `mastermold verify` does: the signatures by keys that are given here, then every file by the signed sums, and that there
# is nothing else; then that it is the release that was asked for. What is in the archives is covered by their sums; their
# entries are not compared with the manifests, and no certificate's dates are judged: mastermold does that. It also judges
# signatures of OpenSSH (.sshsig), envelopes of the provenance (.intoto.jsonl) and signatures of boot files (below
# SHA256SUMS.cms/): here only their names are looked at.
#
# This file lies in the release, and who changes a release can change it: compare it with one from elsewhere, or read it.
# Every release of one mastermold has the same one.
#
# Exit: 0 all is well; 2 usage; 3 bytes are not what was signed; 4 not signed, or another release than asked for;
# 5 something is missing here; 8 a symlink, FIFO or device, or a directory for the sums or a signature.
LC_ALL=C
export LC_ALL
umask 077
# With it `cd` goes elsewhere than it is told.
unset CDPATH
set -fu

out() { # CLASS MESSAGE
    printf 'verify.sh: %s\n' "$2" >&2
    exit "$1"
}
usage() { out 2 "$1; usage: sh verify.sh [--release DIR] [--cluster NAME] [--node NAME] [--version V] [--min-version V] [--threshold N] KEY.pub..."; }

release= cluster= node= version= least= threshold=1 keys= points=
while [ $# -gt 0 ]; do
    case $1 in
        --release | --cluster | --node | --version | --min-version | --threshold)
            [ $# -ge 2 ] && [ -n "$2" ] || usage "$1 needs a value"
            case $1 in
                --release) release=$2 ;;
                --cluster) cluster=$2 ;;
                --node) node=$2 ;;
                --version) version=$2 ;;
                --min-version) least=$2 ;;
                --threshold) threshold=$2 ;;
            esac
            shift 2
            ;;
        --help) usage "checks a release" ;;
        -*) usage "there is no $1" ;;
        *)
            # Its second line, and nothing else, is the key: 42 bytes in base64 that begin with `Ed`.
            [ -f "$1" ] || out 5 "$1: there is no such file"
            key=$(sed -n 2p "$1")
            case $key in RW[Q-T]*) ;; *) out 2 "$1 is no public key of minisign" ;; esac
            [ ${#key} -eq 56 ] || out 2 "$1 is no public key of minisign"
            case $key in *[!A-Za-z0-9+/]*) out 2 "$1 is no public key of minisign" ;; esac
            keys="$keys $key"
            # Its holder may choose the id anew, and has one key all the same: what counts is behind the id.
            case " $points " in *" ${key#??????????????} "*) ;; *) points="$points ${key#??????????????}" ;; esac
            shift
            ;;
    esac
done
[ -n "$keys" ] || usage "give a public key that you have from elsewhere"
case $threshold in '' | 0* | *[!0-9]* | ????*) usage "--threshold is a number from 1 on" ;; esac
given=0
for point in $points; do given=$((given + 1)); done
[ "$threshold" -le "$given" ] || usage "$threshold keys must have signed, and $given different ones are given"
for number in "$version" "$least"; do
    case $number in *[!0-9.]* | .* | *. | *..*) usage "$number is no version" ;; esac
done
if [ -z "$release" ]; then
    case $0 in */*) release=${0%/*}/.. ;; *) release=.. ;; esac
fi
case $release in -*) release=./$release ;; esac
[ -d "$release/public" ] || out 2 "$release is no release: it has no public/"
cd -P "$release" || out 5 "$release cannot be entered"
for program in awk cat cut find grep head mktemp rm sed sha256sum sort tail tr wc; do
    command -v "$program" >/dev/null || out 5 "there is no $program"
done
by=
if command -v minisign >/dev/null; then by=minisign; elif command -v openssl >/dev/null; then by=openssl; fi
[ -n "$by" ] || out 5 "there is neither minisign nor openssl"
if [ "$by" = openssl ]; then
    case $(openssl version) in 'OpenSSL '[3-9]* | 'OpenSSL '[1-9][0-9]*) ;; *) out 5 "OpenSSL 3 is needed, or minisign" ;; esac
fi
work=$(mktemp -d) || out 5 "no temporary directory can be made"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# signed_by KEY FILE SIGNATURE: whether it is, and its trusted comment with it.
signed_by() {
    if [ "$by" = minisign ]; then
        minisign -Vq -P "$1" -m "$2" -x "$3" >/dev/null 2>&1
        return
    fi
    # The key as OpenSSL reads it: the DER of a SubjectPublicKeyInfo of Ed25519 (RFC 8410) is these 12 bytes and the key.
    { printf '\060\052\060\005\006\003\053\145\160\003\041\000' && bytes "$1" 11 32; } >"$work/key" &&
        bytes "$(sed -n 2p "$3")" 11 64 >"$work/first" &&
        openssl dgst -blake2b512 -binary "$2" >"$work/digest" 2>/dev/null &&
        by_openssl "$work/digest" "$work/first" &&
        # The second signature is over the first and the trusted comment.
        { cat "$work/first" && sed -n '3s/^trusted comment: //p' "$3" | tr -d '\n'; } >"$work/whole" &&
        bytes "$(sed -n 4p "$3")" 1 64 >"$work/second" &&
        by_openssl "$work/whole" "$work/second"
}
by_openssl() { openssl pkeyutl -verify -pubin -keyform DER -inkey "$work/key" -rawin -in "$1" -sigfile "$2" >/dev/null 2>&1; }
# bytes BASE64 FROM COUNT
bytes() { printf '%s\n' "$1" | openssl base64 -d -A | tail -c "+$2" | head -c "$3"; }

# signed PART: so many of the keys signed its sums, all saying the same; sets `said` and `good`.
signed() {
    part=$1 good=0 said= signatures= signers=
    [ -e "$part/SHA256SUMS" ] || [ -L "$part/SHA256SUMS" ] || out 3 "$part/SHA256SUMS is missing"
    plain "$part/SHA256SUMS"
    set +f
    set -- "$part"/SHA256SUMS.minisig "$part"/SHA256SUMS.*.minisig
    set -f
    # All are as they should be before any is believed.
    for signature; do
        id=${signature#"$part"/SHA256SUMS.}
        id=${id%minisig}
        id=${id%.}
        # Other names are none of a signature's: `whole` refuses them.
        case $id in *[!0-9A-Fa-f]* | ?????????????????*) continue ;; esac
        [ -e "$signature" ] || [ -L "$signature" ] || continue
        strict "$signature"
        [ -z "$id" ] || [ "$id" = "$(key_id "$(sed -n 2p "$signature")")" ] || out 4 "$signature is by another key than its name says"
        signatures="$signatures $signature"
    done
    [ -n "$signatures" ] || out 4 "$part/ is not signed with minisign"
    for signature in $signatures; do
        id=$(key_id "$(sed -n 2p "$signature")") named= point=
        # Two keys may have one id: it is by that which verifies it.
        for key in $keys; do
            [ "$(key_id "$key")" = "$id" ] || continue
            named=1
            signed_by "$key" "$part/SHA256SUMS" "$signature" || continue
            point=${key#??????????????}
            break
        done
        [ -n "$named" ] || { stranger "$id" "$signature" && continue; }
        [ -n "$point" ] || out 4 "$signature is not a signature of $part/SHA256SUMS by the key that it names"
        comment=$(sed -n '3s/^trusted comment: //p' "$signature")
        [ "$good" -eq 0 ] || [ "$comment" = "$said" ] || out 4 "$part/SHA256SUMS is signed as \`$said\` and as \`$comment\`"
        said=$comment
        case " $signers " in *" $point "*) ;; *) signers="$signers $point" good=$((good + 1)) ;; esac
    done
    [ "$good" -ge "$threshold" ] || out 4 "$part/SHA256SUMS is signed by $good of the given keys, and $threshold must have"
}
# stranger ID SIGNATURE: it names none of the keys, nor nearly. A key's name with one or two bytes changed is no stranger's: one
# damaged letter of base64 holds a part of the name and a part of the signature.
stranger() {
    for key in $keys; do
        other=$(key_id "$key")
        differing=$(printf '%16s%16s\n' "$1" "$other" | awk '{
            for (i = 1; i < 16; i += 2) differing += substr($0, i, 2) != substr($0, i + 16, 2)
            print differing + 0
        }')
        [ "$differing" -gt 2 ] || out 4 "$2 names the key $1, which is nearly $other"
    done
}
# signed_as PART IDENTITY: what was said is that.
signed_as() { [ "$said" = "$2" ] || out 4 "$1/SHA256SUMS is signed as \`$said\`, and should be as \`$2\`"; }

# key_id BASE64: the name of a key as minisign prints it, which is in keys and signatures alike: behind 2 bytes of the
# algorithm 8 of a little-endian number, from the last two bits of the third letter to the first two of the fourteenth.
key_id() {
    awk -v base64="$1" 'BEGIN {
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (i = 3; i <= 14; i++) {
            letter = index(letters, substr(base64, i, 1)) - 1
            if (i == 3) { value = letter % 4; unit = 4 } else { value = value * 64 + letter; unit *= 64 }
            if (unit >= 256) { unit /= 256; id = sprintf("%02X", int(value / unit)) id; value %= unit }
        }
        sub(/^0+/, "", id)
        print (id == "" ? 0 : id)
    }'
}

plain() { [ ! -L "$1" ] && [ -f "$1" ] || out 8 "$1 is no plain file"; }
# strict SIGNATURE: four lines, as minisign writes them, and nothing else.
strict() {
    plain "$1"
    [ "$(wc -c <"$1")" -le 4608 ] || out 4 "$1 is longer than a signature of minisign"
    # One `.` for each of four lines that are as they should be; any other line, or a last one that does not end, is an `x`.
    shape=$(sed -n \
        -e '1s|^untrusted comment: signature from minisign secret key$|.|p;1t' \
        -e '2s|^RU[Q-T][A-Za-z0-9+/]\{95\}[AEIMQUYcgkosw048]=$|.|p;2t' \
        -e '3s|^trusted comment: [ -~]*$|.|p;3t' \
        -e '4s|^[A-Za-z0-9+/]\{85\}[AQgw]==$|.|p;4t' \
        -e 's|.*|x|p' "$1" | tr -d '\n')
    [ "$shape" = .... ] && [ "$(tail -c 1 "$1" | wc -l)" -eq 1 ] || out 4 "$1 is not a signature of minisign"
}

# only A B CLASS BEFORE AFTER: every line of A is one of B; else it is out, and says the first that is none.
only() {
    line=$(awk -v other="$2" 'BEGIN { while ((read = (getline line <other)) > 0) known[line]; if (read < 0) exit 1 }
        !($0 in known) { print; exit 9 }' "$1")
    case $? in
        0) ;;
        9) out "$3" "$4$line$5" ;;
        *) out 5 "awk failed" ;;
    esac
}

# whole PART: exactly the files of its sums, each with its digest.
whole() {
    sums=$1/SHA256SUMS
    # Bytes that no name of a release has would be read differently by different programs.
    if { [ -s "$sums" ] && [ "$(tail -c 1 "$sums" | wc -l)" -ne 1 ]; } ||
        grep -v '^[0-9a-f]\{64\}  [] !-[^-~]\{1,\}$' "$sums" >/dev/null ||
        cut -c 67- "$sums" | grep -e '^/' -e '//' -e '/$' -e '^\.\.\{0,1\}$' -e '^\.\.\{0,1\}/' -e '/\.\.\{0,1\}/' -e '/\.\.\{0,1\}$' -e '^SHA256SUMS' -e '^ ' >/dev/null ||
        ! cut -c 67- "$sums" | sort -cu 2>/dev/null; then
        out 3 "$sums is not as mastermold writes it"
    fi
    find "$1" ! -type f ! -type d >"$work/there" || out 5 "$1 cannot be read"
    [ ! -s "$work/there" ] || out 8 "$(head -n 1 "$work/there") is neither a file nor a directory"
    cut -c 67- "$sums" >"$work/listed"
    cat "$work/listed" >"$work/allowed"
    # Boot files' signatures are of files of public/, and of secret archives, which the manifest names.
    if [ "$1" = public ]; then
        sed 's|^|SHA256SUMS.cms/|' "$work/listed"
        [ ! -f public/manifest.json ] || tr , '\n' <public/manifest.json | sed -n 's|.*"path":"\(secrets/[^"]*\)".*|SHA256SUMS.cms/\1|p'
    fi >>"$work/allowed"
    (cd "$1" && find . -type f ! -path './SHA256SUMS') >"$work/there" || out 5 "$1 cannot be read"
    proofs='minisig\|sshsig\|[0-9A-Fa-f]\{1,16\}\.\(minisig\|sshsig\)'
    [ "$1" = secrets ] || proofs="$proofs\\|intoto\\.jsonl"
    sed 's|^\./||' "$work/there" | grep -v "^SHA256SUMS\\.\\($proofs\\)\$" >"$work/files"
    only "$work/listed" "$work/files" 3 "$1/" " is missing"
    only "$work/files" "$work/allowed" 4 "$1/" " is signed by nobody"
    # And no directory but those of its files.
    awk -F / '{ path = $1; for (i = 2; i <= NF; i++) { print path; path = path "/" $i } }' "$work/allowed" >"$work/directories" || out 5 "awk failed"
    (cd "$1" && find . -type d ! -name .) >"$work/there" || out 5 "$1 cannot be read"
    sed 's|^\./||' "$work/there" >"$work/files"
    only "$work/files" "$work/directories" 4 "$1/" "/ is signed by nobody"
    (cd "$1" && sha256sum -c SHA256SUMS) >"$work/checked" 2>/dev/null && return
    changed=$(sed -n 's/: FAILED.*//p' "$work/checked" | head -n 1)
    # Another file's contents are no accident.
    digest=$(sha256sum <"$1/${changed:-SHA256SUMS}" | cut -c -64)
    other=$(sed -n "s/^$digest  //p" "$sums" | head -n 1)
    [ -z "$other" ] || out 4 "$1/$changed is signed as $1/$other"
    out 3 "$1/${changed:-SHA256SUMS} is not what was signed"
}

# A newline in a name would make it several lines to what comes, and other such bytes are orders to a terminal.
find . ! -name . >"$work/there" || out 5 "$release cannot be read"
grep -v '^\./[ -~]*$' "$work/there" >/dev/null
[ $? -eq 1 ] || out 4 "a name in the release has bytes that are not printable ASCII"
extra=$(find . ! -name . -prune ! -name public ! -name secrets | head -n 1)
[ -z "$extra" ] || out 4 "${extra#./} is signed by nobody"
for part in public secrets; do
    if [ -L "$part" ] || { [ -e "$part" ] && [ ! -d "$part" ]; }; then out 8 "$part in the release is no directory"; fi
done
signed public
case $said in *' part=secrets') out 4 "public/SHA256SUMS is signed as \`$said\`" ;; esac
whole public
# The manifest is written in one way; and a cluster's name is a DNS label, so that what is signed is read in one way.
identity=$(sed -n '1s/^{"format":1,"tool":"[^"\\]*","cluster":"\([a-z0-9-]\{1,\}\)","version":"\([0-9.]*\)","epoch":"\([0-9TZ:-]*\)",.*/mastermold cluster=\1 version=\2 epoch=\3/p' public/manifest.json)
[ -n "$identity" ] || out 3 "public/manifest.json is not as mastermold writes it"
signed_as public "$identity"
by_keys=$good secrets=absent
if [ -d secrets ]; then
    signed secrets
    signed_as secrets "$identity part=secrets"
    whole secrets
    secrets=checked
fi

found=${identity#mastermold cluster=}
found_cluster=${found%% *} found=${found#* version=}
found_version=${found%% *}
[ -z "$cluster" ] || [ "$cluster" = "$found_cluster" ] || out 4 "the release is for cluster $found_cluster, not for $cluster"
[ -z "$version" ] || [ "$version" = "$found_version" ] || out 4 "the release is version $found_version, not $version"
# Numbers between dots, compared as numbers; what is not there is less than what is.
if [ -n "$least" ] && ! awk -v have="$found_version" -v least="$least" 'BEGIN {
    m = split(have, a, "."); n = split(least, b, ".")
    for (i = 1; i <= m || i <= n; i++) {
        if (i > m) exit 1
        if (i > n) exit 0
        sub(/^0+/, "", a[i]); sub(/^0+/, "", b[i])
        if (length(a[i]) != length(b[i])) exit (length(a[i]) < length(b[i]))
        if (a[i] "" != b[i] "") exit ((a[i] "") < (b[i] ""))
    }
}'; then out 4 "the release is version $found_version, and $least is the oldest allowed"; fi
if [ -n "$node" ]; then
    case $node in *[!A-Za-z0-9.-]*) usage "$node is no node's name" ;; esac
    case $(cat public/manifest.json) in
        *"{\"name\":\"$node\",\"artifacts\":["*) ;;
        *) out 4 "the release has no node $node" ;;
    esac
fi
printf '%s\nsigned by %s of the given keys (%s); every file is as signed; secrets %s\n' "$identity" "$by_keys" "$by" "$secrets"
