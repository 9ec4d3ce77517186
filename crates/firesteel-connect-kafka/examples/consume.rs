//! How fast a topic is read, without an engine: writes records of 85 bytes into a topic that is there, unless it holds as many
//! already, and reads all of it.
//!
//! ```sh
//! cargo run --release -p firesteel-connect-kafka --example consume -- localhost:9092 events 10000000 1 none
//! ```
//!
//! The arguments are brokers, topic, records, threads, and the codec that they are written by: none, lz4, gzip or snappy.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it measures the time that passes, and stops at any error"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use firesteel_connect::{Epoch, ReadRange, Sink, SinkContext, Source, SourceContext, SourceReader, WriteTask};
use firesteel_connect_kafka::{Compression, Kafka, Outgoing, RawRecord};
use firesteel_window::Timestamp;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, brokers, topic, records, threads, codec] = &arguments[..] else {
        panic!("five arguments: brokers, topic, records, threads, codec");
    };
    let (records, threads): (u64, usize) = (records.parse().unwrap(), threads.parse().unwrap());
    let kafka = Kafka::at(brokers);
    let source =
        kafka.topics([topic]).decode(|record: &RawRecord<'_>| record.value().map(<[u8]>::len).ok_or("no value"));
    source.start(&SourceContext::default()).unwrap();
    let splits = || source.discover(Timestamp::EPOCH).unwrap().splits;
    let mut found = splits();
    let held: u64 = found.iter().map(|split| split.available.unwrap() - split.first).sum();
    if held < records {
        write(&kafka, topic, held..records, codec);
        let source = kafka.topics([topic]);
        source.start(&SourceContext::default()).unwrap();
        found = source.discover(Timestamp::EPOCH).unwrap().splits;
    }
    let (count, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let mine = found.iter().skip(thread).step_by(threads);
            let (source, count, bytes) = (&source, &count, &bytes);
            let run = move || {
                let mut block = Vec::with_capacity(1_024);
                for split in mine {
                    let range = ReadRange::exact(split.id.clone(), split.first, split.available.unwrap());
                    let mut reader = source.open(&range).unwrap();
                    loop {
                        block.clear();
                        let more = reader.read_block(1_024, &mut block).unwrap();
                        count.fetch_add(block.len() as u64, Ordering::Relaxed);
                        bytes.fetch_add(block.iter().map(|bytes| *bytes as u64).sum(), Ordering::Relaxed);
                        if !more {
                            break;
                        }
                    }
                }
            };
            std::thread::Builder::new().spawn_scoped(scope, run).unwrap();
        }
    });
    let (count, seconds) = (count.into_inner(), began.elapsed().as_secs_f64());
    let millions = count as f64 / seconds / 1e6;
    println!(
        "{count} records, {} bytes of values, {threads} threads: {seconds:.2} s, {millions:.2} million records a second",
        bytes.into_inner()
    );
}

fn write(kafka: &Kafka, topic: &str, numbers: std::ops::Range<u64>, codec: &str) {
    let compression = match codec {
        "lz4" => Compression::Lz4,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        _ => Compression::None,
    };
    let fill = |number: &u64, out: &mut Outgoing| {
        let ad = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        out.key_is(Some(ad.to_string().as_bytes()));
        let user = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = format!(
            "{{\"ad\":{ad},\"kind\":{},\"ts\":{},\"user\":\"{user:028x}\"}}",
            number % 3,
            1_700_000_000_000 + number / 100
        );
        out.value_is(Some(value.as_bytes()));
    };
    let sink = kafka.topic(topic).records(fill).at_least_once().compressed_by(compression);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let context = SinkContext::new("consume", "load").with_clock(move || Timestamp::from_millis(now));
    sink.start(&context).unwrap();
    let began = Instant::now();
    let count = numbers.end - numbers.start;
    for (epoch, from) in (1..).zip(numbers.clone().step_by(500_000)) {
        let task = WriteTask::new(Epoch(epoch), 0);
        let mut written = vec![sink.write(task, from..(from + 500_000).min(numbers.end)).unwrap()];
        Sink::<u64>::commit(&sink, Epoch(epoch), &mut written).unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} records written in {seconds:.2} s, {:.2} million a second", count as f64 / seconds / 1e6);
}
