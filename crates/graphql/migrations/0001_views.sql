-- What JSON views and the functions that write beside them are made with (docs/guide/graphql-views.md), in the schema app.
-- A type that exists under one of these names is left as it is.

-- What a function that writes returns. GraphQL knows it by the names of its columns, so an own type of the same columns
-- does as well.
do $$
begin
    if to_regtype('app.mutation_result') is null then
        create type app.mutation_result as (success boolean, message text, data jsonb);
    end if;
    if to_regtype('app.mutation_error_class') is null then
        create type app.mutation_error_class as enum (
            'validation', 'not_found', 'conflict', 'unauthenticated', 'forbidden',
            'rate_limited', 'timeout', 'unavailable', 'aborted', 'internal'
        );
    end if;
    if to_regtype('app.mutation_response') is null then
        create type app.mutation_response as (
            succeeded boolean,
            state_changed boolean,
            error_class app.mutation_error_class,
            status_detail text,
            http_status smallint,
            message text,
            entity_id uuid,
            entity_type text,
            entity jsonb,
            updated_fields text[],
            cascade jsonb,
            error_detail jsonb,
            metadata jsonb
        );
    end if;
    if to_regprocedure('app.mutation_ok(jsonb,text,text,uuid,text[],jsonb,boolean,jsonb)') is null then
        create function app.mutation_ok(
            entity jsonb default null,
            message text default null,
            entity_type text default null,
            entity_id uuid default null,
            updated_fields text[] default null,
            cascade jsonb default null,
            state_changed boolean default true,
            metadata jsonb default null
        ) returns app.mutation_response language sql immutable parallel safe return row(
            true, state_changed, null, case when state_changed then 'done' else 'noop' end, 200, message, entity_id,
            coalesce(entity_type, entity ->> '__typename'), entity, updated_fields, cascade, null, metadata
        )::app.mutation_response;
        comment on function app.mutation_ok is 'The answer of a function that did what it should.';
    end if;
    if to_regprocedure('app.mutation_err(app.mutation_error_class,text,jsonb,text,jsonb)') is null then
        create function app.mutation_err(
            error_class app.mutation_error_class,
            message text,
            error_detail jsonb default null,
            status_detail text default null,
            metadata jsonb default null
        ) returns app.mutation_response language sql immutable parallel safe return row(
            false, false, error_class, coalesce(status_detail, error_class::text),
            case error_class
                when 'validation' then 422 when 'not_found' then 404 when 'conflict' then 409
                when 'unauthenticated' then 401 when 'forbidden' then 403 when 'rate_limited' then 429
                when 'timeout' then 504 when 'unavailable' then 503 when 'aborted' then 409 else 500
            end,
            message, null, null, null, null, null, error_detail, metadata
        )::app.mutation_response;
        comment on function app.mutation_err is 'The answer of a function that refused.';
    end if;
end
$$;

-- Versions of read models: one row each, counted up by a trigger on the read model, once in a transaction. (An upsert
-- alone runs the triggers of INSERT and of UPDATE.)
create table if not exists app.versions (
    entity text primary key,
    version bigint not null,
    changed_at timestamptz not null default now(),
    changed_in xid8 not null default pg_current_xact_id()
);
comment on table app.versions is 'How often read models changed (trigger app.fn_increment_version).';
revoke all on app.versions from public;

create or replace function app.fn_increment_version() returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_nargs <> 1 then
        raise exception 'app.fn_increment_version takes the name of the read model';
    end if;
    insert into app.versions as known (entity, version) values (tg_argv[0], 1)
    on conflict (entity) do update
    set version = known.version + 1, changed_at = now(), changed_in = pg_current_xact_id()
    where known.changed_in <> pg_current_xact_id();
    return null;
end
$$;
comment on function app.fn_increment_version() is
    'Trigger after each statement that writes a read model: counts its version up, once in a transaction. Argument: the name of the read model.';

-- Results of queries that are expensive and may be old. Each belongs to the role that asked: no role ever gets what
-- another one was allowed to see. The text is run as it is, so only the service role may call this.
create table if not exists app.query_cache (
    cache_key text not null,
    role_name text not null,
    query_hash text not null,
    result jsonb,
    expires_at timestamptz not null,
    hit_count bigint not null default 0,
    created_at timestamptz not null default now(),
    last_accessed timestamptz not null default now(),
    primary key (cache_key, role_name)
);
comment on table app.query_cache is 'Results that app.cached_query keeps.';
revoke all on app.query_cache from public;

create or replace function app.cached_query(cache_key text, query text, ttl interval default '1 hour') returns jsonb
    language plpgsql
    volatile
as $$
declare
    hash constant text := encode(sha256(convert_to(query, 'UTF8')), 'hex');
    answer jsonb;
begin
    update app.query_cache as kept
    set hit_count = kept.hit_count + 1, last_accessed = now()
    where kept.cache_key = cached_query.cache_key
        and kept.role_name = current_user
        and kept.query_hash = hash
        and kept.expires_at > now()
    returning kept.result into answer;
    if found then
        return answer;
    end if;
    execute query into answer;
    insert into app.query_cache as kept (cache_key, role_name, query_hash, result, expires_at)
    values (cached_query.cache_key, current_user, hash, answer, now() + ttl)
    on conflict on constraint query_cache_pkey do update
    set query_hash = excluded.query_hash, result = excluded.result, expires_at = excluded.expires_at,
        hit_count = 0, created_at = now(), last_accessed = now();
    delete from app.query_cache as kept where kept.expires_at < now() - interval '1 day';
    return answer;
end
$$;
comment on function app.cached_query(text, text, interval) is
    'The JSON value of a query, kept for a time. For the service role: the text is run as it is.';
revoke all on function app.cached_query(text, text, interval) from public;
do $$
begin
    grant execute on function app.cached_query(text, text, interval) to service_role;
    grant select, insert, update, delete on app.query_cache to service_role;
    grant select on app.versions to service_role;
exception when undefined_object then
    raise notice 'there is no service_role';
end
$$;
