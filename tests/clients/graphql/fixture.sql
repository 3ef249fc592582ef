-- Beside the library: a schema that is a part of a federation, and notes of two users.
create schema shop;
grant usage on schema shop to anon, authenticated, service_role;
comment on schema shop is '@graphql({"federation": true})';
create table shop.products (
    sku   text primary key,
    name  text not null,
    price numeric(8, 2)
);
create table shop.stock (
    sku       text references shop.products,
    warehouse int,
    amount    int not null,
    primary key (sku, warehouse)
);
insert into shop.products values ('a', 'Apple', 1.50), ('b', 'Bread', 3), ('c', 'Cheese', null);
insert into shop.stock values ('a', 1, 10), ('a', 2, 5), ('b', 1, 0);
alter table shop.products enable row level security;
alter table shop.stock enable row level security;
create policy everything on shop.products using (true);
create policy everything on shop.stock using (true);
grant select on all tables in schema shop to anon, authenticated;

insert into notes (id, user_id, body)
select n, uuid '00000000-0000-4000-8000-00000000000a', 'ann ' || n from generate_series(1, 7) n
union all select n, uuid '00000000-0000-4000-8000-00000000000b', 'bob ' || n from generate_series(8, 9) n;
select setval(pg_get_serial_sequence('notes', 'id'), 100);
