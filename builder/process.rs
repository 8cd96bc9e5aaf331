//! What the process asks of the operating system once, at its start.

use std::thread;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::{disk, terminal};

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
        if let Some(signal) = signals.forever().next() {
            terminal::restore();
            disk::abandon();
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}
