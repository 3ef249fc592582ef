-- Texts that wallets signed and that opened a session: each opens one. Rows are of use for as long as their text could be
-- valid.
create table auth.web3_messages (
    hash       bytea       not null primary key,
    expires_at timestamptz not null
);
create index web3_messages_expires_at_idx on auth.web3_messages (expires_at);
alter table auth.web3_messages enable row level security;
revoke all on auth.web3_messages from public, anon, authenticated;
