"""Ends mastermold at every moment, and looks at what is left. Prints `ok WHAT`, `FAIL WHAT` and `note WHAT`.

    kills.py PROGRAM WORK KILLS SEED

WORK has project/ (tests/e2e/small), small.seed and sign.key. SEED is of the moments, and is printed.
"""

import collections
import hashlib
import http.server
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

PROGRAM, WORK, KILLS, SEED = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
# Of the cases, those of these names only; with `order`, only the order of the calls.
ONLY = sys.argv[5:]
ORDER = ONLY == ["order"]
RANDOM = random.Random(SEED)
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": str(WORK), "XDG_CACHE_HOME": str(WORK / "store"), "TMPDIR": str(WORK / "tmp")}
# What changes something, with the errors that it can have. EINTR is to be tried again: the work is done.
CALLS = {
    "write": ["ENOSPC", "EIO", "EDQUOT", "EINTR"],
    "fsync": ["EIO", "ENOSPC"],
    "rename,renameat,renameat2": ["EIO", "ENOSPC", "EXDEV", "EROFS", "EACCES"],
    "linkat,link,symlinkat": ["EIO", "ENOSPC", "EMLINK"],
    "openat": ["EMFILE", "ENOSPC", "EACCES", "EROFS", "EIO"],
    "mkdir,mkdirat": ["ENOSPC", "EROFS", "EACCES"],
    "fchmod,fchmodat,chmod": ["EPERM", "EROFS", "EIO"],
    "unlink,unlinkat,rmdir": ["EIO", "EROFS"],
    "ftruncate,fallocate": ["ENOSPC", "EIO"],
    "flock": ["EINTR", "ENOLCK"],
    "read": ["EIO", "EINTR"],
    "getdents64": ["EIO"],
}


def say(good, what):
    print(f"{'ok' if good else 'FAIL'} {what}", flush=True)


def tree(root, leave=()):
    """Every entry below a directory: its mode, and the SHA-256 of what it has."""
    found = {}
    for directory, names, files in os.walk(root):
        here = pathlib.Path(directory)
        names[:] = [name for name in names if str((here / name).relative_to(root)) not in leave]
        for name in names + files:
            path = here / name
            key = str(path.relative_to(root))
            if key not in leave:
                kind = os.lstat(path)
                data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                found[key] = (oct(kind.st_mode), hashlib.sha256(data).hexdigest())
    return found


def exposed(path):
    """What of something unfinished could be read by others, and is secret. Public files get their modes before their names."""
    secret = [path] if "secrets" in path.parts else [path / "secrets"] if path.is_dir() else []
    secret += [below for top in secret for below in top.glob("**/*")]
    return [f"{found} ({os.lstat(found).st_mode:o})" for found in secret if found.exists() and os.lstat(found).st_mode & 0o077]


class Server:
    """Sends two files, slowly enough to be interrupted."""

    def __init__(self, files):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                data = files.get(self.path)
                self.send_response(200 if data is not None else 404)
                data = data or b""
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Connection", "close")
                self.end_headers()
                try:
                    for at in range(0, len(data), 65536):
                        self.wfile.write(data[at : at + 65536])
                        time.sleep(0.002)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]


