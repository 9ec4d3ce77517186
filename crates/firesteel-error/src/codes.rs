//! Giving the variants of an error their codes.

/// Gives an error type its codes: the constant `CODES` with all of them, and the method `code`.
///
/// ```
/// use firesteel_error::codes;
///
/// #[derive(Debug)]
/// enum Inner {
///     Lost { at: u64 },
/// }
/// codes!(Inner { Lost = "FS-X010" });
///
/// /// One that hands on the errors of another type, with their codes.
/// #[derive(Debug)]
/// enum Outer {
///     Stopped,
///     Inner(Inner),
/// }
/// codes!(Outer { Stopped = "FS-X020" } and those of { Inner });
///
/// #[derive(Debug)]
/// struct Refused;
/// codes!(Refused = "FS-X030");
///
/// /// One that gives back what was not taken.
/// #[derive(Debug)]
/// enum Returned<T> {
///     Full(T),
/// }
/// codes!(Returned<T> { Full = "FS-X040" });
///
/// assert_eq!(Returned::Full(7).code(), "FS-X040");
/// assert_eq!(Outer::Inner(Inner::Lost { at: 7 }).code(), "FS-X010");
/// assert_eq!(Outer::Stopped.code(), "FS-X020");
/// assert_eq!(Refused.code(), "FS-X030");
/// ```
#[macro_export]
macro_rules! codes {
    (
        $error:ident $(<$parameter:ident>)? { $($variant:ident = $code:literal),+ $(,)? }
        $(and those of { $($other:ident),+ $(,)? })?
    ) => {
        impl $(<$parameter>)? $error $(<$parameter>)? {
            /// The name and the code of each kind of error.
            pub const CODES: &'static [(&'static str, &'static str)] = &[$((stringify!($variant), $code)),+];

            /// The code of this kind of error: it stays the same from release to release, and the message begins with it.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)+
                    $($(Self::$other(error) => error.code(),)+)?
                }
            }
        }
    };
    ($error:ident = $code:literal) => {
        impl $error {
            /// Its name and code.
            pub const CODES: &'static [(&'static str, &'static str)] = &[(stringify!($error), $code)];

            /// The code of this error: it stays the same from release to release, and the message begins with it.
            #[must_use]
            pub fn code(&self) -> &'static str {
                $code
            }
        }
    };
}
