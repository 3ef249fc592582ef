//! The blocks of configuration that the guides of our predecessors print, restated: every key and every form loads.

use std::time::Duration;

use ferrobase_base::config::ByteSize;
use ferrobase_pg::config::{PoolerSetting, ReadPreference, SslModeSetting};

use super::super::{SecretsProvider, StorageProvider};
use super::loaded;

#[test]
fn pool_sizes() {
    let text = "database:\n  max_connections: 100  # many\n  min_connections: 20   # warm\n  max_idle_time: 30m    # idle\n  max_lifetime: 1h      # old\n";
    let database = loaded(text, &[]).config.database;
    assert_eq!((database.max_connections, database.min_connections), (100, 20));
    assert_eq!((database.max_idle_time, database.max_lifetime), (Duration::from_secs(1800), Duration::from_secs(3600)));
}

#[test]
fn compression() {
    let server = loaded("server:\n  enable_compression: true\n  compression_level: 6  # 1 to 9\n", &[]).config.server;
    assert_eq!((server.enable_compression, server.compression_level), (true, 6));
}

#[test]
fn primary_and_replicas() {
    let text = "database:\n  primary:\n    host: db-a.example.net\n    port: 5432\n  replicas:\n    - host: db-b.example.net\n      \
                port: 5432\n    - host: db-c.example.net\n      port: 5433\n  read_preference: replica  # reads\n";
    let database = loaded(text, &[]).config.database;
    let (host, port) = &database.primary_addresses()[0];
    assert_eq!((host.to_string().as_str(), *port), ("db-a.example.net", 5432));
    assert_eq!(database.replicas.iter().map(|r| r.port).collect::<Vec<_>>(), [5432, 5433]);
    assert_eq!(database.read_preference, ReadPreference::Replica);
}

#[test]
fn a_pooler_in_front() {
    let database = loaded("database:\n  host: pool.example.net\n  port: 6432\n", &[]).config.database;
    let (host, port) = &database.primary_addresses()[0];
    assert_eq!((host.to_string().as_str(), *port, database.pooler), ("pool.example.net", 6432, PoolerSetting::Direct));
}

#[test]
fn redis_and_cache() {
    let text = "redis:\n  host: redis.example.net\n  port: 6379\n  db: 0\n  password: ${REDIS_PASSWORD}\n\ncache:\n  \
                enabled: true\n  ttl: 3600  # an hour\n  max_size: 1000MB\n";
    let config = loaded(text, &[("REDIS_PASSWORD", "pass: #word")]).config;
    let redis = config.redis.unwrap();
    assert_eq!((redis.db, redis.password.unwrap().expose()), (0, "pass: #word"));
    assert_eq!((config.cache.ttl, config.cache.max_size), (Duration::from_secs(3600), ByteSize(1_000_000_000)));
}

#[test]
fn objects_in_s3_behind_a_cdn() {
    let text = "storage:\n  provider: s3\n  s3_bucket: my-bucket\n  s3_region: eu-north-1\n  cdn_url: https://cdn.example.net  # edge\n";
    let storage = loaded(text, &[]).config.storage;
    assert_eq!((storage.provider, storage.s3_bucket.as_deref()), (StorageProvider::S3, Some("my-bucket")));
    assert_eq!(storage.cdn_url.unwrap().as_str(), "https://cdn.example.net");
}

#[test]
fn traces_to_an_endpoint_that_is_gone_load_with_a_warning() {
    let text = "observability:\n  tracing:\n    enabled: true\n    endpoint: http://jaeger:14268/api/traces\n    \
                service_name: shop\n    sample_rate: 0.1  # a tenth\n";
    let loaded = loaded(text, &[]);
    let tracing = &loaded.config.observability.tracing;
    assert_eq!((tracing.enabled, tracing.service_name.as_str(), tracing.sample_rate.as_f64()), (true, "shop", 0.1));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("observability.tracing.endpoint") && warnings[0].contains("4318"), "{warnings:?}");
}

