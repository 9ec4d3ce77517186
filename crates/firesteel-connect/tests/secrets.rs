//! Secrets: read from where they stand, and shown nowhere.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::path::Path;

use firesteel_connect::{Class, ConnectError, Secret};

const VALUE: &str = "hunter2";

/// All that is printed of a secret.
fn shown(secret: &Secret) -> String {
    format!("{secret} {secret:?} {secret:#?} {}", serde_json::to_string(secret).unwrap())
}

#[test]
fn a_secret_is_shown_nowhere_wherever_it_stands() {
    let folder = std::env::temp_dir().join(format!("firesteel-secret-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("password");
    for end in ["", "\n", "\r\n"] {
        std::fs::write(&path, format!("{VALUE}{end}")).unwrap();
        let secret = Secret::file(&path);
        assert_eq!(secret.expose().unwrap(), VALUE);
        assert!(!shown(&secret).contains(VALUE), "{}", shown(&secret));
        assert!(shown(&secret).contains("password"), "it says where it stands: {}", shown(&secret));
    }
    // Whoever replaces it need not start the job again.
    std::fs::write(&path, "other").unwrap();
    assert_eq!(Secret::file(&path).expose().unwrap(), "other");
    for secret in [Secret::from(VALUE), Secret::from(VALUE.to_owned())] {
        assert_eq!(secret.expose().unwrap(), VALUE);
        assert_eq!(shown(&secret), "*** Secret(***) Secret(***) \"***\"");
    }
    // Cargo sets this one for tests.
    assert_eq!(Secret::env("CARGO_PKG_NAME").expose().unwrap(), "firesteel-connect");
    assert!(!shown(&Secret::env("CARGO_PKG_NAME")).contains("firesteel-connect"));
    std::fs::write(&path, b"hunter2\xff").unwrap();
    let error = Secret::file(&path).expose().unwrap_err();
    assert!(!format!("{error} {error:?}").contains(VALUE), "{error:?}");
    std::fs::write(&path, "\n").unwrap();
    let error = Secret::file(&path).expose().unwrap_err();
    assert!(error.to_string().ends_with("cannot be read: it is empty"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    let error = Secret::file(Path::new("no/such/file")).expose().unwrap_err();
    assert_eq!((error.code(), error.class()), ("FS-N015", Class::Fatal));
    assert!(error.to_string().contains("in the file no/such/file cannot be read: "), "{error}");
}

#[test]
fn errors_of_connectors_show_no_secret_of_the_texts_of_others() {
    let text = || format!("connecting to amqp://me:{VALUE}@host failed, with password={VALUE}");
    let errors = [
        ConnectError::Unreachable { peer: text(), source: text().into() },
        ConnectError::Setting { connector: "A", setting: "address", reason: text() },
        ConnectError::Lost { place: text(), position: 1, reason: "gone".into() },
        ConnectError::Other { context: text(), class: Class::Fatal, source: text().into() },
        ConnectError::Closed { place: text() },
    ];
    for error in errors {
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains(VALUE) && shown.contains("amqp://me:***@host"), "{shown}");
    }
}
