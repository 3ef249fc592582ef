//! The response cache, secret providers, and tenants: parsed and checked, not built yet.
//!
//! `readiness` says which of them keep `serve` from starting. Each section moves to the crate that builds it.

use std::time::Duration;

use ferrobase_base::config::{ByteSize, HttpUrl, Identifier, Report};
use ferrobase_base::{Secret, choice, section};
use ferrobase_pg::config::DatabaseHost;

section! {
    /// The response cache.
    pub struct CacheSection {
        /// Keeps answers.
        enabled: bool = false;
        /// Longest time that an answer is kept.
        ttl: Duration = Duration::from_secs(3600), in Duration::ZERO..=Duration::from_secs(30 * 86_400);
        /// Most memory for answers.
        max_size: ByteSize = ByteSize(100_000_000);
    }
}

choice! {
    /// Who keeps secrets.
    pub enum SecretsProvider {
        /// Nobody: secrets stand in the configuration, in variables, or in files (`file:///path`).
        None = "none",
        /// HashiCorp Vault or OpenBao, for `vault://path/key`.
        Vault = "vault",
        /// AWS Secrets Manager, for `aws://name/key`.
        AwsSecretsManager = "aws_secrets_manager",
    }
}

section! {
    /// Where `vault://` and `aws://` values come from.
    pub struct SecretsSection {
        /// Who keeps secrets.
        provider: SecretsProvider = SecretsProvider::None;
        /// Vault.
        vault: VaultSection = VaultSection::default();
        /// AWS Secrets Manager.
        aws: AwsSection = AwsSection::default();
    }
}

section! {
    /// Vault.
    pub struct VaultSection {
        /// Its address.
        address: Option<HttpUrl> = None;
        /// Token.
        token: Option<Secret> = None;
        /// Path under which this installation's secrets lie.
        path: Option<String> = None;
    }
}

section! {
    /// AWS Secrets Manager.
    pub struct AwsSection {
        /// Region.
        region: Option<String> = None;
        /// Address, when it is not Amazon's.
        endpoint: Option<HttpUrl> = None;
    }
}

impl SecretsSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.provider == SecretsProvider::Vault && self.vault.address.is_none() {
            report.refuse("vault.address", "the provider `vault` needs its address");
        }
        if self.provider == SecretsProvider::AwsSecretsManager && self.aws.region.is_none() {
            report.refuse("aws.region", "the provider `aws_secrets_manager` needs a region");
        }
    }
}

section! {
    /// One tenant, with a database or a schema of its own.
    pub struct TenantSection {
        /// Its name, as tokens and hosts spell it.
        name: String = String::new();
        /// Its database.
        database: TenantDatabase = TenantDatabase::default();
        /// Its schema, where tenants share a database.
        schema: Option<Identifier> = None;
    }
}

section! {
    /// Where a tenant's database differs from `database`.
    pub struct TenantDatabase {
        /// Host name, address, or folder of a unix socket.
        host: Option<DatabaseHost> = None;
        /// Port.
        port: Option<u16> = None;
        /// Database name.
        name: Option<Identifier> = None;
    }
}

impl TenantSection {
    /// What only shows when tenants are compared.
    pub fn check_all(tenants: &[Self], report: &mut Report<'_>) {
        for (index, tenant) in tenants.iter().enumerate() {
            let key = format!("tenants[{index}].name");
            if tenant.name.is_empty() {
                report.refuse(&key, "a tenant needs a name");
            } else if tenants[..index].iter().any(|other| other.name == tenant.name) {
                report.refuse(&key, format!("`{}` is the name of two tenants", tenant.name));
            }
            if tenant.database == TenantDatabase::default() && tenant.schema.is_none() {
                report.refuse(&format!("tenants[{index}]"), "needs a database or a schema of its own");
            }
        }
    }
}
