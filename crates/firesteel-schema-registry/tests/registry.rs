//! A registry over a real connection, whose answers are scripted.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use firesteel_connect::{Class, ConnectError, Decode, Secret};
use firesteel_formats::AvroMessage;
use firesteel_schema_registry::SchemaRegistry;
use firesteel_window::{Duration, millis};
use serde::Deserialize;

/// What the other side does with a request.
enum Answer {
    Status(u16, &'static str),
    /// It closes the connection.
    Close,
    /// It says nothing, as long as the test runs.
    Silence,
    /// It ends in the middle of the answer.
    Half,
}

/// A server that answers by a script, and what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<(String, Option<String>)>>>,
}

impl Server {
    /// `answer` gets the path and how often that was asked for before.
    fn new(answer: impl Fn(&str, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<(String, Option<String>)>>>::default();
        let noted = Arc::clone(&asked);
        let serve = move || {
            let mut silent = vec![];
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((path, login)) = request(&stream) else { continue };
                let before = noted.lock().unwrap().iter().filter(|(known, _)| *known == path).count();
                noted.lock().unwrap().push((path.clone(), login));
                let sent = match answer(&path, before) {
                    Answer::Status(status, body) => write!(
                        stream,
                        "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    ),
                    Answer::Close => Ok(()),
                    Answer::Silence => {
                        silent.push(stream);
                        continue;
                    }
                    Answer::Half => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{{"),
                };
                sent.unwrap();
            }
        };
        std::thread::Builder::new().name("registry".to_owned()).spawn(serve).unwrap();
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }
}

/// The path of a request, and how it logs in.
fn request(stream: &TcpStream) -> Option<(String, Option<String>)> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut login = None;
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            login = Some(value.to_owned());
        }
    }
    Some((path, login))
}

#[derive(Debug, PartialEq, Deserialize)]
struct Click {
    ad: i64,
}

const CLICK: &str =
    r#"{"schema": "{\"type\":\"record\",\"name\":\"Click\",\"fields\":[{\"name\":\"ad\",\"type\":\"long\"}]}"}"#;
const UNKNOWN: &str = r#"{"error_code": 40403, "message": "Schema 8 not found"}"#;
const MESSAGE: [u8; 6] = [0, 0, 0, 0, 7, 54];

/// A decoder over the registry, and how it has paused.
fn clicks(
    server: &Server,
    with: impl FnOnce(SchemaRegistry) -> SchemaRegistry,
) -> (AvroMessage<Click>, Arc<Mutex<Vec<Duration>>>) {
    let paused = Arc::<Mutex<Vec<Duration>>>::default();
    let noted = Arc::clone(&paused);
    let registry = SchemaRegistry::at(&server.address).unwrap().pausing(move |span| noted.lock().unwrap().push(span));
    (AvroMessage::confluent(with(registry)), paused)
}

fn outage(decode: &AvroMessage<Click>) -> String {
    let error = decode.decode(&MESSAGE).unwrap_err();
    let outage = error.outage().expect("it is no fault of the message");
    assert_eq!(outage.class(), Class::Retryable);
    outage.to_string()
}

#[test]
fn a_schema_is_asked_for_once_by_however_many_tasks() {
    let server = Server::new(|_, _| Answer::Status(200, CLICK));
    let (decode, _) = clicks(&server, |registry| registry);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let decode = decode.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    assert_eq!(decode.decode(&MESSAGE), Ok(Click { ad: 27 }));
                }
            });
        }
    });
    assert_eq!(server.asked(), ["/schemas/ids/7"]);
}

#[test]
fn an_unknown_number_costs_its_messages_and_is_asked_for_again_now_and_then() {
    let server = Server::new(|path, before| match path {
        "/schemas/ids/7" => Answer::Status(200, CLICK),
        _ if before < 2 => Answer::Status(404, UNKNOWN),
        _ => Answer::Status(200, CLICK),
    });
    let (decode, paused) = clicks(&server, |registry| registry);
    let unknown = [0, 0, 0, 0, 8, 54];
    for _ in 0..2_000 {
        let refused = decode.decode(&unknown).unwrap_err();
        assert_eq!((refused.reason(), refused.outage().is_none()), ("Avro: the schema 8 is not known", true));
    }
    assert_eq!(server.asked(), ["/schemas/ids/8", "/schemas/ids/8"]);
    assert_eq!(decode.decode(&unknown), Ok(Click { ad: 27 }), "it has come");
    assert_eq!(decode.decode(&MESSAGE), Ok(Click { ad: 27 }), "the others are read");
    assert!(paused.lock().unwrap().is_empty());
}

