-- Mails that wait to be sent: put here by the transaction that wants them, deleted when the mail server has taken them.
create table auth.outbox (
    id          uuid        not null primary key,
    kind        text        not null,
    recipient   text        not null,
    subject     text        not null,
    html        text        not null,
    plain       text        not null,
    state       text        not null default 'waiting',
    tries       integer     not null default 0,
    next_try_at timestamptz not null default now(),
    last_error  text,
    created_at  timestamptz not null default now(),
    constraint outbox_state_check check (state in ('waiting', 'caught', 'given_up'))
);
comment on table auth.outbox is 'Mails that wait; they hold codes that are good.';
comment on column auth.outbox.next_try_at is 'Whoever sends it moves this ahead first, so that nobody else does.';
comment on column auth.outbox.state is 'caught: kept for a developer to read. given_up: it was tried too often or is of no use any more.';
create index outbox_next_try_at_idx on auth.outbox (next_try_at) where state = 'waiting';
create index outbox_created_at_idx on auth.outbox (created_at);
alter table auth.outbox enable row level security;
revoke all on auth.outbox from public, anon, authenticated;
