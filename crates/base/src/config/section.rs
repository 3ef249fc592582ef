//! Declares a group of settings once; the struct, its defaults, its reader, its reference and its printed form follow.
//!
//! Each key has a type, a default and a sentence of documentation, so none of the four can drift from the others.
//! Bounds are written `in 1..=9` after the default. Words with listed values are declared with `choice!`.

use super::reference::Reference;
use super::{Map, Reader, Shown};

/// A group of keys. Implemented by [`section!`](crate::section), by hand only where one group is made of two.
pub trait Section {
    /// What the group is for, one line an element.
    const ABOUT: &'static [&'static str];

    /// The keys it knows.
    fn names() -> Vec<&'static str>;

    /// Reads the keys that are present.
    fn read_fields(&mut self, map: &Map, reader: &mut Reader);

    /// Each key with its value, secrets masked.
    fn show_fields(&self) -> Vec<(String, Shown)>;

    /// Adds each key to the reference.
    fn describe_fields(path: &str, reference: &mut Reference);
}

/// Declares a [`Section`](crate::config::Section).
///
/// ```
/// ferrobase_base::section! {
///     /// Where the kettle listens.
///     pub struct KettleSection {
///         /// Port of the kettle.
///         port: u16 = 8000;
///         /// How hot, in degrees.
///         heat: u8 = 80, in 20..=100;
///     }
/// }
/// assert_eq!(KettleSection::default().heat, 80);
/// ```
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident : $type:ty = $default:expr $(, in $range:expr)? ;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::config::Section for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];

            fn names() -> Vec<&'static str> {
                vec![$(stringify!($field)),*]
            }

            #[allow(unused_variables)]
            fn read_fields(&mut self, map: &$crate::config::Map, reader: &mut $crate::config::Reader) {
                $( $crate::section!(@read reader, map, stringify!($field), &mut self.$field $(, $range)?); )*
            }

            fn show_fields(&self) -> Vec<(String, $crate::config::Shown)> {
                vec![$( (stringify!($field).to_owned(), $crate::config::Setting::show(&self.$field)) ),*]
            }

            #[allow(unused_variables)]
            fn describe_fields(path: &str, reference: &mut $crate::config::reference::Reference) {
                let defaults = Self::default();
                $(
                    reference.field::<$type>(
                        path, stringify!($field), &[$($doc),+],
                        $crate::section!(@kind $type $(, $range)?),
                        &defaults.$field,
                    );
                )*
            }
        }

        $crate::section!(@setting $name);
    };

    // One name that reads, prints and documents itself as a group of keys.
    (@setting $name:ident) => {
        impl $crate::config::Setting for $name {
            const NESTED: bool = true;

            fn kind() -> String {
                "a group of keys".to_owned()
            }

            fn read(node: &$crate::config::Node, reader: &mut $crate::config::Reader) -> Option<Self> {
                reader.section(node)
            }

            fn read_over(slot: &mut Self, node: &$crate::config::Node, reader: &mut $crate::config::Reader) {
                reader.section_over(node, slot);
            }

            fn show(&self) -> $crate::config::Shown {
                $crate::config::Shown::Map($crate::config::Section::show_fields(self))
            }

            fn describe(
                path: &str,
                _about: &'static [&'static str],
                _kind: String,
                _default: $crate::config::Shown,
                reference: &mut $crate::config::reference::Reference,
            ) {
                reference.group(path, <Self as $crate::config::Section>::ABOUT);
                <Self as $crate::config::Section>::describe_fields(path, reference);
            }
        }
    };

    (@read $reader:ident, $map:ident, $name:expr, $slot:expr) => {
        $reader.field($map, $name, $slot)
    };
    (@read $reader:ident, $map:ident, $name:expr, $slot:expr, $range:expr) => {
        $reader.bounded($map, $name, $slot, &$range)
    };
    (@kind $type:ty) => {
        <$type as $crate::config::Setting>::kind()
    };
    (@kind $type:ty, $range:expr) => {
        $crate::config::reference::bounded_kind::<$type>(&$range)
    };
}

/// Declares a word with listed values.
///
/// ```
/// ferrobase_base::choice! {
///     /// How loud.
///     pub enum Volume {
///         /// A whisper.
///         Low = "low",
///         /// A shout.
///         High = "high",
///     }
/// }
/// assert_eq!(Volume::High.as_str(), "high");
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $name {
            /// The word that stands in the configuration.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::config::Atom for $name {
            fn kind() -> String {
                let words: &[&str] = &[$($word),+];
                let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }

            fn parse(text: &str) -> Option<Self> {
                let text = text.trim().to_ascii_lowercase();
                match text.as_str() {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }

            fn spell(&self) -> $crate::config::Shown {
                $crate::config::Shown::Word(self.as_str().to_owned())
            }
        }
    };
}
