//! What is in a store.

use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::{self, Path};
use object_store::{Error, ObjectMeta, ObjectStore};

/// How many keys a page has.
const PAGE: usize = 1_000;

/// The objects under a prefix.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// By their keys in ascending order.
    pub objects: Vec<ObjectMeta>,
    /// Keys that the client library cannot take, and so cannot read.
    pub odd: Vec<String>,
}

pub(crate) async fn all(
    store: Arc<dyn ObjectStore>,
    pages: Option<Arc<dyn PaginatedListStore>>,
    prefix: String,
) -> object_store::Result<Listed> {
    let mut listed = match pages {
        Some(pages) => by_pages(&*pages, &prefix).await?,
        None => {
            let prefix = Path::parse(&prefix)?;
            Listed { objects: store.list(Some(&prefix)).try_collect().await?, odd: vec![] }
        }
    };
    listed.objects.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(listed)
}

/// The library gives up a page for one key that it cannot take. Such a page is asked for again in smaller ones, down to the key itself.
async fn by_pages(store: &dyn PaginatedListStore, prefix: &str) -> object_store::Result<Listed> {
    let prefix = prefix.trim_end_matches('/');
    let prefix = (!prefix.is_empty()).then(|| format!("{prefix}/"));
    let mut listed = Listed::default();
    let (mut most, mut offset, mut page_token) = (PAGE, None::<String>, None);
    loop {
        let options =
            PaginatedListOptions { offset: offset.clone(), max_keys: Some(most), page_token, ..Default::default() };
        match store.list_paginated(prefix.as_deref(), options).await {
            Ok(page) => {
                let objects = page.result.objects;
                if let Some(last) = objects.last() {
                    // The library takes a marker of a folder, `logs/`, for an object `logs`: what comes after it comes after the marker.
                    let (last, is_marker) = (last.location.to_string(), last.size == 0);
                    offset = Some(if is_marker { format!("{last}/") } else { last });
                }
                listed.objects.extend(objects);
                match page.page_token {
                    None => return Ok(listed),
                    // A token goes with the options that it was given for.
                    token => page_token = if most == PAGE { token } else { None },
                }
            }
            Err(Error::InvalidPath { source }) if most > 1 => {
                _ = source;
                (most, page_token) = (most / 2, None);
            }
            Err(Error::InvalidPath { source }) => {
                let key = match &source {
                    path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } => path.clone(),
                    _ => return Err(Error::InvalidPath { source }),
                };
                offset = Some(key.clone());
                listed.odd.push(key);
                (most, page_token) = (PAGE, None);
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use object_store::ListResult;
    use object_store::list::PaginatedListResult;

    use super::*;

    /// Lists as S3 does, and takes keys as the library does.
    struct Keys {
        keys: BTreeSet<String>,
        calls: AtomicUsize,
    }

    #[async_trait]
    impl PaginatedListStore for Keys {
        async fn list_paginated(
            &self,
            prefix: Option<&str>,
            options: PaginatedListOptions,
        ) -> object_store::Result<PaginatedListResult> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let after = options.page_token.clone().or(options.offset);
            let is_due = |key: &&String| after.as_ref().is_none_or(|after| *key > after);
            let is_under = |key: &&String| prefix.is_none_or(|prefix| key.starts_with(prefix));
            let most = options.max_keys.unwrap_or(1_000).min(1_000);
            let mut due = self.keys.iter().filter(is_due).filter(is_under);
            let page: Vec<&String> = due.by_ref().take(most).collect();
            let page_token = due.next().and_then(|_| page.last().map(|last| (*last).clone()));
            let object = |key: &&String| {
                let size = u64::from(!key.ends_with('/'));
                let location = Path::parse(key)?;
                Ok(ObjectMeta { location, last_modified: Default::default(), size, e_tag: None, version: None })
            };
            let objects = page.iter().map(object).collect::<object_store::Result<_>>()?;
            let result = ListResult { common_prefixes: vec![], objects, extensions: Default::default() };
            Ok(PaginatedListResult { result, page_token })
        }
    }

    fn listed(keys: impl IntoIterator<Item = String>, prefix: &str) -> (Listed, usize) {
        let keys = Keys { keys: keys.into_iter().collect(), calls: AtomicUsize::new(0) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let listed = runtime.block_on(by_pages(&keys, prefix)).unwrap();
        (listed, keys.calls.into_inner())
    }

    #[test]
    fn a_key_that_cannot_be_taken_costs_itself_and_no_other() {
        let good = |n: u32| format!("logs/{n:05}.txt");
        for odd in
            [vec!["logs//a"], vec!["logs/00007//x", "logs/00008/./x"], vec!["logs/~//", "logs//", "logs/04000/../x"]]
        {
            let keys = (0..5_000).map(good).chain(odd.iter().map(|key| (*key).to_owned()));
            let others = ["log/a".to_owned(), "logs2/a".to_owned(), "logs.txt".to_owned()];
            let (found, calls) = listed(keys.chain(others), "logs");
            let names: Vec<String> = found.objects.iter().map(|object| object.location.to_string()).collect();
            assert_eq!(names, (0..5_000).map(good).collect::<Vec<_>>(), "{odd:?}");
            assert_eq!(found.odd.iter().map(String::as_str).collect::<BTreeSet<_>>(), odd.iter().copied().collect());
            assert!(calls < 5 + 60 * odd.len(), "{calls}");
        }
    }

    #[test]
    fn markers_of_folders_do_not_stop_it() {
        for count in [3, 1_000, 2_500] {
            let keys = (0..count).flat_map(|n| [format!("a/{n:05}/"), format!("a/{n:05}/x")]);
            let (found, _) = listed(keys.chain(["a/00001//".to_owned()]), "a");
            let files: Vec<_> = found.objects.iter().filter(|object| object.size > 0).collect();
            assert_eq!(files.len(), count);
        }
    }
}
