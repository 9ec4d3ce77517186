//! The suite, and peers that close, break off, send rubbish or are not there.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use firesteel_connect::{
    BlockReader, Buffered, Class, ConnectError, Counters, Discovery, InvalidUtf8, Pool, ReadRange, Replay, Result,
    Source, SourceContext, SourceReader, SplitId, Wake, conformance,
};
use firesteel_connect_socket::SocketText;
use firesteel_window::{Timestamp, millis};

/// A server that sends one text to each peer in turn, and closes the connection and in the end the port.
fn serve(texts: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let run = move || {
        for text in texts {
            let (mut peer, _) = listener.accept().unwrap();
            // A peer that has gone away is none of the server's business.
            let _ = peer.write_all(&text);
            let _ = peer.shutdown(Shutdown::Write);
        }
    };
    std::thread::Builder::new().spawn(run).unwrap();
    address
}

/// Collects lines until the receiver ends or fails.
fn collect(receiver: SocketText) -> (Vec<String>, Result<()>) {
    collect_some(Buffered::new(receiver), usize::MAX)
}

/// Collects lines until there are enough or the receiver ends or fails.
fn collect_some(source: Buffered<SocketText>, enough: usize) -> (Vec<String>, Result<()>) {
    let (woken, wakes) = mpsc::channel();
    source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    let mut lines = vec![];
    loop {
        let found = source.discover(Timestamp::from_secs(0));
        let range = ReadRange::starting_at(SplitId::new("receiver"), lines.len() as u64);
        source.open(&range).unwrap().for_each(|line| lines.push(line)).unwrap();
        // An error is handed over once what came before it is committed.
        source.committed(&[(SplitId::new("receiver"), lines.len() as u64)]).unwrap();
        match found {
            Err(error) => return (lines, Err(error)),
            Ok(found) if found.splits[0].finished || lines.len() >= enough => return (lines, Ok(())),
            Ok(_) => wakes.recv_timeout(Duration::from_secs(10)).expect("the source wakes when something happens"),
        }
    }
}

#[test]
fn the_receiver_suite_holds() {
    let text: String = (0..2_000).map(|n| format!("line {n}\r\n")).collect();
    let expected: Vec<String> = (0..2_000).map(|n| format!("line {n}")).collect();
    let make = || SocketText::connect(serve(vec![text.clone().into_bytes()]).to_string()).end_on_close();
    conformance::receiver(make, &expected);
}

#[test]
fn a_silent_peer_does_not_hold_up_the_end_of_the_job() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    conformance::receiver_stops(|| Buffered::new(SocketText::connect(&address)));
}

#[test]
fn a_line_without_an_end_is_a_line_when_the_peer_closes() {
    let address = serve(vec![b"one\n\ntwo".to_vec()]).to_string();
    let (lines, ended) = collect(SocketText::connect(address).end_on_close());
    assert_eq!(lines, ["one", "", "two"]);
    ended.unwrap();
}

#[test]
fn a_peer_that_closes_is_connected_to_again() {
    let address = serve(vec![b"one\ntwo\n".to_vec(), vec![], b"three\n".to_vec()]).to_string();
    let (told, retries) = mpsc::channel();
    let source = Buffered::new(SocketText::connect(address))
        .pauses(millis(1), millis(1))
        .on_retry(move |error, _| _ = told.send(error.to_string()));
    let (lines, ended) = collect_some(source, 3);
    assert_eq!(lines, ["one", "two", "three"]);
    ended.unwrap();
    let first = retries.recv().unwrap();
    assert!(first.starts_with("FS-N003") && first.contains("closed the connection"), "{first}");
}

#[test]
fn half_a_line_of_a_peer_that_closes_is_dropped_unless_it_is_wanted() {
    let serve = || serve(vec![b"one 100\ntwo 20".to_vec(), b"three 300\n".to_vec()]).to_string();
    let quick = |receiver| Buffered::new(receiver).pauses(millis(1), millis(1));
    let (lines, ended) = collect_some(quick(SocketText::connect(serve())), 2);
    ended.unwrap();
    assert_eq!(lines, ["one 100", "three 300"]);
    let (lines, ended) = collect_some(quick(SocketText::connect(serve()).keep_unfinished_line()), 3);
    ended.unwrap();
    assert_eq!(lines, ["one 100", "two 20", "three 300"]);
}

#[test]
fn a_peer_that_is_not_there_is_named_and_retried() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (told, retries) = mpsc::channel();
    let source = Buffered::new(SocketText::connect(nobody.to_string()))
        .pauses(millis(1), millis(1))
        .on_retry(move |error, _| _ = told.send((error.class(), error.to_string())));
    source.start(&SourceContext::default()).unwrap();
    for _ in 0..3 {
        let (class, text) = retries.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(class, Class::Retryable);
        assert!(text.contains(&nobody.to_string()), "{text}");
    }
}