#[test]
fn a_registry_that_fails_is_asked_again_after_pauses_that_double() {
    let server = Server::new(|_, before| match before {
        0 => Answer::Status(503, "down for a moment"),
        1 => Answer::Close,
        2 => Answer::Half,
        3 => Answer::Status(429, r#"{"error_code": 429, "message": "slow down"}"#),
        _ => Answer::Status(200, CLICK),
    });
    let (decode, paused) = clicks(&server, |registry| registry);
    assert_eq!(decode.decode(&MESSAGE), Ok(Click { ad: 27 }));
    assert_eq!(*paused.lock().unwrap(), [millis(100), millis(200), millis(400), millis(800)]);
}

#[test]
fn one_that_stays_away_is_an_outage_which_is_not_remembered() {
    let server = Server::new(|_, before| match before {
        0..3 => Answer::Status(500, r#"{"error_code": 50001, "message": "the store is gone"}"#),
        _ => Answer::Status(200, CLICK),
    });
    let (decode, paused) = clicks(&server, |registry| registry.attempts(3, millis(1)));
    let told = outage(&decode);
    assert!(told.contains("/schemas/ids/7: it answers 500: the store is gone (3 attempts)"), "{told}");
    assert_eq!(paused.lock().unwrap().len(), 2);
    assert_eq!(decode.decode(&MESSAGE), Ok(Click { ad: 27 }));

    // Nobody listens there.
    let address = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let registry = SchemaRegistry::at(&format!("http://{address}")).unwrap().attempts(2, millis(1)).pausing(|_| {});
    assert!(outage(&AvroMessage::confluent(registry)).contains("2 attempts"));
}

#[test]
fn one_that_does_not_answer_is_not_waited_for_without_end() {
    let server = Server::new(|_, _| Answer::Silence);
    let (decode, _) = clicks(&server, |registry| registry.attempts(2, millis(1)).timeout(millis(50)));
    let told = outage(&decode);
    assert!(told.contains("timeout") && told.contains("2 attempts"), "{told}");
}

#[test]
fn who_logs_in_is_believed_and_who_is_refused_is_told_without_the_secret() {
    let server = Server::new(|_, before| match before {
        0 => Answer::Status(200, CLICK),
        _ => Answer::Status(401, r#"{"error_code": 401, "message": "Unauthorized"}"#),
    });
    let (decode, _) = clicks(&server, |registry| registry.basic("etl", Secret::from("hunter2")));
    assert_eq!(decode.decode(&MESSAGE), Ok(Click { ad: 27 }));
    let (decode, paused) = clicks(&server, |registry| registry.bearer(Secret::from("hunter2")));
    let told = outage(&decode);
    assert!(told.contains("401, it refuses the credentials") && !told.contains("hunter2"), "{told}");
    assert!(paused.lock().unwrap().is_empty(), "nothing is gained by asking again at once");
    let logins: Vec<String> = server.asked.lock().unwrap().iter().map(|(_, login)| login.clone().unwrap()).collect();
    assert_eq!(logins, ["Basic ZXRsOmh1bnRlcjI=", "Bearer hunter2"]);
    let (decode, _) = clicks(&server, |registry| registry.bearer(Secret::env("NO_SUCH_VARIABLE")));
    assert!(outage(&decode).contains("NO_SUCH_VARIABLE"));
}

#[test]
fn an_address_where_no_registry_is_refuses_no_message() {
    for answer in [(404, "<html>Not Found</html>"), (200, "<html>Welcome</html>"), (302, ""), (405, "")] {
        let server = Server::new(move |_, _| Answer::Status(answer.0, answer.1));
        let (decode, _) = clicks(&server, |registry| registry.attempts(1, millis(1)));
        outage(&decode);
    }
    for (address, due) in [
        ("localhost:8081", "http://"),
        ("ftp://host", "http://"),
        ("http://", "no address"),
        ("http://etl:hunter2@host", "`basic`"),
        ("http://host?x=1", "no address"),
    ] {
        let refused = SchemaRegistry::at(address).unwrap_err();
        assert!(matches!(refused, ConnectError::Setting { .. }) && refused.to_string().contains(due), "{refused}");
        assert!(!refused.to_string().contains("hunter2"));
    }
    let tls = SchemaRegistry::at("https://registry");
    assert_eq!(tls.is_err(), !cfg!(feature = "tls"));
}

#[test]
fn references_are_followed_once_each_and_one_that_is_missing_is_named() {
    const ORDER: &str = r#"{"schema": "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"a\",\"type\":\"p.A\"},{\"name\":\"b\",\"type\":\"p.B\"}]}",
        "references": [{"name": "p.A", "subject": "a/b c", "version": 3}, {"name": "p.B", "subject": "b", "version": 1}]}"#;
    const A: &str = r#"{"subject": "a/b c", "version": 3, "id": 1, "schema": "{\"type\":\"record\",\"name\":\"A\",\"namespace\":\"p\",\"fields\":[{\"name\":\"b\",\"type\":\"B\"}]}",
        "references": [{"name": "p.B", "subject": "b", "version": 1}]}"#;
    const B: &str = r#"{"subject": "b", "version": 1, "id": 2, "schema": "{\"type\":\"record\",\"name\":\"B\",\"namespace\":\"p\",\"fields\":[{\"name\":\"n\",\"type\":\"int\"}]}"}"#;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Order {
        a: A,
        b: B,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct A {
        b: B,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct B {
        n: i64,
    }
    let serve = |has_b: bool| {
        Server::new(move |path, _| match path {
            "/schemas/ids/7" => Answer::Status(200, ORDER),
            "/subjects/a%2Fb%20c/versions/3?deleted=true" => Answer::Status(200, A),
            "/subjects/b/versions/1?deleted=true" if has_b => Answer::Status(200, B),
            _ => Answer::Status(404, r#"{"error_code": 40401, "message": "Subject not found"}"#),
        })
    };
    let server = serve(true);
    let orders = AvroMessage::<Order>::confluent(SchemaRegistry::at(&server.address).unwrap());
    let b = |n| B { n };
    assert_eq!(orders.decode(&[0, 0, 0, 0, 7, 2, 4]), Ok(Order { a: A { b: b(1) }, b: b(2) }));
    assert_eq!(server.asked().len(), 3, "{:?}", server.asked());

    let server = serve(false);
    let orders = AvroMessage::<Order>::confluent(SchemaRegistry::at(&server.address).unwrap());
    let refused = orders.decode(&[0, 0, 0, 0, 7, 2, 4]).unwrap_err();
    assert_eq!(refused.reason(), "Avro: the schema 7 cannot be used: it refers to version 1 of b, which is not there");
}

#[test]
fn a_schema_that_is_none_of_avros_costs_its_messages_and_is_not_asked_for_again() {
    for (body, due) in [
        (r#"{"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"}"#, "it is one of PROTOBUF"),
        (r#"{"schema": "{\"type\": \"recort\"}"}"#, "no Avro schema"),
    ] {
        let server = Server::new(move |_, _| Answer::Status(200, body));
        let (decode, _) = clicks(&server, |registry| registry);
        for _ in 0..3 {
            let refused = decode.decode(&MESSAGE).unwrap_err();
            assert!(refused.outage().is_none() && refused.reason().contains(due), "{refused}");
        }
        assert_eq!(server.asked().len(), 1);
    }
    // A schema that is large beyond reason.
    let server = Server::new(|_, _| Answer::Status(200, Box::leak("x".repeat(17 << 20).into_boxed_str())));
    let (decode, _) = clicks(&server, |registry| registry);
    assert!(outage(&decode).contains("more than"));
}
