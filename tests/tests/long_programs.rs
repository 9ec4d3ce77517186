//! Programs of any length compile, and what is compiled for them grows as they do and no faster.
//!
//! What is asserted are counts and not times, which a busy machine would change: the functions that the compiler makes for
//! the program's own crate in the debug profile, and the lines that these have when they are handed to LLVM, before it
//! does anything. Both follow from the program and the libraries alone. Functions that a library has made already are
//! shared and count nothing.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use firesteel_tests::workspace;
use serde_json::Value;

/// Bytes of a symbol, at most.
const LONGEST_SYMBOL: usize = 8_000;
/// Bytes of a program without symbols and debug information, at most.
const LARGEST_PROGRAM: u64 = 10_250_000;

/// What the compiler made of a program.
#[derive(Debug)]
struct Made {
    /// Functions of its own crate.
    functions: usize,
    /// Lines of them.
    lines: usize,
}

/// The library as Cargo's debug profile makes it, which is what a user has: the workspace's own optimizes a little.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("long_programs/target").display().to_string();
        let text = workspace::cargo(
            &[
                &["build", "--package", "firesteel", "--lib", "--no-default-features", "--features", "memory"][..],
                &[
                    "--config",
                    "profile.dev.opt-level=0",
                    "--config",
                    "profile.dev.debug=false",
                    "--target-dir",
                    &target,
                ],
                &["--offline", "--quiet", "--message-format=json"],
            ]
            .concat(),
        );
        let artifacts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let library = artifacts.filter(|message| message["target"]["name"] == "firesteel").find_map(|message| {
            let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
            files.map(PathBuf::from).find(|file| file.extension().is_some_and(|extension| extension == "rlib"))
        });
        library.expect("Cargo says where it has put the library")
    })
}

/// Compiles a program as a crate of its own. `link`: also to a file that can be run, which is returned by its path.
fn compile(name: &str, body: &str, link: bool) -> (Made, PathBuf) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("long_programs");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let [source, ir, program] = ["rs", "ll", "bin"].map(|extension| folder.join(name).with_extension(extension));
    let text = format!(
        "use firesteel::memory::{{Collector, MemorySource}};\nuse firesteel::prelude::*;\n\n\
         fn main() -> firesteel::Result<()> {{\n    let job = StreamingContext::builder(\"long\").build()?;\n    \
         let out = Collector::new();\n{body}    job.run(Trigger::AvailableNow)?;\n    \
         println!(\"{{}}\", out.records().len());\n    Ok(())\n}}\n"
    );
    fs::write(&source, text).expect("the program can be written");
    let library = library();
    let dependencies = library.with_file_name("deps");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc);
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--crate-name", name, "-C", "opt-level=0"]);
    // Temporary files go there, and are called after the crate.
    rustc.current_dir(&folder);
    rustc.args(["-C", "codegen-units=1", "-C", "strip=symbols", "--emit"]).arg(format!("llvm-ir={}", ir.display()));
    if link {
        rustc.arg("--emit").arg(format!("link={}", program.display()));
    }
    rustc.arg("-L").arg(format!("dependency={}", dependencies.display()));
    rustc.arg("--extern").arg(format!("firesteel={}", library.display())).arg(&source);
    let output = rustc.output().expect("rustc is where Cargo is");
    assert!(output.status.success(), "{name} does not compile:\n{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&ir).expect("the compiler has written it");
    fs::remove_file(&ir).expect("it can be removed");
    (count(name, &text), program)
}

/// Counts functions, and looks at what they are called.
fn count(name: &str, text: &str) -> Made {
    let (mut made, mut within) = (Made { functions: 0, lines: 0 }, false);
    for line in text.lines() {
        if let Some(definition) = line.strip_prefix("define ") {
            made.functions += 1;
            within = true;
            let symbol = definition.split('@').nth(1).and_then(|rest| rest.split('(').next()).unwrap_or_default();
            assert!(!symbol.is_empty(), "a function without a name: {line}");
            assert!(symbol.len() <= LONGEST_SYMBOL, "{name}: {} bytes for the name {symbol}", symbol.len());
        }
        made.lines += usize::from(within);
        within &= line != "}";
    }
    assert!(made.functions > 100, "{name}: {made:?}");
    println!("{name}: {made:?}");
    made
}

impl Made {
    /// What this has more than another.
    fn beyond(&self, other: &Self) -> Self {
        Self { functions: self.functions - other.functions, lines: self.lines - other.lines }
    }

