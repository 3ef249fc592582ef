//! Whether a server is of the kind that `target_session_attrs` asks for.
//!
//! Servers say so by themselves when a session starts; poolers often do not, and are asked.

use crate::error::Error;
use crate::options::TargetSessionAttrs;
use crate::row::Row;
use crate::wire::{Channel, tag, write};

use super::login::Greeting;

/// Fails unless the server is of the kind.
pub(crate) async fn check(channel: &mut Channel, greeting: &Greeting, wanted: TargetSessionAttrs) -> Result<(), Error> {
    let (setting, question, expected, found) = match wanted {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => return Ok(()),
        TargetSessionAttrs::ReadWrite => (None, READ_ONLY, "off", "read-only"),
        TargetSessionAttrs::ReadOnly => (None, READ_ONLY, "on", "writable"),
        TargetSessionAttrs::Primary => (Some("in_hot_standby"), IN_RECOVERY, "off", "a standby"),
        TargetSessionAttrs::Standby => (Some("in_hot_standby"), IN_RECOVERY, "on", "a primary"),
    };
    let told = setting.and_then(|name| greeting.parameters.iter().find(|(n, _)| n == name));
    let answer = match told {
        Some((_, value)) => value.clone(),
        None => ask(channel, question).await?,
    };
    if answer == expected { Ok(()) } else { Err(Error::WrongServerKind { wanted: wanted.as_str(), found }) }
}

const READ_ONLY: &str = "select pg_catalog.current_setting('transaction_read_only')";
const IN_RECOVERY: &str = "select case when pg_catalog.pg_is_in_recovery() then 'on' else 'off' end";

/// Runs a query that has one row of one column, before there is a session.
async fn ask(channel: &mut Channel, question: &str) -> Result<String, Error> {
    write::query(&mut channel.output, question);
    let mut answer = None;
    loop {
        while let Some(message) = channel.message()? {
            let body = message.body.as_slice();
            match message.tag {
                tag::DATA_ROW => {
                    let row = Row::of(body).ok_or(Error::Protocol("a malformed row"))?;
                    answer = row.text(0).map(str::to_owned);
                }
                tag::ERROR => return Err(Error::Protocol("the server cannot say whether it is a primary")),
                tag::READY_FOR_QUERY => return answer.ok_or(Error::Protocol("a question without an answer")),
                _ => {}
            }
        }
        channel.fill().await?;
    }
}
