//! Ctrl-C and `SIGTERM`.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Once, mpsc};

use firesteel_streaming::{Stop, Stopper, StreamingContext};
use firesteel_terminal::say;
use parking_lot::Mutex;

/// How long a job that is to stop waits until people have been told.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(200);

/// A job that hears of signals.
struct Listening {
    name: String,
    stopper: Stopper,
    json: bool,
    signals: AtomicU32,
    /// The exit code for the second signal; 0 before.
    forced: AtomicU8,
}

/// The jobs of this process that are running: signals come to a process, not to a job.
static RUNNING: Mutex<Vec<Arc<Listening>>> = Mutex::new(Vec::new());

/// Listens until it is dropped.
pub(crate) struct Signals(Arc<Listening>);

/// Has signals stop the job: the first one gracefully, the second one at once, the third one ends the process. `SIGHUP`
/// is left alone, so that `nohup` does what it is for. `json` says how that is told.
pub(crate) fn listen(job: &StreamingContext, json: bool) -> Signals {
    static ONCE: Once = Once::new();
    let name = job.name().to_owned();
    let (signals, forced) = (AtomicU32::new(0), AtomicU8::new(0));
    let listening = Arc::new(Listening { name, stopper: job.stopper(), json, signals, forced });
    RUNNING.lock().push(Arc::clone(&listening));
    ONCE.call_once(|| {
        if let Err(error) = handle() {
            // The job can run all the same.
            say(&format!("{}: Ctrl-C and SIGTERM will end the program at once: {error}\n", job.name()));
        }
    });
    Signals(listening)
}

#[cfg(unix)]
fn handle() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let listen = move || {
        for signal in signals.forever() {
            // As shells tell of a process that a signal has ended.
            on_signal(if signal == SIGTERM { 143 } else { 130 });
        }
    };
    std::thread::Builder::new().name("firesteel-signals".to_owned()).spawn(listen).map(drop)
}

#[cfg(not(unix))]
fn handle() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| on_signal(130))
}

fn on_signal(code: u8) {
    let running = RUNNING.lock().clone();
    if running.is_empty() {
        std::process::exit(i32::from(code));
    }
    for job in running {
        match job.signals.fetch_add(1, Ordering::SeqCst) {
            0 => {
                job.stop(Stop::Gracefully, "stopping after the running batch; a second signal stops at once");
            }
            1 => {
                job.forced.store(code, Ordering::SeqCst);
                job.stop(Stop::AtOnce, "stopping at once; a third signal ends the process");
            }
            _ => {
                job.say_in_time("ending the process");
                std::process::exit(i32::from(code));
            }
        }
    }
}

impl Listening {
    /// Tells people that the job stops, and stops it; where nobody reads what is told, it stops all the same.
    fn stop(self: &Arc<Self>, stop: Stop, message: &'static str) {
        self.say_in_time(message);
        self.stopper.stop(stop);
    }

    /// Tells people, and which calls to sources and sinks the job waits for; waits a moment until that is done.
    fn say_in_time(self: &Arc<Self>, message: &'static str) {
        let (job, (told, is_told)) = (Arc::clone(self), mpsc::channel());
        let tell = move || {
            let waits_for = job.stopper.waits_for();
            if waits_for.is_empty() {
                job.tell(message);
            } else {
                job.tell(&format!("{message}; the job waits for {}", waits_for.join(" and for ")));
            }
            _ = told.send(());
        };
        // Where no thread can be had, the sender is gone and nobody waits.
        _ = std::thread::Builder::new().name("firesteel-tells".to_owned()).spawn(tell);
        _ = is_told.recv_timeout(PATIENCE);
    }

    fn tell(&self, message: &str) {
        let name = &self.name;
        if self.json {
            say(&format!("{}\n", serde_json::json!({ "event": "signal", "job": name, "message": message })));
        } else {
            say(&format!("{name}: {message}\n"));
        }
    }
}

impl Signals {
    /// The exit code for the signal that stopped the job at once, if one did.
    pub(crate) fn forced(&self) -> Option<u8> {
        Some(self.0.forced.load(Ordering::SeqCst)).filter(|code| *code > 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        RUNNING.lock().retain(|job| !Arc::ptr_eq(job, &self.0));
    }
}
