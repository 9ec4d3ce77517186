//! Topics as a source.

use firesteel_connect::{
    Class, Counters, Decoding, ReadRange, Resumed, Source, SourceContext, SourceReader, conformance,
};
use firesteel_connect_kafka::{Kafka, KafkaSource, Message, RawRecord, Start, Values};
use firesteel_integration_kafka::{Broker, Transactions, Wait, shared, tool};
use firesteel_window::{Duration, Timestamp};

use crate::help::*;

type Numbers = KafkaSource<Values<Decoding<fn(&[u8]) -> Result<u32, String>>>>;

fn source(topic: &str) -> Numbers {
    kafka().topics([topic]).values(Decoding::new(number as fn(&[u8]) -> Result<u32, String>))
}

/// Reads what a discovery at this time names, from where it was read before.
fn poll<S: Source>(source: &S, now: i64, at: &mut Vec<(String, u64)>) -> firesteel_connect::Result<Vec<S::Item>> {
    let mut records = vec![];
    for split in source.discover(Timestamp::from_millis(now))?.splits {
        let name = split.id.as_str().to_owned();
        let known = at.iter().position(|(known, _)| *known == name);
        let place = known.unwrap_or_else(|| {
            at.push((name, split.first));
            at.len() - 1
        });
        let mut reader = source.open(&ReadRange::exact(split.id, at[place].1, split.available.unwrap()))?;
        reader.for_each(|record| records.push(record))?;
        at[place].1 = reader.position();
    }
    Ok(records)
}

#[test]
fn the_suites_for_sources() {
    let topic = topic(3);
    write(&topic, &(0..50).map(|number| (i32::from(number >= 20), number)).collect::<Vec<_>>());
    let expected = [(0..20).collect(), (20..50).collect(), vec![]];
    let make = || source(&topic);
    conformance::source(make, &expected);
    conformance::source_resumes(make, &expected);
    // Answers of one batch, and of parts of it.
    conformance::source(|| make().fetch_bytes(1), &expected);
}

#[test]
fn only_what_is_committed_is_read_and_positions_pass_over_the_rest() {
    let topic = topic(1);
    let mut writer = Transactions::start(admin(), &topic).unwrap();
    for (round, commits) in [(0, true), (1, false), (2, false), (3, true), (4, false)] {
        for part in 0..3 {
            writer.write(&topic, &[round * 100 + part * 10, round * 100 + part * 10 + 1]).unwrap();
        }
        writer.end(commits).unwrap();
    }
    admin().settle(&topic, 1).unwrap();
    let expected = [vec![0, 1, 10, 11, 20, 21, 300, 301, 310, 311, 320, 321]];
    conformance::source(|| source(&topic), &expected);
    // What is open is not there yet, and holds up what comes after it.
    writer.write(&topic, &[500]).unwrap();
    let mut other = Transactions::start(admin(), &format!("{topic}-other")).unwrap();
    other.write(&topic, &[600]).unwrap();
    other.end(true).unwrap();
    conformance::source(|| source(&topic), &expected);
    // Read from in the midst of transactions, aborted ones stay so.
    let read = source(&topic);
    read.start(&SourceContext::default()).unwrap();
    for from in 0..30 {
        let mut found = vec![];
        read.open(&ReadRange::exact(split(&topic, 0), from, 30))
            .unwrap()
            .for_each(|number| found.push(number))
            .unwrap();
        assert!(expected[0].ends_with(&found), "from {from}: {found:?}");
    }
    writer.end(true).unwrap();
    admin().settle(&topic, 1).unwrap();
    assert_eq!(numbers(&topic), [&expected[0][..], &[500, 600]].concat());
}

