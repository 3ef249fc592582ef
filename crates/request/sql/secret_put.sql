-- Stores a value that is not secret itself (a login's name, a choice). $1 name, $2 value.
-- Privileges: owner of ferrobase.secrets. Oldest PostgreSQL: 14.
insert into ferrobase.secrets (name, value) values ($1, $2)
on conflict (name) do update set value = excluded.value
