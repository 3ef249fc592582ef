-- Computed relationships follow the edges by name, and a function walks them.

-- `dependencies?select=target,resolved(name,version)`: the package that an edge leads to, newest version first.
create function resolved(dependencies) returns setof packages rows 1
    language sql stable
    set search_path = public, pg_temp
begin atomic
    select p.* from packages p where p.name = $1.target order by p.version desc limit 1;
end;

-- `packages?select=name,required_by(package_id,kind)`: the edges that lead here.
create function required_by(packages) returns setof dependencies
    language sql stable
    set search_path = public, pg_temp
begin atomic
    select d.* from dependencies d where d.target = $1.name;
end;

-- `rpc/dependency_closure?of=curl`: everything that installing a package pulls in, with the shortest distance.
create function dependency_closure("of" text, max_depth int default 20)
    returns table (name text, depth int)
    language sql stable
    set search_path = public, pg_temp
begin atomic
    with recursive reached (name, depth) as (
        select "of", 0
        union
        select d.target, r.depth + 1
        from reached r
        join packages p on p.name = r.name
        join dependencies d on d.package_id = p.id
            and d.kind in ('depends', 'pre-depends') and d.alternative = 0
        where r.depth < least(max_depth, 20)
    )
    select r.name, min(r.depth) from reached r group by r.name order by 2, 1;
end;

-- After a load the planner knows nothing about the new rows; the loader calls this instead of waiting for autovacuum.
create function update_statistics() returns void
    language plpgsql volatile security definer
    set search_path = public, pg_temp
as $$
begin
    analyze maintainers, sections, packages, dependencies;
end;
$$;
revoke execute on function update_statistics() from public, anon, authenticated;
