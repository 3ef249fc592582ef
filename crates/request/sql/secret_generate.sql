-- Makes a secret of 244 random bits in the server, so that its text is in no statement and no log. $1 name.
-- Keeps one that is there. Privileges: owner of ferrobase.secrets. Oldest PostgreSQL: 14.
insert into ferrobase.secrets (name, value)
values ($1, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
on conflict (name) do nothing
