"""One run of a program, measured: how long, what of the processors, how much memory, how many bytes to the disk.

Everything is of the whole tree of processes. Time is the monotonic clock's, from before the start until the first process
has ended. Processors and memory are what the kernel says on wait4(2): the sum of user and system time of the process and
of all that it has waited for, and the peak of the largest one of them (a pipeline's others come on top). Bytes written are
`write_bytes` of /proc/PID/io, read while the process is a zombie: what it and those that it has waited for have made dirty
in files of a disk, so pipes and /dev/null are not in it. A process begins as a copy of this one, whose memory counts as its own
until it runs its program: what is below that (`own_memory`) is not known.
"""
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from statistics import median, quantiles


class Sample:
    def __init__(self, wall, cpu, memory, written):
        self.wall, self.cpu, self.memory, self.written = wall, cpu, memory, written


class Failed(Exception):
    pass


def written(pid):
    with open(f"/proc/{pid}/io") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(argv, *, cwd=None, environment=None, limit=600, cores=None, stdin=None, out=subprocess.DEVNULL, may_end=(0,)):
    """Runs the program in a group of its own, which is ended after `limit` seconds; `cores` are those that it may use."""
    if cores is not None:
        argv = ["taskset", "-c", ",".join(map(str, cores)), *argv]
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        process = subprocess.Popen(argv, cwd=cwd, env=environment, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True)
        waiting = select.poll()
        handle = os.pidfd_open(process.pid)
        try:
            waiting.register(handle, select.POLLIN)
            ended = waiting.poll(limit * 1000)
            wall = time.monotonic() - start
            if not ended:
                kill_group(process.pid)
                process.wait()
                raise Failed(f"not done in {limit} s: {' '.join(argv)[:300]}")
            disk = written(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            os.close(handle)
            kill_group(process.pid)
        if process.returncode not in may_end:
            errors.seek(0)
            raise Failed(f"ended with {process.returncode}: {' '.join(argv)[:300]}\n{errors.read().decode(errors='replace')[-2000:]}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, disk)


def own_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def of(samples, what):
    """The median of one of a row's numbers."""
    return median(getattr(sample, what) for sample in samples)


def quartiles(values):
    """Lower quartile, median and upper quartile."""
    return tuple(quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3


def first_line(*argv):
    """What a program says of its version."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return ((done.stdout + done.stderr).strip().splitlines() or ["?"])[0].strip("* ")


def machine(directory):
    """What the numbers were measured on: processor, kernel, memory, and the file system of the bench's directory."""
    with open("/proc/cpuinfo") as file:
        lines = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    disk = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True).stdout.strip()
    virtual = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True).stdout.strip() if os.path.exists("/usr/bin/systemd-detect-virt") else ""
    return {
        "processor": lines[0] if lines else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "memory-mib": memory,
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "file-system": disk,
        "virtual": virtual or "unknown",
        "load-before": round(os.getloadavg()[0], 2),
    }
