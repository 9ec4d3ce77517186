//! A log that is made up: the columns of a DNS log, of which four are looked at.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use firesteel_formats::{Csv, Parquet, WriteFormat, Writing};
use serde::{Deserialize, Serialize};

use super::{Error, Kind};

/// A line, much as Zeek has it.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    ts: String,
    uid: String,
    #[serde(rename = "id.orig_h")]
    client: String,
    #[serde(rename = "id.orig_p")]
    client_port: u16,
    #[serde(rename = "id.resp_h")]
    server: String,
    #[serde(rename = "id.resp_p")]
    server_port: u16,
    proto: String,
    trans_id: u16,
    rtt: Option<f64>,
    query: Option<String>,
    qclass: u32,
    qclass_name: String,
    qtype: u32,
    qtype_name: String,
    rcode: u32,
    rcode_name: Option<String>,
    authoritative: bool,
    recursion: bool,
    answers: Option<String>,
    ttl: Option<f64>,
}

/// Follows from its number.
fn line(n: u64) -> Line {
    let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n >> 7).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let part = |shift: u32, of: u64| (random >> shift) % of;
    let answered = part(3, 10) < 6;
    Line {
        ts: format!("2018-03-24T17:{:02}:{:02}.{:06}Z", n / 60_000 % 60, n / 1_000 % 60, random % 1_000_000),
        uid: format!("C{random:016x}"),
        client: format!("10.{}.{}.{}", part(5, 4), part(9, 50), part(17, 200)),
        client_port: (1_024 + part(21, 60_000)) as u16,
        server: format!("10.0.0.{}", part(33, 6)),
        server_port: 53,
        proto: "udp".to_owned(),
        trans_id: random as u16,
        rtt: answered.then(|| part(11, 100_000) as f64 / 1e6),
        query: (part(41, 20) > 0).then(|| format!("host-{}.example-{}.org", part(13, 5_000), part(29, 300))),
        qclass: 1,
        qclass_name: "C_INTERNET".to_owned(),
        qtype: 1 + part(37, 2) as u32 * 27,
        qtype_name: ["A", "AAAA"][part(37, 2) as usize].to_owned(),
        rcode: 0,
        rcode_name: if answered {
            Some("NOERROR".to_owned())
        } else {
            (part(45, 2) == 0).then(|| "NXDOMAIN".to_owned())
        },
        authoritative: part(49, 2) == 0,
        recursion: true,
        answers: answered.then(|| format!("93.184.{}.{}", part(19, 250), part(27, 250))),
        ttl: answered.then(|| part(31, 86_400) as f64),
    }
}

/// A file of as many lines as have that many megabytes of JSON.
pub(super) fn file(kind: Kind, megabytes: u64, folder: &Path) -> Result<PathBuf, Error> {
    let sample = (0..1_000).map(|n| serde_json::to_vec(&line(n)).map(|line| line.len() as u64 + 1));
    let thousand = sample.sum::<Result<u64, _>>()?;
    let lines = (megabytes << 20) * 1_000 / thousand;
    let path = folder.join(format!("log.{}", format!("{kind:?}").to_lowercase()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    match kind {
        Kind::Json => {
            for n in 0..lines {
                serde_json::to_writer(&mut out, &line(n))?;
                out.write_all(b"\n")?;
            }
        }
        Kind::Csv => written(&Csv::new(), lines, &mut out)?,
        Kind::Parquet => written(&Parquet::new(), lines, &mut out)?,
    }
    out.flush()?;
    Ok(path)
}

fn written<F: WriteFormat<Line>>(format: &F, lines: u64, out: &mut impl Write) -> Result<(), Error> {
    let (mut writing, mut bytes) = (format.begin(), Vec::new());
    for n in 0..lines {
        bytes.clear();
        writing.write(&line(n), &mut bytes).map_err(|error| error.to_string())?;
        out.write_all(&bytes)?;
    }
    bytes.clear();
    writing.end(&mut bytes).map_err(|error| error.to_string())?;
    out.write_all(&bytes)?;
    Ok(())
}
