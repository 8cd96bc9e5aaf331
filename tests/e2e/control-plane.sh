# shellcheck shell=bash
# A control plane as its machines would run it: each machine is a network namespace on one bridge and a root of its own,
# which is this system with the layers of a release on top; what runs on it is the command of its own static pod or unit,
# as it stands. For a script that is inside `unshare -nm` and has sourced lib.sh. What starts something sets variables, so
# it is not for `check`, which runs its command in a subshell.

declare -A RUNNING ADDRESS ROOTS
BOUND=${BOUND:-300} # seconds, after which whatever was started is ended

# machines NAME=ADDRESS/LENGTH...: their network and their roots. This script itself is at the network's address 254.
machines() {
    local machine name address number=0
    ip link set lo up
    mount -t tmpfs tmpfs "$WORK"
    mkdir -p /run/netns && mount -t tmpfs tmpfs /run
    mkdir -p /run/netns
    ip link add bridge type bridge
    ip link set bridge up
    for machine; do
        name=${machine%%=*} address=${machine#*=}
        [ -n "$(ip -4 -br address show dev bridge | awk '{ print $3 }')" ] || ip address add "${address%.*}.254/${address#*/}" dev bridge
        ADDRESS[$name]=${address%/*} ROOTS[$name]=$WORK/$name/root
        ip netns add "$name"
        ip link add "veth$number" type veth peer name eth0 netns "$name"
        ip link set "veth$number" master bridge up
        ip -n "$name" link set lo up
        ip -n "$name" address add "$address" dev eth0
        ip -n "$name" link set eth0 up
        mkdir -p "$WORK/$name"/{upper,work,root}
        mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/$name/upper,workdir=$WORK/$name/work" "$WORK/$name/root" ||
            skip "no overlay file system over / here"
        mount --bind /dev "$WORK/$name/root/dev"
        number=$((number + 1))
    done
}

# lay RELEASE NODE: the layers of that node, in their order, over what is on the machine.
lay() {
    local artifact
    python3 - "$1" "$2" >"$WORK/artifacts" <<'PY'
import json, sys
release, name = sys.argv[1:]
manifest = json.load(open(release + "/public/manifest.json"))
paths = {artifact["path"]: artifact["layer"] for artifact in manifest["artifacts"]}
node = next(node for node in manifest["nodes"] if node["name"] == name)
layers = [path for path in node["artifacts"] if paths[path] in ("common", "node", "secrets")]
assert {paths[path] for path in layers} >= {"node", "secrets"}, "the release has no split layers"
print(*layers, sep="\n")
PY
    while read -r artifact; do
        case $artifact in
            *.zst) zstd -dcq "$1/$artifact" ;;
            *.gz) gzip -dcq "$1/$artifact" ;;
            *) cat "$1/$artifact" ;;
        esac | case $artifact in
            *.cpio*) cd "${ROOTS[$2]}" && cpio -idmu --quiet ;;
            *) tar --extract --overwrite --directory "${ROOTS[$2]}" --same-owner --numeric-owner --same-permissions ;;
        esac || return 1
    done <"$WORK/artifacts"
}

# give NODE PROGRAM PATH: a program that the image or the base would bring.
give() {
    mkdir -p "$(dirname "${ROOTS[$1]}$3")"
    touch "${ROOTS[$1]}$3"
    mount --bind "$2" "${ROOTS[$1]}$3"
}

# on NODE COMMAND...: there, within half a minute.
on() {
    local node=$1
    shift
    timeout 30 ip netns exec "$node" chroot "${ROOTS[$node]}" "$@"
}

# start_pod NODE MANIFEST [CONTAINER]: the command of a pod, of its first container if none is named.
start_pod() {
    start_command "$1" "$(basename "$2" .yaml)" pod "$2" "${3:-}"
}

# start_unit NODE UNIT: ExecStartPre and ExecStart of a unit with its drop-ins, environment, user and group.
start_unit() {
    start_command "$1" "${2%.service}" unit "$2"
}

start_command() {
    local node=$1 name=$2
    shift 2
    [ -e "$WORK/start.py" ] || start_program
    timeout -k 5 "$BOUND" python3 "$WORK/start.py" "$node" "${ROOTS[$node]}" "$@" >>"$WORK/$node-$name.log" 2>&1 </dev/null &
    RUNNING[$node/$name]=$!
}

# words_of NODE pod|unit NAME: what would be started, one word a line.
words_of() {
    [ -e "$WORK/start.py" ] || start_program
    WORDS=1 python3 "$WORK/start.py" "$1" "${ROOTS[$1]}" "$2" "$3" "${4:-}"
}

start_program() {
    cat >"$WORK/start.py" <<'PY'
import glob, os, re, shlex, subprocess, sys
name, root, kind, what, *more = sys.argv[1:]

def of_pod(path, container):
    import yaml
    containers = yaml.safe_load(open(root + path))["spec"]["containers"]
    chosen = next(c for c in containers if not container or c["name"] == container)
    environment = {e["name"]: e["value"] for e in chosen.get("env", [])}
    return chosen.get("command", []) + chosen.get("args", []), environment, [], []

# As systemd reads it: drop-ins after the unit, an empty value begins anew, $NAME is split into words and ${NAME} is not.
def of_unit(unit):
    places = [root + place for place in ("/etc/systemd/system/", "/run/systemd/system/", "/usr/lib/systemd/system/")]
    files = [place + unit for place in places if os.path.exists(place + unit)][:1]
    assert files, f"no {unit}"
    drops = {}
    for place in reversed(places):
        drops.update({os.path.basename(path): path for path in glob.glob(place + unit + ".d/*.conf")})
    keys = {}
    for path in files + [drops[key] for key in sorted(drops)]:
        for line in open(path).read().replace("\\\n", " ").splitlines():
            key, equals, value = line.strip().partition("=")
            if not equals or key[0] in "#;[":
                continue
            keys[key] = keys.get(key, []) + [value.strip()] if value.strip() else []
    environment = {}
    for value in keys.get("Environment", []):
        environment.update(word.partition("=")[::2] for word in shlex.split(value))
    for value in keys.get("EnvironmentFile", []):
        if not os.path.exists(root + value.lstrip("-")):
            assert value[0] == "-", f"no {value}"
            continue
        for line in shlex.split(open(root + value.lstrip("-")).read(), comments=True):
            environment.update([line.partition("=")[::2]])
    def words(line):
        for word in shlex.split(line):
            whole = re.fullmatch(r"\$(\w+)", word)
            if whole:
                yield from shlex.split(environment.get(whole[1], ""))
            else:
                yield re.sub(r"\$\{(\w+)\}", lambda found: environment.get(found[1], ""), word)
    user = []
    if "User" in keys and keys["User"]:
        user = ["setpriv", "--reuid", keys["User"][-1], "--regid", keys.get("Group", keys["User"])[-1], "--clear-groups"]
    return list(words(keys["ExecStart"][-1])), environment, user, [list(words(line)) for line in keys.get("ExecStartPre", [])]

words, environment, user, before = of_pod(what, more[0] if more else "") if kind == "pod" else of_unit(what)
if os.environ.get("WORDS"):
    print(*words, sep="\n")
    sys.exit()
environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **environment}
there = ["ip", "netns", "exec", name, "chroot", root, *user, "env", "-i", *(f"{k}={v}" for k, v in environment.items())]
for command in before:
    done = subprocess.run([*there, command[0].lstrip("-+!"), *command[1:]]).returncode
    assert done == 0 or command[0][0] == "-", f"{command}: {done}"
os.execvp("ip", [*there, *words])
PY
}

# running NODE NAME: it was started and has not ended; if it has, the last that it said.
running() {
    kill -0 "${RUNNING[$1/$2]}" 2>/dev/null || { tail -n 5 "$WORK/$1-$2.log"; return 1; }
}

stop() { # NODE NAME
    kill "${RUNNING[$1/$2]}" 2>/dev/null || true
    wait "${RUNNING[$1/$2]}" 2>/dev/null || true
    unset "RUNNING[$1/$2]"
}

stop_all() {
    local key
    for key in "${!RUNNING[@]}"; do kill "${RUNNING[$key]}" 2>/dev/null || true; done
    for key in "${!RUNNING[@]}"; do wait "${RUNNING[$key]}" 2>/dev/null || true; done
    RUNNING=()
}

# ready NODE [PATH] [PORT]: its API server says so within a minute. Who it is, is not asked here: kubectl does that.
ready() {
    python3 - "https://${ADDRESS[$1]}:${3:-6443}${2:-/readyz}" <<'PY' || { tail -n 5 "$WORK/$1-kube-apiserver.log"; return 1; }
import ssl, sys, time, urllib.error, urllib.request
end, said = time.time() + 60, None
while time.time() < end:
    try:
        said = urllib.request.urlopen(sys.argv[1], timeout=3, context=ssl._create_unverified_context()).read()
        if said == b"ok":
            sys.exit()
    except urllib.error.HTTPError as error:
        said = error.read()
    except OSError as error:
        said = error
    time.sleep(0.5)
print("not ready:", said)
sys.exit(1)
PY
}

# eventually SECONDS COMMAND...: it succeeds in that time, tried every half second.
eventually() {
    local end=$((SECONDS + $1)) said
    shift
    until said=$("$@" 2>&1); do
        [ $SECONDS -lt "$end" ] || { printf '%s\n' "$said"; return 1; }
        sleep 0.5
    done
}
