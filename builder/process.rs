//! What the process asks of the operating system once, at its start.

use std::thread;

use rustix::process::{Resource, Rlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::{disk, terminal};

/// No core dump holds a seed; a file that grows over its limit is an error and not a death; an interrupted run leaves
/// nothing unfinished behind and the terminal as it was, and then dies of the signal, as whoever sent it expects.
pub fn prepare() {
    // If any of this is not to be had, the program still does its work: leftovers are swept by the next run.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
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
