//! A server for objects.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::installed;

/// A server that speaks S3's protocol, and forgets everything when it is stopped: moto's.
#[derive(Debug)]
pub struct S3 {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl S3 {
    /// Starts one on a free port of this machine, with a bucket of each of these names.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn start(buckets: &[&str]) -> io::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(installed("FIRESTEEL_S3_PYTHON"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        command.current_dir(folder.path()).env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let told = process.stderr.take();
        let server = Self { process, port, _folder: folder };
        let mut told = BufReader::new(told.ok_or_else(|| io::Error::other("the server cannot be heard"))?);
        let (mut line, mut all) = (String::new(), String::new());
        while !line.contains("Running on") {
            line.clear();
            if told.read_line(&mut line)? == 0 {
                return Err(io::Error::other(format!("the server has ended: {all}")));
            }
            all.push_str(&line);
        }
        // It tells of each call, and would wait for somebody to listen.
        std::thread::Builder::new().spawn(move || io::copy(&mut told, &mut io::sink()))?;
        for bucket in buckets {
            server.ask("PUT", &format!("/{bucket}"))?;
        }
        Ok(server)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks it without a signature, which it does not want.
    ///
    /// # Errors
    /// When it does not answer, or not that it has been done.
    pub fn ask(&self, method: &str, path: &str) -> io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 2") { Ok(()) } else { Err(io::Error::other(answer)) }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
