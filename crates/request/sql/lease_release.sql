-- Gives a lease back at once. $1 name, $2 holder. The fence stays, so that a later holder has a higher one.
-- Privileges: owner of ferrobase.leases. Oldest PostgreSQL: 14.
update ferrobase.leases set expires_at = '-infinity' where name = $1 and holder = $2
