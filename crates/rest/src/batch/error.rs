//! What can be wrong with a batch as such; what is wrong with one of its operations is told as it would be alone.

use ferrobase_base::{Kind, PublicError};

/// A batch that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BatchError {
    /// FB150: not the form of a batch.
    #[error("The batch is malformed")]
    Malformed(String),
    /// FB151: more operations than `rest.batch_max_operations`.
    #[error("The batch has too many operations")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// FB152: something that cannot be part of a batch.
    #[error("The operation cannot be part of a batch")]
    Operation(String),
    /// FB153: the results are larger than `rest.batch_max_response`.
    #[error("The results of the batch are too large")]
    ResponseTooLarge {
        /// The bound, in bytes.
        most: usize,
    },
    /// FB154: a reference to something that is not there.
    #[error("The reference '{0}' leads nowhere")]
    NoReference(String),
    /// FB155: a reference to something that cannot stand where it is used.
    #[error("The reference '{pointer}' leads to {what}")]
    Unusable {
        /// The reference.
        pointer: String,
        /// What is there.
        what: &'static str,
    },
    /// FB156: references stand too deep in a body.
    #[error("References are nested too deeply")]
    TooDeep {
        /// The bound.
        most: usize,
    },
}

impl From<BatchError> for PublicError {
    fn from(error: BatchError) -> Self {
        let message = error.to_string();
        match error {
            BatchError::Malformed(why) => Self::new(Kind::Invalid, "FB150", message).details(why).hint(
                "A batch is a list of {\"method\", \"path\", \"headers\", \"body\"}, or an object with \"operations\".",
            ),
            BatchError::TooMany { most } => {
                Self::new(Kind::Invalid, "FB151", message).details(format!("At most {most} operations are allowed"))
            }
            BatchError::Operation(why) => Self::new(Kind::Invalid, "FB152", message).details(why),
            BatchError::ResponseTooLarge { most } => Self::new(Kind::Invalid, "FB153", message)
                .details(format!("At most {most} bytes are allowed"))
                .hint("Ask for fewer rows or columns."),
            BatchError::NoReference(_) => Self::new(Kind::Invalid, "FB154", message)
                .hint("'/0/body/0/id' is the id of the first row that operation 0 answered with."),
            BatchError::Unusable { .. } => Self::new(Kind::Invalid, "FB155", message)
                .hint("A filter takes a text, a number, true or false, or a list of those."),
            BatchError::TooDeep { most } => {
                Self::new(Kind::Invalid, "FB156", message).details(format!("At most {most} levels are searched"))
            }
        }
    }
}
