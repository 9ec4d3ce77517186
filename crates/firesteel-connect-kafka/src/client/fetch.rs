//! Fetches: what a broker has of one partition, from an offset on.
//!
//! The answer is read in place, since it is where the data are.

use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use uuid::Uuid;

use super::connection::Connection;
use super::fault::{Code, Fault, Outcome};
use crate::wire::Wire;

/// The first version in which topics have ids: one that was created again fails instead of answering.
const FETCH: i16 = 13;
const READ_COMMITTED: i8 = 1;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    pub(crate) topic: Uuid,
    pub(crate) partition: i32,
    pub(crate) offset: u64,
    /// Bytes at most; a batch that is larger comes all the same.
    pub(crate) most: i32,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) frame: Vec<u8>,
    /// Where in the frame the batches are.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Producers whose transactions were aborted, and where those begin.
    pub(crate) aborted: Vec<(i64, i64)>,
    /// Up to where all transactions have ended.
    pub(crate) stable: i64,
}

/// Asks, without waiting for the answer.
pub(crate) fn send(connection: &mut Connection, fetch: &Fetch) -> Outcome<()> {
    let partition = FetchPartition::default()
        .with_partition(fetch.partition)
        .with_fetch_offset(fetch.offset.cast_signed())
        .with_partition_max_bytes(fetch.most);
    let topic = FetchTopic::default().with_topic_id(fetch.topic).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(fetch.most)
        .with_isolation_level(READ_COMMITTED)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    connection.send(FETCH, &request)
}

/// Takes the answer to the oldest fetch under way. The buffer is used for the next answer.
pub(crate) fn receive(connection: &mut Connection, fetch: &Fetch, mut buffer: Vec<u8>, what: &str) -> Outcome<Fetched> {
    connection.receive_raw()?;
    let filled = connection.swap_frame(&mut buffer);
    let garbled =
        || Fault::Garbled { peer: connection.peer().to_owned(), reason: "a fetch's answer cannot be read".into() };
    let parts = answer(buffer.get(..filled).unwrap_or_default(), fetch).ok_or_else(garbled)?;
    Code::check(parts.code, || format!("reading {what}"))?;
    let Parts { from, to, aborted, stable, .. } = parts;
    Ok(Fetched { frame: buffer, from, to, aborted, stable })
}

#[derive(Debug)]
struct Parts {
    code: i16,
    from: usize,
    to: usize,
    aborted: Vec<(i64, i64)>,
    stable: i64,
}

/// Takes the frame apart, whose first four bytes are the correlation id.
fn answer(frame: &[u8], fetch: &Fetch) -> Option<Parts> {
    let mut wire = Wire::at(frame, 4);
    wire.tags()?;
    wire.i32()?;
    let code = wire.i16()?;
    wire.i32()?;
    let mut found = (code != 0).then_some(Parts { code, from: 0, to: 0, aborted: vec![], stable: -1 });
    for _ in 0..wire.elements()? {
        let topic = wire.take(16)?;
        for _ in 0..wire.elements()? {
            let (partition, parts) = partition(&mut wire)?;
            if topic == fetch.topic.as_bytes() && partition == fetch.partition && found.is_none() {
                found = Some(parts);
            }
        }
        wire.tags()?;
    }
    wire.tags()?;
    found
}

fn partition(wire: &mut Wire<'_>) -> Option<(i32, Parts)> {
    let (partition, code) = (wire.i32()?, wire.i16()?);
    let (_high_watermark, stable, _log_start) = (wire.i64()?, wire.i64()?, wire.i64()?);
    let mut aborted = vec![];
    for _ in 0..wire.elements()? {
        aborted.push((wire.i64()?, wire.i64()?));
        wire.tags()?;
    }
    let _preferred_replica = wire.i32()?;
    let length = usize::try_from(wire.elements()?).ok()?;
    let from = wire.position();
    wire.take(length)?;
    let to = wire.position();
    wire.tags()?;
    Some((partition, Parts { code, from, to, aborted, stable }))
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::{FetchResponse, ProducerId, ResponseHeader};
    use kafka_protocol::protocol::{Encodable, HeaderVersion};
    use proptest::prelude::*;

    use super::*;

    fn fetch() -> Fetch {
        Fetch { topic: Uuid::from_u128(7), partition: 3, offset: 0, most: 1 << 20 }
    }

    fn frame() -> Vec<u8> {
        let aborted = AbortedTransaction::default().with_producer_id(ProducerId(5)).with_first_offset(11);
        let data = PartitionData::default()
            .with_partition_index(3)
            .with_high_watermark(20)
            .with_last_stable_offset(18)
            .with_log_start_offset(2)
            .with_aborted_transactions(Some(vec![aborted]))
            .with_records(Some(Bytes::from_static(b"batches")));
        let topic = FetchableTopicResponse::default().with_topic_id(Uuid::from_u128(7)).with_partitions(vec![data]);
        let mut out = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(1);
        header.encode(&mut out, FetchResponse::header_version(FETCH)).unwrap();
        FetchResponse::default().with_responses(vec![topic]).encode(&mut out, FETCH).unwrap();
        out.to_vec()
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let frame = frame();
        let parts = answer(&frame, &fetch()).unwrap();
        assert_eq!((parts.code, parts.stable, &parts.aborted[..]), (0, 18, &[(5, 11)][..]));
        assert_eq!(&frame[parts.from..parts.to], b"batches");
        assert!(answer(&frame, &Fetch { partition: 4, ..fetch() }).is_none());
        assert!((0..frame.len()).all(|cut| answer(&frame[..cut], &fetch()).is_none()));
    }

    proptest! {
        #[test]
        fn rubbish_is_no_answer_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = answer(&bytes, &fetch());
        }

        #[test]
        fn damage_is_no_panic(at: prop::sample::Index, byte: u8) {
            let mut frame = frame();
            let at = at.index(frame.len());
            frame[at] = byte;
            if let Some(parts) = answer(&frame, &fetch()) {
                prop_assert!(parts.from <= parts.to && parts.to <= frame.len());
            }
        }
    }
}
