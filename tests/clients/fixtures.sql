-- Beside the library: columns of the types that the remaining filters are about.
create table slots (
    id      int primary key,
    during  int4range not null,
    people  text[] not null default '{}',
    note    text,
    done    boolean,
    setting jsonb
);
insert into slots values
    (1, '[1,5)', '{ann,bob}', 'short and early', true, '{"a": 1, "b": null}'),
    (2, '[5,9)', '{bob}', 'Long', false, null),
    (3, '[20,30)', '{}', null, null, '{"a": 2}');
alter table slots enable row level security;
create policy everything on slots using (true) with check (true);
create function slots_of(who text, ids int[] default '{}') returns setof slots language sql stable
    as 'select * from slots where who = any (people) and (ids = ''{}'' or id = any (ids))';
create function total(item jsonb) returns int language sql immutable as 'select (item->>''a'')::int + 1';
