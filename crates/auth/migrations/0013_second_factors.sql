-- Wrong tries at second factors, so that codes die of them whatever address they come from; and the time step of the last
-- code of an application, which is good once.
create table if not exists auth.mfa_failures (
    user_id      uuid        not null,
    challenge_id uuid        not null,
    failed_at    timestamptz not null default now(),
    constraint mfa_failures_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
create index if not exists mfa_failures_user_id_failed_at_idx on auth.mfa_failures (user_id, failed_at);
alter table auth.mfa_failures enable row level security;
revoke all on auth.mfa_failures from public, anon, authenticated;

create table if not exists auth.mfa_used_codes (
    factor_id uuid   not null primary key,
    step      bigint not null,
    constraint mfa_used_codes_factor_id_fkey foreign key (factor_id) references auth.mfa_factors (id) on delete cascade
);
alter table auth.mfa_used_codes enable row level security;
revoke all on auth.mfa_used_codes from public, anon, authenticated;
