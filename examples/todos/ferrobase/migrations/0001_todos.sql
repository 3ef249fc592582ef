-- The classic app of row-level security: everyone has a list, nobody sees another's.

create table todos (
    id          bigint generated always as identity primary key,
    user_id     uuid not null default auth.uid(),
    task        text not null check (length(task) between 1 and 500),
    is_complete boolean not null default false,
    inserted_at timestamptz not null default now()
);

create index on todos (user_id, id);

alter table todos enable row level security;

create policy "own todos" on todos to authenticated
    using (user_id = (select auth.uid()))
    with check (user_id = (select auth.uid()));
