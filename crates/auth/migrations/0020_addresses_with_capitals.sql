-- Accounts that come from elsewhere may have capitals in their addresses; people are found whatever they type. By bytes, so
-- that it is the same in every locale: addresses are ASCII here.
create index if not exists users_lower_email_idx on auth.users (lower(email collate "C"));
