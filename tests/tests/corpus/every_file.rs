//! Makes a test of each file of the corpus, in the ways of the test program that asks for it.

macro_rules! every_file {
    ($repository:expr, $ways:expr, $little:expr) => {
        $crate::every_file::every_file!($repository, $ways, $little, [
            tumbling, sliding, sessions, lateness, triggers, purging, aggregates, counts, dedup, joins, tables,
            patterns
        ]);
    };
    ($repository:expr, $ways:expr, $little:expr, [$($file:ident),+]) => {
        $(#[test]
        fn $file() {
            $crate::run::check_file($repository, concat!(stringify!($file), ".toml"), &$ways, $little);
        })+

        #[test]
        fn every_file_is_looked_at() {
            let folder = std::path::Path::new($repository).join($crate::run::CORPUS);
            let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut files: Vec<String> = files.filter(|file| file.ends_with(".toml")).collect();
            let mut known = [$(concat!(stringify!($file), ".toml")),+];
            files.sort();
            known.sort_unstable();
            assert_eq!(files, known);
        }
    };
}
pub(crate) use every_file;