    #[track_caller]
    fn is_at_most(&self, functions: usize, lines: usize) {
        assert!(self.functions <= functions, "{self:?}, but at most {functions} functions");
        assert!(self.lines <= lines, "{self:?}, but at most {lines} lines");
    }
}

const NUMBERS: &str = "job.read(MemorySource::new((0..1000u64).collect::<Vec<_>>()))";

/// One stream of this many narrow operators and then this many keyed stages, each with functions of its own.
fn chain(narrow: usize, keyed: usize) -> String {
    let mut body = format!("    {NUMBERS}\n");
    for at in 0..narrow {
        let next = match at % 5 {
            0 => format!("map(|n| n + {at})"),
            1 => format!("filter(|n| n % {} != 1)", at + 2),
            2 => format!("flat_map(|n| [n, n + {at}].into_iter().take(1))"),
            3 => format!("try_map(|n| if n > {at} {{ Ok(n) }} else {{ Err(\"small\") }})"),
            _ => "inspect(|n| assert!(*n > 0))".to_owned(),
        };
        writeln!(body, "        .{next}").expect("a string takes all");
    }
    for at in 0..keyed {
        let next = if at % 2 == 0 { "running_sum()" } else { "running_reduce(|a, b| a.max(b))" };
        let lines = format!("        .map(|n| (n % {}, n))\n        .{next}\n        .map(|(k, n)| k + n)\n", at + 10);
        body.push_str(&lines);
    }
    body + "        .write(out.clone());\n"
}

fn runs(program: &Path) -> String {
    let output = Command::new(program).output().expect("it was linked");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn what_is_compiled_grows_as_the_program_does() {
    let (short, program) = compile("thirty_and_ten", &chain(30, 10), true);
    let size = fs::metadata(&program).expect("it was linked").len();
    println!("thirty_and_ten: {size} bytes");
    assert!(size <= LARGEST_PROGRAM, "{size} bytes");
    assert!(runs(&program).parse::<usize>().is_ok_and(|records| records > 0));
    let (long, _) = compile("sixty_and_twenty", &chain(60, 20), false);
    short.is_at_most(9_700, 405_000);
    // Far from twice as much, since operators on records of one type share most of what they need.
    long.is_at_most(short.functions * 5 / 2, short.lines * 5 / 2);
    // What ten more keyed stages with two maps each cost, and thirty more narrow operators.
    long.beyond(&short).is_at_most(2_500, 118_000);
}

#[test]
fn two_hundred_operators_compile() {
    let (one, _) = compile("one", &chain(1, 0), false);
    let (many, program) = compile("two_hundred", &chain(200, 0), true);
    assert!(runs(&program).parse::<usize>().is_ok());
    one.is_at_most(1_850, 77_000);
    many.beyond(&one).is_at_most(6_400, 300_000);
}

#[test]
fn outputs_and_unions_by_the_score_compile() {
    let outputs = |count: usize| {
        let mut body = format!("    let stream = {NUMBERS};\n");
        for at in 1..count {
            writeln!(body, "    stream.clone().map(|n| n + {at}).write(Collector::new());")
                .expect("a string takes all");
        }
        body + "    stream.map(|n| n * 2).write(out.clone());\n"
    };
    let union = |count: usize| {
        let mut body = format!("    {NUMBERS}\n");
        for at in 1..count {
            writeln!(body, "        .union({NUMBERS}.map(|n| n + {at}))").expect("a string takes all");
        }
        body + "        .write(out.clone());\n"
    };
    let (two, _) = compile("two_outputs", &outputs(2), false);
    let (many, program) = compile("twenty_outputs", &outputs(20), true);
    assert_eq!(runs(&program), "1000");
    many.beyond(&two).is_at_most(650, 22_000);
    let (two, _) = compile("union_of_two", &union(2), false);
    let (many, program) = compile("union_of_twenty", &union(20), true);
    assert_eq!(runs(&program), "20000");
    many.beyond(&two).is_at_most(620, 21_200);
}

#[test]
fn a_window_is_little_to_compile() {
    let body = format!(
        "    {NUMBERS}\n        \
         .event_time(|n| Timestamp::from_secs(*n as i64), Watermark::bounded(seconds(1)))\n        \
         .key_by(|n| n % 7)\n        .window(Tumbling::of(minutes(1)))\n        .count()\n        \
         .write(out.clone());\n"
    );
    let (window, program) = compile("window", &body, true);
    assert!(runs(&program).parse::<usize>().is_ok_and(|windows| windows > 0));
    window.is_at_most(6_150, 262_500);
}
