//! Chooses the TCP port: the one asked for, else the last one used, else the next free one.
//!
//! Each project begins its search elsewhere in the range, so that projects which start again at the same moment rarely
//! take each other's port. A port that is free now may be taken when PostgreSQL binds it; `start` then asks for the next.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Above the usual 5432 and below the range from which systems give out ports for outgoing connections.
const FIRST: u16 = 24320;
const LAST: u16 = 25319;
const COUNT: u16 = LAST - FIRST + 1;

/// The candidates in the order in which they are tried.
pub(crate) struct Ports {
    explicit: Option<u16>,
    last_used: Option<u16>,
    /// Where in the range the search begins.
    offset: u16,
    tried: u16,
}

impl Ports {
    /// `project` is any number that stays the same for a project.
    pub(crate) fn new(explicit: Option<u16>, last_used: Option<u16>, project: u16) -> Self {
        Self { explicit, last_used, offset: project % COUNT, tried: 0 }
    }

    /// The next port that is free right now. An explicit one is offered once.
    pub(crate) fn next_free(&mut self) -> Result<u16, Error> {
        if let Some(port) = self.explicit {
            return if is_free(port) { Ok(port) } else { Err(Error::PortTaken { port }) };
        }
        if let Some(port) = self.last_used.take().filter(|p| is_free(*p)) {
            return Ok(port);
        }
        while self.tried < COUNT {
            let port = FIRST + (self.offset + self.tried) % COUNT;
            self.tried += 1;
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
        assert!(
            matches!(Ports::new(Some(taken), None, 0).next_free(), Err(Error::PortTaken { port }) if port == taken)
        );
        let mut ports = Ports::new(None, Some(taken), u16::MAX);
        let chosen = ports.next_free().unwrap();
        assert_ne!(chosen, taken);
        assert!((FIRST..=LAST).contains(&chosen));
        assert_ne!(ports.next_free().unwrap(), chosen);
        let mut offered = 2;
        while let Ok(port) = ports.next_free() {
            assert!((FIRST..=LAST).contains(&port));
            offered += 1;
        }
        assert!(offered <= COUNT);
    }
}
