//! Sections of rooms that are not built yet: parsed and checked, so that a file can be written once.
//!
//! Each moves into its room with the room. Defaults are those that the requirements name.

use std::path::PathBuf;
use std::time::Duration;

use ferrobase_base::config::{ByteSize, HttpUrl, Report};
use ferrobase_base::{Secret, choice, section};

section! {
    /// Live changes, broadcast and presence.
    pub struct RealtimeSection {
        /// Most log that the change stream may hold back in PostgreSQL.
        max_slot_lag: ByteSize = ByteSize::mib(1024), in ByteSize::mib(16)..=ByteSize::mib(1 << 20);
        /// Uses a replication slot although PostgreSQL sets no bound on what it keeps.
        allow_unbounded_slot: bool = false;
        /// How long broadcast messages can be replayed.
        retention: Duration = Duration::from_secs(3 * 86_400), in Duration::ZERO..=Duration::from_secs(365 * 86_400);
        /// Most open sockets.
        max_sockets: u32 = 10_000, in 1..=10_000_000;
        /// Most channels of one socket.
        max_channels: u32 = 100, in 1..=100_000;
    }
}

choice! {
    /// Where objects lie.
    pub enum StorageProvider {
        /// In a folder of this machine.
        Local = "local",
        /// In a store that speaks S3.
        S3 = "s3",
    }
}

section! {
    /// Files.
    pub struct StorageSection {
        /// Where objects lie.
        provider: StorageProvider = StorageProvider::Local;
        /// Folder of the `local` provider.
        path: PathBuf = PathBuf::from(".ferrobase/storage");
        /// Bucket of the `s3` provider.
        s3_bucket: Option<String> = None;
        /// Its region.
        s3_region: Option<String> = None;
        /// Its address, when it is not Amazon's.
        s3_endpoint: Option<HttpUrl> = None;
        /// Access key of the store.
        s3_access_key_id: Option<String> = None;
        /// Its secret.
        s3_secret_access_key: Option<Secret> = None;
        /// Public addresses of objects begin with this.
        cdn_url: Option<HttpUrl> = None;
        /// Largest object, unless its bucket says less.
        file_size_limit: ByteSize = ByteSize::mib(50);
    }
}

impl StorageSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.provider == StorageProvider::S3 && self.s3_bucket.is_none() {
            report.refuse("s3_bucket", "the `s3` provider needs a bucket");
        }
        if self.s3_access_key_id.is_some() != self.s3_secret_access_key.is_some() {
            report.refuse(
                "s3_access_key_id",
                "s3_access_key_id and s3_secret_access_key belong together; one is missing",
            );
        }
    }
}

section! {
    /// Functions at the edge.
    pub struct FunctionsSection {
        /// Runs them.
        enabled: bool = false;
    }
}

section! {
    /// Queues and schedules.
    pub struct JobsSection {
        /// Runs them.
        enabled: bool = false;
    }
}

section! {
    /// Data patterns.
    pub struct PatternsSection {
        /// Offers them.
        enabled: bool = false;
    }
}

section! {
    /// The dashboard.
    pub struct AdminSection {
        /// Serves it.
        enabled: bool = false;
    }
}