#[test]
fn a_record_that_cannot_be_decoded_costs_itself() {
    let topic = topic(1);
    let sink = kafka().topic(&topic).at_least_once();
    firesteel_connect::Sink::start(&sink, &firesteel_connect::SinkContext::default()).unwrap();
    let records = ["1", "x", "3", "", "5"].map(Message::of);
    commit(&sink, 1, records.into_iter().chain([Message::tombstone(), Message::of("7")])).unwrap();
    let bad = |bytes: &str| Err(bytes.as_bytes().to_vec());
    conformance::undecodable(|| source(&topic), &[Ok(1), bad("x"), Ok(3), bad(""), Ok(5), bad(""), Ok(7)]);
    let error = {
        let read = source(&topic);
        read.start(&SourceContext::default()).unwrap();
        read.open(&ReadRange::exact(split(&topic, 0), 5, 6)).unwrap().next_record().unwrap_err().to_string()
    };
    assert!(error.contains("tombstone") && error.contains(&topic) && error.contains("position 5"), "{error}");
}

#[test]
fn records_come_byte_for_byte() {
    let topic = topic(1);
    let sink = messages(&topic);
    firesteel_connect::Sink::start(&sink, &firesteel_connect::SinkContext::default()).unwrap();
    let mut sent = vec![
        Message::of("value").with_key("key"),
        Message::of("").with_key(""),
        Message::tombstone().with_key("gone"),
        Message::tombstone(),
        Message::of(vec![0, 255]).with_header("a", "1").with_header("a", "2").with_header("", ""),
    ];
    sent[4].headers.push(("none".to_owned(), None));
    sent[1].timestamp = Some(Timestamp::from_millis(1_234));
    commit(&sink, 1, sent.clone().into_iter()).unwrap();
    admin().settle(&topic, 1).unwrap();
    let found = all(&kafka().topics([&topic]));
    for (offset, (found, mut due)) in (0..).zip(found.into_iter().zip(sent)) {
        (due.topic, due.partition, due.offset) = (topic.as_str().into(), 0, offset);
        due.timestamp.get_or_insert(Timestamp::EPOCH);
        assert_eq!(found, due);
    }
}

#[test]
fn a_job_begins_where_it_is_told_to() {
    let topic = topic(2);
    let sink = kafka().topic(&topic).at_least_once().records(|number: &i64, out| {
        out.partition_is(0);
        out.timestamp_is(Timestamp::from_millis(*number));
        out.value_is(Some(number.to_string().as_bytes()));
    });
    firesteel_connect::Sink::start(&sink, &firesteel_connect::SinkContext::default()).unwrap();
    commit(&sink, 1, [10, 20, 30].into_iter()).unwrap();
    let starts = [
        (Start::Earliest, vec![10, 20, 30]),
        (Start::Latest, vec![]),
        (Start::At(Timestamp::from_millis(11)), vec![20, 30]),
        (Start::At(Timestamp::from_millis(31)), vec![]),
        (Start::Offsets(vec![(topic.clone(), 0, 2)]), vec![30]),
    ];
    for (start, due) in starts {
        let read = source(&topic).starting(start.clone());
        assert_eq!(all(&read), due, "{start:?}");
    }
    // It is looked up once: what comes later is read, in partitions that come later from their beginning.
    let read = source(&topic).starting(Start::Latest);
    read.start(&SourceContext::default()).unwrap();
    let mut at = vec![];
    assert!(poll(&read, 0, &mut at).unwrap().is_empty());
    write(&topic, &[(0, 40), (1, 50)]);
    admin().grow(&topic, 3).unwrap();
    let mut wait = Wait::up_to(20);
    while Transactions::start(admin(), &topic).is_err() && wait.once() {}
    write(&topic, &[(2, 60)]);
    let mut found = poll(&read, 1, &mut at).unwrap();
    let mut now = 100_000;
    while found.len() < 3 && wait.once() {
        found.extend(poll(&read, now, &mut at).unwrap());
        now += 100_000;
    }
    assert_eq!(found, [40, 50, 60]);
}

