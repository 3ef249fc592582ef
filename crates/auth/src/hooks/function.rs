//! A function of the database as a hook: in the transaction of the flow, as the schema's owner, within two seconds.
//!
//! The owner of schema `auth` needs `usage` on the function's schema and `execute` on the function.

use std::time::Duration;

use ferrobase_pg::Error as PgError;
use serde_json::Value;

use crate::error::{Error, ErrorCode, Result};
use crate::store::Tx;

/// Longest time of a function.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Calls it with one JSON value.
pub(super) async fn call(tx: &mut Tx, schema: &str, function: &str, input: &Value) -> Result<Value> {
    match tx.call_function(schema, function, input, TIMEOUT).await {
        Err(Error::Database(PgError::Db(db))) if db.code.as_str() == "57014" => {
            let message = format!("The hook did not answer within {} seconds", TIMEOUT.as_secs());
            Err(Error::unprocessable(ErrorCode::HookTimeout, message))
        }
        Err(error @ (Error::Application(_) | Error::Database(PgError::Db(_)))) => {
            Err(Error::internal("calling a hook's function")(error))
        }
        answered => answered,
    }
}