class Case:
    """A command, what it may leave, and what it comes to."""

    # Below WORK/case: what the command may change; all else stays as it is.
    may = ()

    def __init__(self):
        self.root = WORK / "case"
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        (WORK / "tmp").mkdir(exist_ok=True)
        shutil.copytree(WORK / "project", self.root / "project", symlinks=True)
        for name in ("small.seed", "sign.key"):
            shutil.copy2(WORK / name, self.root / name)
        (self.root / "canary").mkdir()
        (self.root / "canary" / "a").write_text("untouched\n")
        self.set_up()
        self.reset()
        started = time.monotonic()
        done = self.run()
        self.seconds = time.monotonic() - started
        if done.returncode:
            raise SystemExit(f"FAIL {self.name}: does not run: {done.stderr.decode()}")
        self.wanted = self.result()
        self.reset()
        self.outside = self.around()

    def around(self):
        """What is around the result; unfinished files in the directories where it is are told by `left`."""
        found = tree(self.root, self.may)
        unfinished = {str(path.relative_to(self.root)) for path in self.left() if path.is_relative_to(self.root)}
        return {name: entry for name, entry in found.items() if not any(pathlib.PurePath(name).is_relative_to(one) for one in unfinished)}

    def set_up(self):
        pass

    def start(self, before=()):
        return subprocess.Popen([*before, PROGRAM, "-q", *self.command()], cwd=self.root, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def run(self, before=(), timeout=60):
        child = self.start(before)
        try:
            out, error = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, error = child.communicate()
            error += b" (no end)"
        return subprocess.CompletedProcess(child.args, child.returncode, out, error)

    def judge(self, ended):
        """What is wrong after the command came to an end that was not its own; `ended`: whether it could clean up."""
        wrong = []
        if self.around() != self.outside:
            wrong.append("something outside was touched")
        found = self.result()
        if found not in (self.before, self.wanted):
            wrong.append("a half-written result")
        wrong += [f"{text}, was left and is open to others" for path in self.left() for text in exposed(path)]
        if not ended:
            wrong += [f"{path.name} was left" for path in self.left()]
        return wrong + self.more()

    def after(self):
        """What is wrong after it ran again, undisturbed."""
        done = self.run()
        if done.returncode:
            return [f"the next run failed: {done.stderr.decode(errors='replace').strip()}"]
        wrong = [] if self.result() == self.wanted else ["the next run came to other bytes"]
        return wrong + [f"the next run left {path.name}" for path in self.left()] + self.more()

    def more(self):
        return []

    def left(self):
        return [path for path in (WORK / "tmp").iterdir()]


def release(path):
    return tree(path) if path.exists() else None


class Build(Case):
    name, may, profile, version = "build", ("out",), "tiny", "1.0.0"

    def command(self):
        return ["build", f"project/profiles/{self.profile}.toml", "-o", "out", "--seed", "small.seed", "-j", "2", "--offline"]

    def set_up(self):
        shutil.copytree(WORK / "cache" , WORK / "store", dirs_exist_ok=True)

    def reset(self):
        shutil.rmtree(self.root / "out", ignore_errors=True)
        self.before = None

    def result(self):
        return release(self.root / "out" / self.profile / self.version)

    def left(self):
        cluster = self.root / "out" / self.profile
        here = [path for path in cluster.iterdir() if path.name not in (self.version, ".lock")] if cluster.exists() else []
        return super().left() + here


class Larger(Build):
    name, profile = "build of six formats", "small"


class Replace(Build):
    name = "build --force over another release"

    def command(self):
        return super().command() + ["--force"]

    def set_up(self):
        super().set_up()
        self.old = self.root / "old"
        subprocess.run([PROGRAM, "-q", *Build.command(self)], cwd=self.root, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
        (self.root / "out" / self.profile / self.version).rename(self.old)
        shared = self.root / "project/overlays/tiny/root/etc/tiny/shared"
        shared.write_text(shared.read_text() + "another line\n")

    def reset(self):
        shutil.rmtree(self.root / "out", ignore_errors=True)
        (self.root / "out" / self.profile).mkdir(parents=True)
        shutil.copytree(self.old, self.root / "out" / self.profile / self.version)
        self.before = self.result()


class Sign(Build):
    name = "sign"
    FILES = ("public/SHA256SUMS.minisig", "public/SHA256SUMS.intoto.jsonl", "secrets/SHA256SUMS.minisig")
    may = tuple(f"release/{name}" for name in FILES)

    def command(self):
        return ["sign", "release", "--key", "sign.key"]

    def set_up(self):
        super().set_up()
        subprocess.run([PROGRAM, "-q", *Build.command(self)], cwd=self.root, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
        (self.root / "out" / self.profile / self.version).rename(self.root / "release")
        shutil.rmtree(self.root / "out")

    def reset(self):
        for part in ("public", "secrets"):
            for path in (self.root / "release" / part).iterdir():
                if path.name.startswith("SHA256SUMS.") or path.name.startswith("."):
                    path.unlink()
        self.before = self.result()

    def result(self):
        # Each is whole or not there; together they are several acts.
        self.parts = tuple((self.root / "release" / name).read_bytes() if (self.root / "release" / name).exists() else None for name in self.FILES)
        return self.parts

    def judge(self, ended):
        wrong = [text for text in super().judge(ended) if text != "a half-written result"]
        if any(found is not None and found != wanted for found, wanted in zip(self.parts, self.wanted)):
            wrong.append("a half-written signature")
        return wrong

    def left(self):
        parts = [self.root / "release" / part for part in ("public", "secrets")]
        return Case.left(self) + [path for part in parts for path in part.glob(".mastermold-*")]


class Fetched(Case):
    """What has sources that come over HTTP."""

    def set_up(self):
        blob = random.Random(1).randbytes(1_500_000)
        subprocess.run("mkdir parts && echo one >parts/one && head -c 300000 /dev/zero >parts/two && tar -czf parts.tar.gz parts",
                       shell=True, cwd=self.root, check=True)
        server = Server({"/blob": blob, "/parts.tar.gz": (self.root / "parts.tar.gz").read_bytes()})
        profile = self.root / "project/profiles/tiny.toml"
        profile.write_text(profile.read_text() + f"""
[sources.blob]
url     = "http://127.0.0.1:{server.port}/blob"
install = {{ path = "/opt/blob", mode = "0644" }}

[sources.parts]
url     = "http://127.0.0.1:{server.port}/parts.tar.gz"
members = {{ "parts/*" = "/opt/" }}
""")
        self.lock = self.root / "project/profiles/tiny.lock"
        self.empty()
        subprocess.run([PROGRAM, "-q", "lock", "project/profiles/tiny.toml", "--seed", "small.seed"], cwd=self.root, env=ENVIRONMENT, check=True,
                       stdout=subprocess.DEVNULL)
        self.locked = self.lock.read_bytes()

    @staticmethod
    def empty():
        shutil.rmtree(WORK / "store", ignore_errors=True)

    def more(self):
        """Whatever is in the store under a digest is that."""
        blobs = WORK / "store/mastermold/blobs"
        wrong = [path.name for path in blobs.glob("*/*") if hashlib.sha256(path.read_bytes()).hexdigest() != path.name] if blobs.exists() else []
        return [f"the store has {name}, which is something else" for name in wrong]

    def left(self):
        # A download that goes on where it ended is kept in partial/; what is written is in temp/, until the next run.
        store = WORK / "store/mastermold"
        return super().left() + [path for path in (store / "temp").glob("*")]


class Lock(Fetched):
    name, may = "lock", ("project/profiles/tiny.lock",)

    def command(self):
        return ["lock", "project/profiles/tiny.toml", "--seed", "small.seed"]

    def reset(self):
        self.empty()
        for path in self.lock.parent.glob(".*"):
            path.unlink()
        # Another lock is there: it stays, or it becomes the right one.
        self.lock.write_bytes(self.locked.replace(b"/blob", b"/other"))
        self.before = self.result()

    def result(self):
        return self.lock.read_bytes() if self.lock.exists() else None

    def left(self):
        return super().left() + list(self.lock.parent.glob(".mastermold-*"))


class Fetch(Fetched):
    name, may = "fetch", ()

    def command(self):
        return ["fetch", "project/profiles/tiny.toml"]

    def reset(self):
        self.empty()
        self.before = self.result()

    def result(self):
        blobs = WORK / "store/mastermold/blobs"
        return sorted(path.name for path in blobs.glob("*/*")) if blobs.exists() else []

    def judge(self, ended):
        # It brings one thing after the other: each of them is whole.
        wrong = [text for text in super().judge(ended) if text != "a half-written result"]
        return wrong + ["something that nobody asked for is in the store" for name in self.result() if name not in self.wanted]


def random_kills(case, count):
    wrong, killed = [], 0
    for number in range(count):
        case.reset()
        moment = RANDOM.uniform(0, case.seconds * 1.1)
        child = case.start()
        time.sleep(moment)
        child.kill()
        child.communicate()
        killed += child.returncode == -signal.SIGKILL
        told = case.judge(True) + case.after()
        wrong += [f"{case.name}, killed after {moment * 1000:.1f} ms: {text}" for text in told]
    for text in wrong[:5]:
        say(False, text)
    say(not wrong and killed, f"{case.name}: SIGKILL at {killed} of {count} random moments of {case.seconds * 1000:.0f} ms")
    return killed


def on_the_disk(case):
    """What gets its name is on the disk before it, and the name after it: fsync of what was written, rename, fsync of the directory.
    Pieces and notes of the store are left out: they are known by digests, and made again if a power cut took them."""
    spare = tuple(f"{WORK}/store/mastermold/{part}/" for part in ("pieces", "notes"))
    case.reset()
    log = WORK / "strace"
    done = case.run(["strace", "-f", "-qq", "-y", "-s", "0", "-o", str(log), "-e",
                     "trace=write,fsync,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,openat"])
    dirty, wrong, names = set(), [], 0
    lines = log.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines):
        # Of a call that another thread interrupts in the log, the beginning has what is needed.
        call = re.match(r"\d+ +(\w+)\((.*)", line)
        if not call:
            continue
        path = re.match(r"\d+<([^>]*)>", call[2])
        quoted = [os.path.join(case.root, name) for name in re.findall(r'"([^"]*)"', call[2])]
        if call[1] == "openat" and quoted and "O_CREAT" in line:
            dirty.add(quoted[0])
        elif call[1] in ("mkdir", "mkdirat") and quoted:
            dirty.add(quoted[0])
        elif call[1] == "write" and path and path[1].startswith("/"):
            dirty.add(path[1])
        elif call[1] == "fsync" and path:
            dirty.discard(path[1])
        elif call[1].startswith(("rename", "link")) and len(quoted) > 1 and " = -1" not in line:
            old, new = quoted[0], quoted[-1]
            if new.startswith(spare):
                continue
            names += 1
            late = [name for name in dirty if name == old or name.startswith(old + "/")]
            wrong += [f"{name} was not on the disk when {os.path.basename(new)} got its name" for name in late]
            directory = os.path.realpath(os.path.dirname(new))
            behind = (re.match(r"\d+ +fsync\(\d+<([^>]*)>", later) for later in lines[number:])
            if not any(found and os.path.realpath(found[1]) == directory for found in behind):
                wrong.append(f"the name {os.path.basename(new)} was not put on the disk")
    for text in sorted(set(wrong))[:5]:
        say(False, f"{case.name}: {text}")
    say(not wrong and names and not done.returncode, f"{case.name}: {names} names were given to what was on the disk, and are on it")


def calls_of(case):
    """How often each kind of call is made, by the thread that makes it most."""
    case.reset()
    log = WORK / "strace"
    every = ",".join(CALLS)
    done = case.run(["strace", "-f", "-qq", "-o", str(log), "-e", f"trace={every}"])
    if done.returncode:
        raise SystemExit(f"FAIL {case.name}: does not run below strace: {done.stderr.decode()}")
    counted = collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+) +(\w+)\(", line)
        kind = next((kind for kind in CALLS if found and found[2] in kind.split(",")), None)
        if kind:
            counted[kind, found[1]] += 1
    return {kind: max((count for (of, _), count in counted.items() if of == kind), default=0) for kind in CALLS}


def injected(case, kind, what, number):
    case.reset()
    return case.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={kind}", "-e", f"inject={kind}:{what}:when={number}"])


def kills_at_calls(case, counts):
    runs, killed, wrong = 0, 0, []
    for kind, count in counts.items():
        if kind in ("read", "getdents64"):
            continue
        for number in range(1, count + 1):
            done = injected(case, kind, "signal=KILL", number)
            runs += 1
            killed += done.returncode in (-9, 137)
            wrong += [f"{case.name}, killed at {kind} {number}: {text}" for text in case.judge(True) + case.after()]
    for text in wrong[:5]:
        say(False, text)
    say(not wrong and killed, f"{case.name}: SIGKILL at {killed} system calls of {runs}")
    return killed


def errors_at_calls(case, counts):
    runs, refused, wrong = 0, 0, []
    for kind, count in counts.items():
        for number in range(1, count + 1):
            # Every call fails, with one error after the other.
            error = CALLS[kind][number % len(CALLS[kind])]
            done = injected(case, kind, f"error={error}", number)
            runs += 1
            told = []
            text = done.stderr.decode(errors="replace")
            # 127: the loader could not start the program, and nothing was done.
            if done.returncode not in (0, 5, 127):
                told.append(f"exit {done.returncode}: {text.strip()[:300]}")
            if "panicked" in text:
                told.append(f"a panic: {text[:300]}")
            if error == "EINTR" and done.returncode not in (0, 127):
                told.append(f"was not tried again: {text.strip()[:200]}")
            if done.returncode == 0 and case.result() != case.wanted:
                told.append("says that it is done, and it is not")
            # Calls are counted for each thread: the one that says why may have failed to as well.
            if done.returncode == 5 and not text.startswith("error: ") and not (kind == "write" and not text):
                told.append("does not say why")
            refused += done.returncode == 5
            # Where taking away fails, something may be left: of a write that failed, or the release that was replaced.
            told += case.judge(kind.startswith("unlink") or done.returncode == 0) + case.after()
            wrong += [f"{case.name}, {error} of {kind} {number}: {text}" for text in told]
    for text in wrong[:8]:
        say(False, text)
    say(not wrong and refused, f"{case.name}: {runs} system calls failed, {refused} of them ended it")
    return runs


def main():
    if ORDER:
        for made in (Build, Sign, Lock, Fetch):
            on_the_disk(made())
        return
    print(f"note the seed of the moments is {SEED}", flush=True)
    killed = failed = 0
    for made in [made for made in (Build, Larger, Replace, Sign, Lock, Fetch) if not ONLY or made.__name__ in ONLY]:
        case = made()
        killed += random_kills(case, KILLS if made is not Larger else KILLS // 4)
        on_the_disk(case)
        if made is not Larger:
            counts = calls_of(case)
            killed += kills_at_calls(case, counts)
            failed += errors_at_calls(case, counts)
    print(f"note {killed} kills and {failed} failing calls in all", flush=True)


main()
