//! What the process asks of the operating system once, at its start; the programs that it starts and does not wait for.

pub mod running;

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::{disk, terminal};

pub use running::Running;

/// What is done at the first SIGINT or SIGTERM instead of dying of it, if somebody asked for it.
static AT_STOP: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// For how long the same signal is the same wish: timeout(1) and others that pass a signal on send it to the process and
/// to its group.
const SAME: Duration = Duration::from_secs(1);

/// Has the first SIGINT or SIGTERM call this and not end the process. One that comes later ends it.
pub fn at_stop(stop: impl FnOnce() + Send + 'static) {
    *AT_STOP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(stop));
}

/// No core dump holds a seed, and no other process of the user can look into this one; a file that grows over its limit
/// is an error and not a death; an interrupted run leaves nothing unfinished behind and the terminal as it was, and then
/// dies of the signal, as whoever sent it expects.
pub fn prepare() {
    // If any of this is not to be had, the program still does its work: leftovers are swept by the next run.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // A pattern with a pipe (core(5)) dumps whatever the limit is; PR_SET_DUMPABLE is what stops that, and ptrace(2).
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = signal_hook::flag::register(SIGXFSZ, Default::default());
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]) else { return };
    thread::spawn(move || {
        let mut last = None;
        for signal in signals.forever() {
            if last.is_some_and(|(same, at): (i32, Instant)| same == signal && at.elapsed() < SAME) {
                continue;
            }
            let asked = AT_STOP.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let (SIGINT | SIGTERM, Some(stop)) = (signal, asked) {
                stop();
                last = Some((signal, Instant::now()));
                continue;
            }
            running::end_all();
            terminal::restore();
            disk::abandon();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}
