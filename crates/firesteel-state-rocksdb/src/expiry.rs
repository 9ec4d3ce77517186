//! Expired values: what may be dropped when RocksDB rewrites its files.
//!
//! A value with a TTL begins with the time of its last touch. A page that changes meet is freed of what is
//! over while they are merged; a page that no change meets goes as a whole when all of it is over.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firesteel_state::{StoreId, StoreSchema, StoredTtl, TableId, TimeDomain, Times};
use firesteel_window::Timestamp;
use parking_lot::RwLock;
use rocksdb::compaction_filter::{CompactionFilter, Decision};
use rocksdb::compaction_filter_factory::{CompactionFilterContext, CompactionFilterFactory};

use crate::layout;
use crate::page::{self, Entries, Malformed};

/// Which values of a store have a TTL, and what time it is.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    known: RwLock<Expiries>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Expiries {
    tables: BTreeMap<TableId, Arc<StoredTtl>>,
    event: Option<Timestamp>,
    processing: Option<Timestamp>,
}

/// What has been told of stores, for those that are made or opened later.
#[derive(Debug, Default)]
pub(crate) struct Told {
    schemas: BTreeMap<StoreId, StoreSchema>,
    times: Option<Times>,
}

impl Told {
    pub(crate) fn declare(&mut self, schema: &StoreSchema) {
        self.schemas.insert(schema.id, schema.clone());
    }

    pub(crate) fn advance(&mut self, times: &Times) {
        self.times = Some(*times);
    }

    /// What is known of a store's TTLs.
    pub(crate) fn expiry(&self, store: StoreId) -> Expiry {
        let expiry = Expiry::default();
        self.schemas.get(&store).iter().for_each(|schema| expiry.declare(schema));
        self.times.iter().for_each(|times| expiry.advance(times));
        expiry
    }
}

/// What is over in one table.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    ttl: Arc<StoredTtl>,
    event: Option<Timestamp>,
    processing: Option<Timestamp>,
}

impl Over {
    fn has(&self, value: &[u8]) -> bool {
        self.ttl.is_over(value, |domain| match domain {
            TimeDomain::Event => self.event,
            TimeDomain::Processing => self.processing,
        })
    }
}

impl Expiry {
    pub(crate) fn declare(&self, schema: &StoreSchema) {
        // Values of earlier types and TTLs have numbers of their own.
        let ttls =
            schema.tables.iter().flat_map(|table| table.numbers().map(|number| (number, table.stored_ttl(number))));
        let limited = ttls.filter(|(_, ttl)| ttl.is_limited()).map(|(number, ttl)| (number, Arc::new(ttl)));
        self.known.write().tables = limited.collect();
    }

    pub(crate) fn advance(&self, times: &Times) {
        let mut known = self.known.write();
        known.event = Some(times.now(TimeDomain::Event));
        known.processing = Some(times.now(TimeDomain::Processing));
    }

    /// What is over in the table of a page; nothing if it never had a TTL.
    fn over(&self, page_key: &[u8]) -> Option<Over> {
        let table = layout::parse_page(page_key)?;
        let known = self.known.read();
        let ttl = Arc::clone(known.tables.get(&table)?);
        Some(Over { ttl, event: known.event, processing: known.processing })
    }

    /// The page without what is over.
    pub(crate) fn prune(&self, page_key: &[u8], page: Vec<u8>) -> Result<Vec<u8>, Malformed> {
        let Some(over) = self.over(page_key) else { return Ok(page) };
        let mut dropped = 0;
        let mut entries = Entries::new(&page);
        while let Some(entry) = entries.next()? {
            dropped += u64::from(entry.value.is_some_and(|value| over.has(value)));
        }
        if dropped == 0 {
            return Ok(page);
        }
        page::retain(&page, |value| over.has(value))
    }

    /// Whether nothing is left of a page, and how many values it held.
    fn is_over(&self, page_key: &[u8], page: &[u8]) -> Option<u64> {
        let over = self.over(page_key)?;
        let (mut entries, mut count) = (Entries::new(page), 0);
        while let Some(entry) = entries.next().ok()? {
            if entry.value.is_some_and(|value| !over.has(value)) {
                return None;
            }
            count += 1;
        }
        Some(count)
    }

    /// How many values went with whole pages.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Makes the filters that drop pages in which all is over.
pub(crate) struct PageFilters(pub(crate) Arc<Expiry>);

pub(crate) struct PageFilter(Arc<Expiry>);

impl CompactionFilterFactory for PageFilters {
    type Filter = PageFilter;

    fn create(&mut self, _: CompactionFilterContext) -> PageFilter {
        PageFilter(self.0.clone())
    }

    fn name(&self) -> &CStr {
        c"firesteel-ttl"
    }
}

impl CompactionFilter for PageFilter {
    fn filter(&mut self, _: u32, key: &[u8], value: &[u8]) -> Decision {
        match self.0.is_over(key, value) {
            Some(count) => {
                self.0.dropped.fetch_add(count, Ordering::Relaxed);
                Decision::Remove
            }
            None => Decision::Keep,
        }
    }

    fn name(&self) -> &CStr {
        c"firesteel-ttl"
    }
}
