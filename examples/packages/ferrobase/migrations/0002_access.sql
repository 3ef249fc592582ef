-- Everybody reads, nobody but the service key writes.

alter table maintainers enable row level security;
alter table sections enable row level security;
alter table packages enable row level security;
alter table dependencies enable row level security;

create policy "public data" on maintainers for select to anon, authenticated using (true);
create policy "public data" on sections for select to anon, authenticated using (true);
create policy "public data" on packages for select to anon, authenticated using (true);
create policy "public data" on dependencies for select to anon, authenticated using (true);