#[test]
fn rate_limits() {
    let text = "security:\n  rate_limit:\n    enabled: true\n    anonymous: 100  # a minute\n    authenticated: 500\n    api_key: 1000\n";
    let limits = loaded(text, &[]).config.security.rate_limit;
    assert_eq!((limits.enabled, limits.anonymous, limits.authenticated, limits.api_key), (true, 100, 500, 1000));
}

#[test]
fn cors() {
    let text = "server:\n  cors:\n    allowed_origins:\n      - https://shop.example.net\n      - https://app.example.net\n    \
                allowed_methods:\n      - GET\n      - POST\n      - PUT\n      - PATCH\n      - DELETE\n    allowed_headers:\n      \
                - Authorization\n      - Content-Type\n    expose_headers:\n      - X-Total-Count\n    max_age: 3600\n";
    let cors = loaded(text, &[]).config.server.cors;
    assert_eq!(cors.allowed_origins[1].as_str(), "https://app.example.net");
    assert_eq!((cors.allowed_methods.len(), cors.allowed_headers.len(), cors.expose_headers.len()), (5, 2, 1));
    assert_eq!(cors.max_age, Duration::from_secs(3600));
}

#[test]
fn response_fields() {
    let policy = "default-src 'self'; script-src 'self' 'unsafe-inline'; img-src 'self' data: https:;";
    let text = format!(
        "security:\n  headers:\n    content_security_policy: \"{policy}\"\n    x_frame_options: \"DENY\"\n    x_content_type_options: \"nosniff\"\n"
    );
    let headers = loaded(&text, &[]).config.security.headers;
    assert_eq!(headers.content_security_policy.as_deref(), Some(policy));
    assert_eq!(headers.x_frame_options.as_deref(), Some("DENY"));
    assert_eq!(headers.x_content_type_options.as_deref(), Some("nosniff"));
}

#[test]
fn certificates_towards_postgresql() {
    let text = "database:\n  ssl_mode: require  # or verify-full\n  ssl_cert: /etc/shop/client.pem\n  ssl_key: /etc/shop/client.key\n  ssl_root_cert: /etc/shop/ca.pem\n";
    let database = loaded(text, &[]).config.database;
    assert_eq!(database.ssl_mode, Some(SslModeSetting::Require));
    assert_eq!(database.ssl_cert.unwrap().to_str(), Some("/etc/shop/client.pem"));
}

#[test]
fn secrets_in_vault() {
    let text = "secrets:\n  provider: vault\n  vault:\n    address: https://vault.example.net\n    token: ${VAULT_TOKEN}\n    path: secret/shop\n\n\
                database:\n  password: vault://secret/shop/db_password\nauth:\n  jwt_secret: vault://secret/shop/jwt_secret\n";
    let config = loaded(text, &[("VAULT_TOKEN", "t")]).config;
    assert_eq!(
        (config.secrets.provider, config.secrets.vault.path.as_deref()),
        (SecretsProvider::Vault, Some("secret/shop"))
    );
}

#[test]
fn secrets_at_aws() {
    let text = "secrets:\n  provider: aws_secrets_manager\n  aws:\n    region: eu-north-1\n\ndatabase:\n  password: aws://shop/db_password\n";
    let config = loaded(text, &[]).config;
    assert_eq!(config.secrets.aws.region.as_deref(), Some("eu-north-1"));
}

#[test]
fn a_database_for_each_tenant() {
    let text = "tenants:\n  - name: north\n    database:\n      host: localhost\n      name: shop_north\n  - name: south\n    database:\n      host: localhost\n      name: shop_south\n";
    let tenants = loaded(text, &[]).config.tenants;
    assert_eq!(tenants.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["north", "south"]);
    assert_eq!(tenants[1].database.name.as_deref(), Some("shop_south"));
}

#[test]
fn the_example_of_the_release_archive_loads() {
    let text = include_str!("../../../../../ops/ferrobase.example.yaml");
    loaded(text, &[("DATABASE_URL", "postgresql://owner:x@db/app"), ("JWT_SECRET", &"s".repeat(32))]);
}
