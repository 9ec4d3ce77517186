//! What has no form is refused by its name.

use std::collections::BTreeMap;

use firesteel_formats::Avro;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{records, try_written, written};

/// Why a record of the type is not written.
fn refused<T: Serialize + DeserializeOwned + 'static>(record: T) -> String {
    try_written(&Avro::<T>::new(), &[record]).unwrap_err()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Of<T> {
    it: T,
}

#[test]
fn a_type_without_a_form_is_refused_and_the_field_is_named() {
    #[derive(Serialize, Deserialize)]
    enum Data {
        Some(u8),
    }
    #[derive(Serialize, Deserialize)]
    struct Empty {}
    #[derive(Serialize, Deserialize)]
    struct Endless {
        more: Vec<Endless>,
    }
    #[derive(Serialize, Deserialize)]
    struct Named {
        #[serde(rename = "user-id")]
        user: u8,
    }
    assert!(refused(7_u8).starts_with("Avro: a record is a struct"));
    let text = refused(Of { it: Some(Some(1_u8)) });
    assert_eq!(text, "Avro: field it: an Option in an Option has no form; else write by a schema (`written_as`)");
    let text = refused(Of { it: Named { user: 1 } });
    assert!(text.starts_with("Avro: field it: \"user-id\" is no name for Avro"), "{text}");
    for text in [
        refused(Of { it: Data::Some(1) }),
        refused(Of { it: Empty {} }),
        refused(Of { it: () }),
        refused(Of { it: 1_i128 }),
        refused(Of { it: 1_u128 }),
        refused(Of { it: BTreeMap::from([(1, 1)]) }),
        refused(Of { it: serde_json::Value::Null }),
        refused(Of { it: Endless { more: vec![] } }),
    ] {
        assert!(text.starts_with("Avro: field it") && text.contains("has no form"), "{text}");
    }
    let mut writing = firesteel_formats::WriteFormat::<u8>::begin(&Avro::<u8>::new());
    assert!(firesteel_formats::Writing::<u8>::end(&mut writing, &mut vec![]).is_err(), "not even an empty file");
}

#[test]
fn what_is_written_and_read_have_to_agree() {
    #[derive(Serialize, Deserialize)]
    struct Unlike {
        #[serde(rename(serialize = "other"))]
        it: u8,
    }
    assert_eq!(refused(Unlike { it: 1 }), "Avro: field other: the record has such a field, and the schema has none");
    #[derive(Serialize, Deserialize)]
    struct Half {
        #[serde(skip_serializing)]
        #[allow(dead_code, reason = "never read")]
        it: u8,
    }
    let text = refused(Half { it: 1 });
    assert!(text.starts_with("Avro: field it: the record has no such field"), "{text}");
    #[derive(Serialize, Deserialize)]
    enum Kind {
        #[serde(rename(serialize = "Else"))]
        One,
    }
    let text = refused(Of { it: vec![Kind::One] });
    assert!(text.starts_with("Avro: field it.element: the variant Else does not go into the schema"), "{text}");
}

#[test]
fn a_value_beyond_a_long_costs_its_record() {
    assert_eq!(records::<Of<u64>>(&written(&[Of { it: i64::MAX as u64 }])), [Of { it: i64::MAX as u64 }]);
    let text = refused(Of { it: u64::MAX });
    assert_eq!(
        text,
        "Avro: field it: the integer 18446744073709551615 does not go into the schema, which has a long there"
    );
}
