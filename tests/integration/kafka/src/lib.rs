//! Brokers of Apache Kafka: one for all tests of a program, and others that a test may kill.
//!
//! `cargo xtask integration` fetches what they need and says where it is. A test that is run without it fails, and says so.

mod admin;
mod proxy;
mod transactions;

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

pub use admin::Admin;
pub use proxy::{Loses, Proxy};
pub use transactions::Transactions;

/// A broker of this machine, which is its own controller and keeps its data in a folder of its own.
#[derive(Debug)]
pub struct Broker {
    folder: TempDir,
    port: u16,
    process: Option<Process>,
    /// Whether nobody is left to remove its folder when it ends.
    is_last: bool,
}

/// What runs the broker's Java: a shell, which ends it when nobody holds its input any more. So it ends with the test, whatever ends
/// that.
#[derive(Debug)]
struct Process {
    shell: Child,
    held: Option<ChildStdin>,
    java: String,
}

const WATCH: &str = "log=\"$1\"; leaves=\"$2\"; shift 2; \"$@\" >>\"$log\" 2>&1 </dev/null & java=$!; echo $java; read _; \
                     kill -9 $java; wait; if [ -n \"$leaves\" ]; then rm -rf \"$leaves\"; fi";

/// A cluster's id; it is the same for all, since none knows another.
const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// The address of a broker for all tests of this program: the one that `FIRESTEEL_KAFKA` names, or one that is started.
///
/// # Panics
/// When there is none.
pub fn shared() -> &'static str {
    static SHARED: OnceLock<(String, Option<Broker>)> = OnceLock::new();
    let (address, _) = SHARED.get_or_init(|| match std::env::var("FIRESTEEL_KAFKA") {
        Ok(address) => (address, None),
        Err(_) => {
            let broker = Broker::make(&[], true).unwrap_or_else(|error| panic!("no broker can be started: {error}"));
            (broker.address(), Some(broker))
        }
    });
    address
}

fn class_path() -> OsString {
    let mut path = std::env::var_os("FIRESTEEL_KAFKA_JARS")
        .unwrap_or_else(|| panic!("FIRESTEEL_KAFKA_JARS is not set: run `cargo xtask integration`"));
    path.push("/*");
    path
}

fn java(memory: &str, program: &str) -> Command {
    let mut command = Command::new("java");
    command.args([memory, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(class_path()).arg(program);
    command
}

/// Runs one of Kafka's own tools, with these bytes as its input, and returns what it writes.
///
/// # Errors
/// When it fails.
pub fn tool(program: &str, arguments: &[&str], input: &[u8]) -> io::Result<String> {
    let mut command = java("-Xmx128m", program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn()?;
    if let Some(mut stdin) = process.stdin.take() {
        stdin.write_all(input)?;
    }
    let output = process.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

impl Broker {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::with(&[])
    }

    /// The same with these lines of its configuration.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn with(lines: &[&str]) -> io::Result<Self> {
        Self::make(lines, false)
    }

    fn make(lines: &[&str], is_last: bool) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port());
        let (port, controller) = (free()?, free()?);
        fs::write(folder.path().join("node.properties"), properties(folder.path(), port, controller, lines))?;
        fs::write(folder.path().join("log4j2.properties"), LOGGING)?;
        let config = folder.path().join("node.properties");
        let config = config.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        let features =
            lines.iter().filter_map(|line| line.strip_prefix("#feature=")).flat_map(|feature| ["--feature", feature]);
        let arguments: Vec<&str> =
            ["format", "-t", CLUSTER, "-c", config, "--standalone"].into_iter().chain(features).collect();
        tool("kafka.tools.StorageTool", &arguments, b"")?;
        let mut broker = Self { folder, port, process: None, is_last };
        broker.run()?;
        Ok(broker)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it again, after it was killed.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&mut self) -> io::Result<()> {
        let log = self.log();
        let said = |log: &Path| fs::read_to_string(log).map_or(0, |text| text.matches("Kafka Server started").count());
        let before = said(&log);
        let broker = java("-Xmx300m", "kafka.Kafka");
        let logging = format!("-Dlog4j2.configurationFile={}", self.folder.path().join("log4j2.properties").display());
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(&log);
        command.arg(if self.is_last { self.folder.path().as_os_str() } else { "".as_ref() });
        command.arg(broker.get_program()).arg(logging).args(broker.get_args());
        command.arg(self.folder.path().join("node.properties"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut shell = command.spawn()?;
        let (held, mut java) = (shell.stdin.take(), String::new());
        if let Some(told) = shell.stdout.take() {
            BufReader::new(told).read_line(&mut java)?;
        }
        self.process = Some(Process { shell, held, java: java.trim().to_owned() });
        let mut wait = Wait::up_to(60);
        while said(&log) == before {
            if !wait.once() {
                let text = fs::read_to_string(&log).unwrap_or_default();
                return Err(io::Error::other(format!("the broker does not start: {text}")));
            }
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Has it stand still, or lets it run again.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn stand_still(&self, still: bool) -> io::Result<()> {
        let signal = if still { "-STOP" } else { "-CONT" };
        if let Some(process) = &self.process {
            Command::new("kill").args([signal, &process.java]).status()?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.held = None;
        _ = self.shell.wait();
    }
}

/// Waits for what another process does, in steps of 20 milliseconds.
#[derive(Debug)]
pub struct Wait {
    left: u32,
    pause: std::sync::Condvar,
    never: std::sync::Mutex<()>,
}

impl Wait {
    /// This many seconds at most.
    #[must_use]
    pub fn up_to(seconds: u32) -> Self {
        Self { left: seconds * 50, pause: std::sync::Condvar::new(), never: std::sync::Mutex::new(()) }
    }

    /// Waits one step, if any are left.
    pub fn once(&mut self) -> bool {
        if let Ok(guard) = self.never.lock() {
            _ = self.pause.wait_timeout(guard, Duration::from_millis(20));
        }
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

const LOGGING: &str = "rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n%throwable
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
";

fn properties(folder: &Path, port: u16, controller: u16, lines: &[&str]) -> String {
    let mut text = format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
",
        folder.display()
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}
