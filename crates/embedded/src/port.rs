//! Chooses the TCP port: the one asked for, else the last one used, else the next free one.
//!
//! A port that is free now may be taken when PostgreSQL binds it; `start` then asks for the next one.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Above the usual 5432 and below the range from which systems give out ports for outgoing connections.
const FIRST: u16 = 24320;
const LAST: u16 = 24519;

/// The candidates in the order in which they are tried.
pub(crate) struct Ports {
    explicit: Option<u16>,
    last_used: Option<u16>,
    next: u16,
}

impl Ports {
    pub(crate) fn new(explicit: Option<u16>, last_used: Option<u16>) -> Self {
        Self { explicit, last_used, next: FIRST }
    }

    /// The next port that is free right now. An explicit one is offered once.
    pub(crate) fn next_free(&mut self) -> Result<u16, Error> {
        if let Some(port) = self.explicit {
            return if is_free(port) { Ok(port) } else { Err(Error::PortTaken { port }) };
        }
        if let Some(port) = self.last_used.take().filter(|p| is_free(*p)) {
            return Ok(port);
        }
        while self.next <= LAST {
            let port = self.next;
            self.next += 1;
            if is_free(port) {
                return Ok(port);
            }
        }
        Err(Error::NoFreePort { from: FIRST, to: LAST })
    }

    /// Whether another port may be tried after one turned out to be taken.
    pub(crate) fn may_move(&self) -> bool {
        self.explicit.is_none()
    }
}

/// std sets SO_REUSEADDR, as PostgreSQL does, so connections in TIME_WAIT do not count as taken.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_skipped_or_refused() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = holder.local_addr().unwrap().port();
        assert!(matches!(Ports::new(Some(taken), None).next_free(), Err(Error::PortTaken { port }) if port == taken));
        let mut ports = Ports::new(None, Some(taken));
        let chosen = ports.next_free().unwrap();
        assert_ne!(chosen, taken);
        assert!((FIRST..=LAST).contains(&chosen));
        assert!(ports.next_free().unwrap() > chosen);
    }
}