#[test]
fn what_retention_has_removed_is_told_or_given_up_and_counted() {
    let topic = topic(1);
    for number in 0..5 {
        write(&topic, &[(0, number)]);
    }
    let context = || SourceContext::default().resumed_at([Resumed::at(split(&topic, 0), 1)]);
    admin().forget(&topic, 0, 3).unwrap();
    let read = source(&topic);
    read.start(&context()).unwrap();
    let error = poll(&read, 0, &mut vec![(split(&topic, 0).to_string(), 1)]).unwrap_err();
    let text = error.to_string();
    assert!(error.code() == "FS-N005" && text.contains("position 1") && text.contains("before 3"), "{text}");
    let counters = Counters::default();
    let read = source(&topic);
    let given_up = context().giving_up([format!("{topic}/*")]).with_counters(counters.clone());
    read.start(&given_up).unwrap();
    assert_eq!(poll(&read, 0, &mut vec![(split(&topic, 0).to_string(), 1)]).unwrap(), [3, 4]);
    assert_eq!(counters.values(), [("lost_offsets", 2)]);
    // A log that ends before the position is none that retention has cut.
    let error = read.open(&ReadRange::exact(split(&topic, 0), 9, 10)).unwrap().next_record().unwrap_err();
    assert!(error.code() == "FS-N005" && error.to_string().contains("goes from 3 to 5"), "{error}");
}

#[test]
fn a_topic_that_was_created_again_is_another_one() {
    let topic = topic(1);
    write(&topic, &[(0, 1), (0, 2)]);
    let read = source(&topic);
    read.start(&SourceContext::default()).unwrap();
    let mut at = vec![];
    assert_eq!(poll(&read, 0, &mut at).unwrap(), [1, 2]);
    let noted = read.notes(&[(split(&topic, 0), 2)]).unwrap();
    let resumed = || Resumed::at(split(&topic, 0), 2).noted(noted[0].1.clone());
    admin().delete(&topic).unwrap();
    let mut wait = Wait::up_to(20);
    while admin().create(&topic, 1, &[("retention.ms", "-1")]).is_err() && wait.once() {}
    write(&topic, &[(0, 3), (0, 4), (0, 5)]);
    // While it runs, and at the next start.
    let again = source(&topic);
    again.start(&SourceContext::default().resumed_at([resumed()])).unwrap();
    for read in [&read, &again] {
        let error = poll(read, 100_000, &mut at).unwrap_err();
        assert!(error.code() == "FS-N005" && error.to_string().contains("created again"), "{error}");
    }
    let mut reader = read.open(&ReadRange::exact(split(&topic, 0), 2, 3)).unwrap();
    let error = reader.next_record().unwrap_err();
    assert!(error.code() == "FS-N005" && error.to_string().contains("created again"), "{error}");
    // Given up, it is read from its beginning.
    let given_up = source(&topic);
    given_up.start(&SourceContext::default().resumed_at([resumed()]).giving_up([format!("{topic}/0")])).unwrap();
    let first = given_up.discover(Timestamp::EPOCH).unwrap();
    assert!(first.splits.is_empty() && first.more, "{first:?}");
    assert_eq!(poll(&given_up, 1, &mut vec![]).unwrap(), [3, 4, 5]);
}

#[test]
fn all_codecs_of_java_are_read() {
    let topic = topic(1);
    let lines: String = (0..300).map(|number| format!("{number}\n")).collect();
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let arguments = ["--bootstrap-server", shared(), "--topic", &topic, "--compression-codec", codec];
        tool("org.apache.kafka.tools.ConsoleProducer", &arguments, lines.as_bytes()).unwrap();
    }
    let due: Vec<u32> = (0..4).flat_map(|_| 0..300).collect();
    assert_eq!(numbers(&topic), due);
    conformance::source(|| source(&topic), &[due]);
}

