-- A schema of the size that the catalog must bear: 10,000 tables of 8 columns with two foreign keys each, 1,000 views,
-- 5,000 functions. In slices that fit into the lock table of a default server.
-- Nobody listens yet, and 50,000 notifications would only take time.
alter event trigger ferrobase_ddl disable;
create or replace procedure public.generate_tables(first int, last int) language plpgsql as $$
begin
  for i in first..last loop
    execute format('create table t%s (id int primary key, a int references t%s, b int references t%s,
      name text not null default %L, made timestamptz default now(), tags text[], data jsonb,
      amount numeric(10,2), unique (name))', i, greatest(i - 1, 0), i / 2, 'x');
    execute format('comment on table t%s is %L', i, 'table ' || i);
    execute format('alter table t%s enable row level security', i);
    execute format('create policy all_of_it on t%s to authenticated using (true)', i);
    execute format('grant select, insert, update, delete on t%s to authenticated', i);
    if i % 10 = 0 then
      execute format('create view v%s with (security_invoker = true) as select id as vid, a as va, b, name from t%s', i, i);
    end if;
    if i % 2 = 0 then
      execute format('create function f%s(a int, b text default null) returns setof t%s stable language sql as %L',
        i, i, format('select * from t%s where id = $1', i));
    end if;
  end loop;
end $$;
select format('call public.generate_tables(%s, %s)', n * 100, n * 100 + 99) from generate_series(0, 99) as n \gexec
drop procedure public.generate_tables;
alter event trigger ferrobase_ddl enable;
insert into t0 values (1, null, null, 'one');
analyze;
