//! A program at a terminal, as a person sees it: it has a pseudo terminal, and an emulator shows what is on the screen.

use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long the screen may keep a test waiting for what should be there at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program and its screen. It is killed if the test ends before it does.
pub(crate) struct Terminal {
    child: Child,
    master: Arc<OwnedFd>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a screen has some cells")
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// Starts a program at a terminal of this size, with these variables besides.
    pub(crate) fn run(program: &str, arguments: &[&str], rows: u16, columns: u16, variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are pseudo terminals");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(rows, columns)).unwrap();
        let slave = || ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("the program starts");
        let master = Arc::new(master);
        let (sender, output) = channel();
        let mut reader = File::from(master.try_clone().unwrap());
        let read = move || {
            let mut buffer = [0; 4096];
            // An error says that the program has ended.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().spawn(read).expect("a thread starts");
        let screen = vt100::Parser::new(cells(rows), cells(columns), 10_000);
        Self { child, master, output, screen, bytes: Vec::new() }
    }

    fn take(&mut self, output: &[u8]) {
        self.screen.process(output);
        self.bytes.extend_from_slice(output);
    }

    /// The lines on the screen.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.screen.screen().contents().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The lines on the screen and those that have left it at the top.
    pub(crate) fn all(&mut self) -> Vec<String> {
        let screen = self.screen.screen_mut();
        let mut all = Vec::new();
        for back in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(back);
            all.extend(screen.rows(0, u16::MAX).next());
        }
        screen.set_scrollback(0);
        all.extend(screen.rows(0, u16::MAX));
        let mut all: Vec<_> = all.into_iter().map(|line| line.trim_end().to_owned()).collect();
        all.truncate(all.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        all
    }

    /// All that the program has written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    #[allow(clippy::disallowed_methods, reason = "a program in another process goes by the machine's clock")]
    pub(crate) fn wait_for(&mut self, wanted: impl Fn(&[String]) -> bool) {
        let begin = Instant::now();
        while !wanted(&self.seen()) {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            match self.output.recv_timeout(left) {
                Ok(output) => self.take(&output),
                Err(_) => panic!("it never comes; the screen is\n{}", self.all().join("\n")),
            }
        }
    }

    /// Makes the terminal larger or smaller.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        tcsetwinsize(&*self.master, size(rows, columns)).unwrap();
        self.screen.screen_mut().set_size(cells(rows), cells(columns));
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("the system has kill").success());
    }

    /// Waits for the end, and shows all that was written.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        // Once nobody has the terminal open, reading ends.
        while let Ok(output) = self.output.recv_timeout(PATIENCE) {
            self.take(&output);
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Fails if it has ended already, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