#[test]
fn an_address_without_a_port_is_refused() {
    let (_, ended) = collect(SocketText::connect("localhost"));
    let error = ended.unwrap_err();
    assert!(matches!(&error, ConnectError::Setting { setting: "address", .. }), "{error}");
    assert!(error.to_string().contains("host:port"), "{error}");
}

#[test]
fn a_line_that_is_not_utf8_is_told_in_its_place_or_replaced_as_chosen() {
    let text = b"one\ncaf\xe9\r\ntwo\n".to_vec();
    let receive = || SocketText::connect(serve(vec![text.clone()]).to_string()).end_on_close();
    let expected = [Ok("one".to_owned()), Err(b"caf\xe9".to_vec()), Ok("two".to_owned())];
    conformance::undecodable(|| received(Buffered::new(receive())), &expected);
    let (lines, ended) = collect(receive().invalid_utf8(InvalidUtf8::Replace));
    assert_eq!(lines, ["one", "caf\u{fffd}", "two"]);
    ended.unwrap();
}

/// A source that has received everything, which another start does not change.
struct Received(Buffered<SocketText>);

fn received(source: Buffered<SocketText>) -> Received {
    let (woken, wakes) = mpsc::channel();
    source.start(&SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())))).unwrap();
    while !source.discover(Timestamp::EPOCH).unwrap().splits[0].finished {
        wakes.recv_timeout(Duration::from_secs(10)).expect("the source wakes when something happens");
    }
    Received(source)
}

impl Source for Received {
    type Item = String;
    type Reader = BlockReader<String>;

    fn describe(&self) -> String {
        self.0.describe()
    }
    fn replay(&self) -> Replay {
        self.0.replay()
    }
    fn discover(&self, now: Timestamp) -> Result<Discovery> {
        self.0.discover(now)
    }
    fn open(&self, range: &ReadRange) -> Result<BlockReader<String>> {
        self.0.open(range)
    }
}

#[test]
fn a_line_that_never_ends_does_not_fill_the_memory() {
    let address = serve(vec![[b"one\n".to_vec(), vec![b'x'; 1_000_000]].concat()]).to_string();
    let (lines, ended) = collect(SocketText::connect(address).end_on_close().longest_line(1_000));
    assert_eq!(lines, ["one"]);
    let error = ended.unwrap_err();
    assert!(error.to_string().contains("more than 1000 bytes"), "{error}");
}

/// As users of a limit on memory have met it: the input paused, and the sender was never told.
#[test]
fn a_sender_waits_while_the_memory_for_buffers_is_used_up_and_loses_nothing() {
    const LIMIT: u64 = 1 << 20;
    // Much more than the connection holds by itself.
    let lines = (0..16_384).map(|number| format!("{number:04096}")).collect::<Vec<_>>();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sent = Arc::new(AtomicBool::new(false));
    let (text, tell) = (lines.join("\n"), Arc::clone(&sent));
    let send = move || {
        listener.accept().unwrap().0.write_all(text.as_bytes()).unwrap();
        tell.store(true, Ordering::SeqCst);
    };
    std::thread::Builder::new().spawn(send).unwrap();
    let source = Buffered::new(SocketText::connect(address).end_on_close());
    let pool = Pool::new(LIMIT);
    source.buffer_within(&pool);
    let (woken, wakes) = mpsc::channel();
    let context = SourceContext::default().with_wake(Wake::new(move || _ = woken.send(())));
    source.start(&context).unwrap();
    let waits = context.counters().counter(Counters::WAITS);
    while waits.value() == 0 {
        std::thread::yield_now();
    }
    assert!(!sent.load(Ordering::SeqCst), "the sender waits in the middle of what it sends");
    let mut received = 0;
    loop {
        let split = source.discover(Timestamp::from_secs(0)).unwrap().splits.remove(0);
        let (end, used) = (split.available.unwrap(), pool.budget().used());
        assert!(used <= LIMIT, "{used} bytes");
        let range = ReadRange::exact(SplitId::new("receiver"), received, end);
        source
            .open(&range)
            .unwrap()
            .for_each(|line| {
                assert_eq!(line, lines[received as usize]);
                received += 1;
            })
            .unwrap();
        source.committed(&[(SplitId::new("receiver"), received)]).unwrap();
        if split.finished {
            break;
        }
        wakes.recv_timeout(Duration::from_secs(10)).expect("the source wakes when something happens");
    }
    assert_eq!((received, pool.budget().used()), (16_384, 0));
}
