//! The requests that this client sends, and what answers them.

use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, EndTxnRequest, EndTxnResponse, FetchRequest, FetchResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
    ListOffsetsResponse, MetadataRequest, MetadataResponse, OffsetFetchRequest, OffsetFetchResponse, ProduceRequest,
    ProduceResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

/// A request.
pub(crate) trait Ask: Encodable + HeaderVersion {
    /// Its number.
    const KEY: i16;
    /// Its name in the protocol's documentation.
    const NAME: &'static str;
    /// What answers it.
    type Answer: Decodable + HeaderVersion;
}

macro_rules! asks {
    ($($name:ident: $request:ty => $answer:ty,)*) => {
        $(impl Ask for $request {
            const KEY: i16 = ApiKey::$name as i16;
            const NAME: &'static str = stringify!($name);
            type Answer = $answer;
        })*
    };
}

asks! {
    ApiVersions: ApiVersionsRequest => ApiVersionsResponse,
    EndTxn: EndTxnRequest => EndTxnResponse,
    Fetch: FetchRequest => FetchResponse,
    FindCoordinator: FindCoordinatorRequest => FindCoordinatorResponse,
    InitProducerId: InitProducerIdRequest => InitProducerIdResponse,
    ListOffsets: ListOffsetsRequest => ListOffsetsResponse,
    Metadata: MetadataRequest => MetadataResponse,
    OffsetFetch: OffsetFetchRequest => OffsetFetchResponse,
    Produce: ProduceRequest => ProduceResponse,
    TxnOffsetCommit: TxnOffsetCommitRequest => TxnOffsetCommitResponse,
}
