-- Whose the password of an account is that waits for its owner. Kept with the account and not with a code: codes end, are
-- replaced and taken back, and none of that tells who chose the password.
create table auth.waiting_passwords (
    user_id    uuid    not null primary key,
    is_vouched boolean not null,
    constraint waiting_passwords_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
comment on table auth.waiting_passwords is 'No row: everybody who signed up chose the same password.';
comment on column auth.waiting_passwords.is_vouched is
    'An administrator chose it. Else nobody knows whose it is, and it goes when the account is proved.';
insert into auth.waiting_passwords (user_id, is_vouched)
select distinct t.user_id, false
from auth.one_time_tokens t join auth.users u on u.id = t.user_id
where t.drops_password and u.confirmed_at is null;
comment on column auth.one_time_tokens.drops_password is 'Of no use any more: auth.waiting_passwords says it.';

alter table auth.waiting_passwords enable row level security;
revoke all on auth.waiting_passwords from public, anon, authenticated;
