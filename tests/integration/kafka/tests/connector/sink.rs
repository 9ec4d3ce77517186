//! Topics as sinks.

use firesteel_connect::{Class, Epoch, Sink, SinkContext, conformance};
use firesteel_connect_kafka::{Compression, Kafka, Message};
use firesteel_integration_kafka::{Admin, Broker, Loses, Proxy, Wait, shared, tool};

use crate::help::*;

#[test]
fn the_suites_for_sinks() {
    let open = |topic: &String| numbered(topic);
    let make = || open(&topic(1));
    let visible = |sink: &_| numbers(&of_sink::<(i32, u32), _>(sink)).into_iter().map(|number| (0, number)).collect();
    let record = |number| (0, number);
    conformance::sink(make, visible, record);
    conformance::sink_restarts(make, |sink| open(&of_sink::<(i32, u32), _>(&sink)), visible, record);
    let all = |topic: &String| numbers(topic).into_iter().map(|number| (0, number)).collect();
    conformance::sinks_of_one_place(|| topic(1), open, all, record);
    conformance::sink(|| make().compressed_by(Compression::Lz4).batch_bytes(80), visible, record);
    conformance::sink(|| make().at_least_once(), visible, record);
}

#[test]
fn a_commit_that_is_lost_on_its_way_is_found_out_and_never_lands_later() {
    let proxy = Proxy::start().unwrap();
    let listeners = format!("advertised.listeners=PLAINTEXT://{}", proxy.address());
    let broker = Broker::with(&[&listeners]).unwrap();
    proxy.leads_to(&broker.address());
    let kafka = Kafka::at(&proxy.address());
    let place = || {
        let topic = format!("t{}", topic_number());
        Admin::at(&broker.address()).unwrap().create(&topic, 1, &[("retention.ms", "-1")]).unwrap();
        topic
    };
    let open = |topic: &String| {
        kafka.topic(topic).records(|number: &u32, out| out.value_is(Some(number.to_string().as_bytes())))
    };
    let visible = |topic: &String| {
        Admin::at(&broker.address()).unwrap().settle(topic, 1).unwrap();
        all(&kafka.topics([topic]).values(firesteel_connect::Decoding::new(number)))
    };
    let lose = |_: &String, loss| {
        proxy.lose(match loss {
            conformance::Loss::Request => Loses::Request,
            conformance::Loss::Answer => Loses::Answer,
            _ => Loses::Late,
        });
    };
    conformance::unsure_sink(place, open, lose, |_| proxy.land().unwrap(), visible, |number| number);
}

fn topic_number() -> u32 {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn java_reads_what_is_committed_and_places_keys_alike() {
    let (ours, theirs) = (topic(5), topic(5));
    let keys: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
    let sink = messages(&ours).compressed_by(Compression::Snappy);
    sink.start(&SinkContext::default()).unwrap();
    commit(&sink, 1, keys.iter().map(|key| Message::of("value").with_key(key.as_str()))).unwrap();
    admin().settle(&ours, 5).unwrap();
    let lines: String = keys.iter().map(|key| format!("{key};value\n")).collect();
    let properties = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=;"];
    let arguments = [&["--bootstrap-server", shared(), "--topic", &theirs][..], &properties].concat();
    tool("org.apache.kafka.tools.ConsoleProducer", &arguments, lines.as_bytes()).unwrap();
    let read = |topic: &str| {
        let most = keys.len().to_string();
        let properties = ["--formatter-property", "print.partition=true", "--formatter-property", "print.key=true"];
        let rest = ["--isolation-level", "read_committed", "--from-beginning", "--max-messages", &most];
        let arguments = [&["--bootstrap-server", shared(), "--topic", topic][..], &properties, &rest].concat();
        let text = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments, b"").unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let found = read(&ours);
    assert_eq!(found.len(), keys.len(), "{found:?}");
    assert_eq!(found, read(&theirs));
}

#[test]
fn what_the_brokers_refuse_is_named_and_nothing_of_it_stays() {
    let topic = topic_with(1, &[("max.message.bytes", "2000")]);
    let sink = messages(&topic);
    sink.start(&SinkContext::default()).unwrap();
    let large = || [Message::of("small"), Message::of(vec![b'x'; 3_000])].into_iter();
    let refused = commit(&sink, 1, large());
    let text = refused.as_ref().unwrap_err().to_string();
    assert!(
        class(&refused) == Some(Class::Program) && text.contains("max.message.bytes") && text.contains(&topic),
        "{text}"
    );
    assert_eq!(mark(&sink), None);
    commit(&sink, 1, [Message::of("1")].into_iter()).unwrap();
    assert_eq!(numbers(&topic), [1]);
    assert_eq!(mark(&sink).map(|mark| mark.epoch), Some(Epoch(1)));
    let missing = messages("no-such-topic").start(&SinkContext::default());
    assert!(class(&missing) == Some(Class::Program), "{missing:?}");
    let long =
        messages(&topic).transaction_timeout(firesteel_window::Duration::hours(1)).start(&SinkContext::default());
    assert!(long.as_ref().unwrap_err().to_string().contains("transaction.max.timeout.ms"), "{long:?}");
}

#[test]
fn a_transaction_that_its_coordinator_has_ended_is_repeated() {
    let broker = Broker::start().unwrap();
    Admin::at(&broker.address()).unwrap().create("t", 1, &[("retention.ms", "-1")]).unwrap();
    let kafka = Kafka::at(&broker.address());
    let sink = kafka.topic("t").records(|number: &u32, out| out.value_is(Some(number.to_string().as_bytes())));
    let sink = sink.transaction_timeout(firesteel_window::Duration::secs(1));
    sink.start(&SinkContext::default()).unwrap();
    commit(&sink, 1, 0..3).unwrap();
    // The same id, used outside of the sink: as a coordinator does that has waited for too long.
    let id = "firesteel.job.sink.t";
    let taken = firesteel_integration_kafka::Transactions::start(Admin::at(&broker.address()).unwrap(), id);
    taken.unwrap();
    commit(&sink, 2, 3..6).unwrap();
    commit(&sink, 3, 6..7).unwrap();
    let mut wait = Wait::up_to(10);
    let read = || all(&kafka.topics(["t"]).values(firesteel_connect::Decoding::new(number)));
    while read().len() < 7 && wait.once() {}
    assert_eq!(read(), (0..7).collect::<Vec<_>>());
}

#[test]
fn a_cluster_with_old_transactions_is_refused_with_the_remedy() {
    let broker = Broker::with(&["#feature=transaction.version=1"]).unwrap();
    Admin::at(&broker.address()).unwrap().create("t", 1, &[("retention.ms", "-1")]).unwrap();
    let kafka = Kafka::at(&broker.address());
    let sink = || kafka.topic("t").records(|number: &u32, out| out.value_is(Some(number.to_string().as_bytes())));
    let error = sink().start(&SinkContext::default()).unwrap_err();
    let text = error.to_string();
    assert!(error.class() == Class::Program && text.contains("--feature transaction.version=2"), "{text}");
    let plain = sink().at_least_once();
    plain.start(&SinkContext::default()).unwrap();
    commit(&plain, 1, 0..3).unwrap();
    assert_eq!(all(&kafka.topics(["t"]).values(firesteel_connect::Decoding::new(number))), [0, 1, 2]);
}
