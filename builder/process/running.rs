//! A program that runs beside us. It ends when its value does, and when a signal ends us.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How long a program may take to end by itself when it is asked to.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked at.
const OFTEN: Duration = Duration::from_millis(20);

/// The programs that nobody has waited for. A number is taken out under the lock in which its end is seen, so that no
/// signal reaches another process that has got the number since.
static STARTED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn started() -> MutexGuard<'static, BTreeSet<u32>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(number: u32, signal: Signal) {
    if let Some(process) = i32::try_from(number).ok().and_then(Pid::from_raw) {
        // One that has just ended needs no signal.
        let _ = kill_process(process, signal);
    }
}

/// A running program.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> io::Result<Running> {
        let mut started = started();
        let child = command.spawn()?;
        started.insert(child.id());
        Ok(Running(child))
    }

    /// What it reads, if that was asked for; once.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// What it writes, if its output was asked for; once.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// What it complains of, if that was asked for; once.
    pub fn errors(&mut self) -> Option<ChildStderr> {
        self.0.stderr.take()
    }

    /// How it ended, if it has.
    pub fn poll(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut started = started();
        let status = self.0.try_wait()?;
        if status.is_some() {
            started.remove(&self.0.id());
        }
        Ok(status)
    }

    /// How it ended, if it does until then.
    pub fn wait_until(&mut self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        loop {
            let status = self.poll()?;
            if status.is_some() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(status);
            }
            thread::sleep(OFTEN);
        }
    }

    /// Asks it to end, and after a while makes it.
    pub fn stop(&mut self) {
        for by in [Signal::TERM, Signal::KILL] {
            if started().contains(&self.0.id()) {
                signal(self.0.id(), by);
                let _ = self.wait_until(Some(Instant::now() + PATIENCE));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends every program that runs, before this process ends. Afterwards none can be started any more.
pub(super) fn end_all() {
    let mut started = started();
    for by in [Signal::TERM, Signal::KILL] {
        started.iter().for_each(|number| signal(*number, by));
        let deadline = Instant::now() + PATIENCE;
        while !started.is_empty() && Instant::now() < deadline {
            started.retain(|number| runs(*number));
            thread::sleep(OFTEN);
        }
    }
    std::mem::forget(started);
}

fn runs(number: u32) -> bool {
    let process = i32::try_from(number).ok().and_then(Pid::from_raw);
    process.is_some_and(|process| matches!(waitpid(Some(process), WaitOptions::NOHANG), Ok(None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_its_value() {
        let mut running = Running::start(Command::new("sleep").arg("60")).unwrap();
        let number = running.0.id();
        assert_eq!(running.poll().unwrap(), None);
        drop(running);
        assert!(!started().contains(&number));
        assert!(!std::path::Path::new(&format!("/proc/{number}/exe")).is_symlink());
    }

    #[test]
    fn who_does_not_listen_is_killed() {
        use std::io::Read as _;
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]);
        let mut running = Running::start(command.stdout(std::process::Stdio::piped())).unwrap();
        let mut said = [0; 5];
        running.output().unwrap().read_exact(&mut said).unwrap();
        running.stop();
        assert!(running.poll().unwrap().is_some());
    }
}