#[test]
fn holes_of_compaction_are_passed_over() {
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("max.compaction.lag.ms", "200"),
    ];
    let topic = topic_with(1, &settings);
    let sink = kafka().topic(&topic).at_least_once().records(|number: &u32, out| {
        out.key_is(Some(&[(*number % 5) as u8]));
        out.timestamp_is(Timestamp::from_millis(i64::from(*number) * 1_000));
        out.value_is(Some(number.to_string().as_bytes()));
    });
    firesteel_connect::Sink::start(&sink, &firesteel_connect::SinkContext::default()).unwrap();
    commit(&sink, 1, 0..100).unwrap();
    let mut wait = Wait::up_to(60);
    let mut next = 100;
    // Each record begins a new segment; those before it are compacted in the broker's time.
    while numbers(&topic).len() > 60 && wait.once() {
        commit(&sink, u64::from(next), [next].into_iter()).unwrap();
        next += 1;
    }
    let found = numbers(&topic);
    assert!(found.len() <= 60, "nothing was compacted: {}", found.len());
    assert!(found.is_sorted() && found.last() == Some(&(next - 1)));
    let read = source(&topic);
    read.start(&SourceContext::default()).unwrap();
    let end = read.discover(Timestamp::EPOCH).unwrap().splits[0].available.unwrap();
    for from in 0..end {
        let mut reader = read.open(&ReadRange::exact(split(&topic, 0), from, end)).unwrap();
        let mut rest = vec![];
        reader.for_each(|number| rest.push(number)).unwrap();
        assert!(found.ends_with(&rest) && reader.position() == end, "from {from}: {rest:?}");
    }
}

#[test]
fn what_cannot_work_is_told_at_once_and_by_name() {
    let start = |kafka: Kafka, topic: &str| kafka.topics([topic]).start(&SourceContext::default()).unwrap_err();
    let missing = start(kafka(), "no-such-topic");
    assert!(missing.class() == Class::Program && missing.to_string().contains("no-such-topic"), "{missing}");
    let patience = |kafka: Kafka| kafka.patience(Duration::millis(200)).request_limit(Duration::secs(2));
    let nobody = start(patience(Kafka::at("127.0.0.1:1")), "clicks");
    assert!(nobody.class() == Class::Retryable && nobody.to_string().contains("127.0.0.1:1"), "{nobody}");
    // Something else listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answers = std::thread::Builder::new().spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        _ = stream.read(&mut [0; 100]);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let other = start(patience(Kafka::at(&address)), "clicks");
    answers.unwrap().join().unwrap();
    assert!(other.class() == Class::Fatal && other.to_string().contains("port of something else"), "{other}");
    // Ranges of what is not there.
    let topic = topic(1);
    let read = source(&topic);
    read.start(&SourceContext::default()).unwrap();
    for name in [format!("{topic}/1"), "other/0".to_owned(), topic.clone()] {
        let range = ReadRange::starting_at(firesteel_connect::SplitId::new(name.as_str()), 0);
        assert_eq!(read.open(&range).err().map(|error| error.class()), Some(Class::Fatal), "{name}");
    }
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_time_and_no_record() {
    let mut broker = Broker::start().unwrap();
    let kafka = Kafka::at(&broker.address()).patience(Duration::secs(60)).request_limit(Duration::secs(10));
    firesteel_integration_kafka::Admin::at(&broker.address())
        .unwrap()
        .create("t", 2, &[("retention.ms", "-1")])
        .unwrap();
    let sink = kafka.topic("t").records(|number: &u32, out| {
        out.partition_is((*number % 2).cast_signed());
        out.value_is(Some(number.to_string().as_bytes()));
    });
    firesteel_connect::Sink::start(&sink, &firesteel_connect::SinkContext::default()).unwrap();
    let read = kafka.topics(["t"]).decode(|record: &RawRecord<'_>| number(record.value().unwrap_or_default()));
    read.start(&SourceContext::default()).unwrap();
    let (mut found, mut at, mut now) = (vec![], vec![], 0);
    for round in 0..3 {
        commit(&sink, round * 2 + 1, (0..500).map(|number| round as u32 * 1_000 + number)).unwrap();
        broker.kill();
        // Nobody is there: nothing new, and no error.
        found.extend(poll(&read, now, &mut at).unwrap_or_default());
        broker.run().unwrap();
        commit(&sink, round * 2 + 2, (500..1_000).map(|number| round as u32 * 1_000 + number)).unwrap();
        let mut wait = Wait::up_to(30);
        while found.len() < (round as usize + 1) * 1_000 && wait.once() {
            now += 1_000;
            found.extend(poll(&read, now, &mut at).unwrap());
        }
    }
    found.sort_unstable();
    assert_eq!(found, (0..3_000).collect::<Vec<u32>>());
}
