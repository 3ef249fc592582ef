//! Values as parameters of a statement, in PostgreSQL's text format.

use std::net::IpAddr;

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A value that goes to PostgreSQL.
pub trait Param {
    /// Its text; `None` is NULL.
    fn text(&self) -> Option<Bytes>;
}

impl Param for str {
    fn text(&self) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl Param for String {
    fn text(&self) -> Option<Bytes> {
        self.as_str().text()
    }
}

impl Param for Uuid {
    fn text(&self) -> Option<Bytes> {
        self.to_string().text()
    }
}

impl Param for bool {
    fn text(&self) -> Option<Bytes> {
        (if *self { "t" } else { "f" }).text()
    }
}

impl Param for i64 {
    fn text(&self) -> Option<Bytes> {
        self.to_string().text()
    }
}

impl Param for f64 {
    fn text(&self) -> Option<Bytes> {
        self.to_string().text()
    }
}

impl Param for IpAddr {
    fn text(&self) -> Option<Bytes> {
        self.to_string().text()
    }
}

impl Param for Value {
    fn text(&self) -> Option<Bytes> {
        self.to_string().text()
    }
}

impl Param for Map<String, Value> {
    fn text(&self) -> Option<Bytes> {
        serde_json::to_string(self).ok()?.text()
    }
}

impl<P: Param + ?Sized> Param for &P {
    fn text(&self) -> Option<Bytes> {
        (**self).text()
    }
}

impl<P: Param> Param for Option<P> {
    fn text(&self) -> Option<Bytes> {
        self.as_ref().and_then(Param::text)
    }
}

/// Parameters of a statement, in order.
#[macro_export]
#[doc(hidden)]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::store::param::Param::text(&$value)),*]
    };
}
