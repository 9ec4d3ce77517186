//! Values that are looked at as numbers.

/// A number of the language, as an `f64`: what [`Variance`](super::Variance), [`StdDev`](super::StdDev),
/// [`Stats`](super::Stats) and [`ApproxQuantiles`](super::ApproxQuantiles) take.
///
/// Whole numbers beyond 2⁵³ are rounded to the nearest `f64`. Of durations, `of` takes a number:
/// `StdDev::sample().of(|wait: Duration| wait.as_micros())`.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` are no numbers",
    note = "`of` aggregates something taken from each value: `StdDev::sample().of(|click: Click| click.bytes)`"
)]
pub trait Numeric {
    /// The number.
    fn number(self) -> f64;
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Numeric for $number {
            #[inline]
            fn number(self) -> f64 {
                self as f64
            }
        }
    )*};
}

numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64);
