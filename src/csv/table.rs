//! What a kind of file has: its columns.

use std::borrow::Cow;

use super::text::canonical;

/// The columns of a kind of file.
pub trait Columns: Copy + PartialEq + Send + Sync + 'static {
    /// All of them, in the order of an export.
    const ALL: &'static [Self];

    /// The English name, which is the field's.
    fn english(self) -> &'static str;

    /// The Japanese name.
    fn japanese(self) -> &'static str;

    /// An export shows it, and nobody sets it by a file.
    fn is_only_shown(self) -> bool {
        false
    }

    /// May no two rows of a file have the same here?
    fn is_unique(self) -> bool {
        false
    }

    /// What they may not have in common, of a cell without guards: as its row will read it.
    fn unique(self, cell: &str) -> Cow<'_, str> {
        Cow::Borrowed(cell.trim())
    }

    /// The column with this header, in either language, whatever its width and case and the spaces around it.
    fn named(header: &str) -> Option<Self> {
        let wanted = canonical(header);
        let known = |column: &Self| {
            [column.english(), column.japanese()]
                .into_iter()
                .any(|name| name == header || canonical(name) == wanted)
        };
        Self::ALL.iter().copied().find(known)
    }

    /// The JSON pointer by which a fault names it.
    fn pointer(self) -> String {
        format!("/{}", self.english())
    }
}

/// Columns, each with its two names.
macro_rules! columns {
    ($(#[$about:meta])* $name:ident {
        $($(#[$meta:meta])* $variant:ident = $english:literal, $japanese:literal;)+
    } $($more:tt)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$meta])* #[doc = concat!($japanese, ".")] $variant),+ }

        impl Columns for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn english(self) -> &'static str {
                match self { $(Self::$variant => $english),+ }
            }

            fn japanese(self) -> &'static str {
                match self { $(Self::$variant => $japanese),+ }
            }

            $($more)*
        }
    };
}
pub(super) use columns;
