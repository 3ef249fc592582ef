-- Codes and links that prove an address or a number. A code can be guessed and a link cannot: they are different secrets
-- of one row, and only tries of the code count.
alter table auth.one_time_tokens
    add column if not exists code_hash text,
    add column if not exists tries smallint not null default 0,
    add column if not exists flow_state_id uuid,
    add column if not exists drops_password boolean not null default false;
comment on column auth.one_time_tokens.token_hash is 'What stands in the link.';
comment on column auth.one_time_tokens.code_hash is 'SHA-224 of the address or number and the code.';
comment on column auth.one_time_tokens.tries is 'Wrong codes so far; the fifth deletes the row.';
comment on column auth.one_time_tokens.flow_state_id is 'The flow that the link leads back to (PKCE).';
comment on column auth.one_time_tokens.drops_password is
    'Asked for without a password: one that somebody else chose before the address was proved goes.';

-- When something was last sent to an address or number, whether an account has it or not.
create table auth.send_turns (
    recipient text        not null,
    purpose   text        not null,
    sent_at   timestamptz not null,
    constraint send_turns_pkey primary key (recipient, purpose)
);
comment on column auth.send_turns.recipient is 'SHA-256: also of addresses that nobody has.';
create index send_turns_sent_at_idx on auth.send_turns (sent_at);

-- What the whole installation may still send in this hour: a bucket that fills evenly.
create table auth.send_quotas (
    channel   text             not null primary key,
    available double precision not null,
    seen_at   timestamptz      not null
);

-- Wrong codes of an account, from wherever they come.
create table auth.verify_limits (
    user_id  uuid        not null primary key,
    began_at timestamptz not null,
    wrong    integer     not null,
    constraint verify_limits_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);

alter table auth.send_turns enable row level security;
alter table auth.send_quotas enable row level security;
alter table auth.verify_limits enable row level security;
revoke all on auth.send_turns, auth.send_quotas, auth.verify_limits from public, anon, authenticated;
