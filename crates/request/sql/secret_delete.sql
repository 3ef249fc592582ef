-- Forgets a secret. $1 name. Privileges: owner of ferrobase.secrets. Oldest PostgreSQL: 14.
delete from ferrobase.secrets where name = $1
