-- Who asks, for policies, triggers and functions. All read settings of the request's transaction and are NULL when
-- there is no request.
--
-- auth.*: names, types and meaning as Supabase has them. The claims win over the older settings
-- request.jwt.claim.*, which only test scripts set: a request that has claims must never see what an earlier one left.
-- app.*: the user and the tenant as text, because applications number them differently. Cast where you compare:
--     using (owner_id = app.user_id()::uuid)      using (tenant_id = app.tenant_id()::bigint)
-- NULL survives every cast, so that a policy is false, and not an error, for a caller without a user or tenant.
--
-- Each is one expression, which PostgreSQL puts into the query in place of the call. A function that exists under one
-- of these names is left as it is.
do $$
begin
    if to_regprocedure('auth.uid()') is null then
        create function auth.uid() returns uuid language sql stable parallel safe return
            case
                when current_setting('request.jwt.claims', true) <> ''
                then nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')
                else nullif(current_setting('request.jwt.claim.sub', true), '')
            end::uuid;
        comment on function auth.uid() is 'The user: claim sub of the token, which must be a UUID.';
    end if;

    if to_regprocedure('auth.role()') is null then
        create function auth.role() returns text language sql stable parallel safe return
            case
                when current_setting('request.jwt.claims', true) <> ''
                then current_setting('request.jwt.claims', true)::jsonb ->> 'role'
                else nullif(current_setting('request.jwt.claim.role', true), '')
            end;
        comment on function auth.role() is 'The role of the request.';
    end if;

    if to_regprocedure('auth.email()') is null then
        create function auth.email() returns text language sql stable parallel safe return
            case
                when current_setting('request.jwt.claims', true) <> ''
                then current_setting('request.jwt.claims', true)::jsonb ->> 'email'
                else nullif(current_setting('request.jwt.claim.email', true), '')
            end;
        comment on function auth.email() is 'Claim email of the token.';
    end if;

    if to_regprocedure('auth.jwt()') is null then
        create function auth.jwt() returns jsonb language sql stable parallel safe return
            coalesce(
                nullif(current_setting('request.jwt.claims', true), ''),
                nullif(current_setting('request.jwt.claim', true), '')
            )::jsonb;
        comment on function auth.jwt() is 'All claims of the token, with the role in force.';
    end if;

    if to_regprocedure('app.user_id()') is null then
        create function app.user_id() returns text language sql stable parallel safe return
            nullif(current_setting('app.user_id', true), '');
        comment on function app.user_id() is 'The user, as text: cast it to the type of your users'' key.';
    end if;

    if to_regprocedure('app.tenant_id()') is null then
        create function app.tenant_id() returns text language sql stable parallel safe return
            nullif(current_setting('app.tenant_id', true), '');
        comment on function app.tenant_id() is 'The tenant that the token grants, as text: cast it to the type of your key.';
    end if;

    if to_regprocedure('app.client_ip()') is null then
        create function app.client_ip() returns inet language sql stable parallel safe return
            nullif(current_setting('app.client_ip', true), '')::inet;
        comment on function app.client_ip() is 'The caller''s address, as far as trusted proxies tell it.';
    end if;

    if to_regprocedure('app.request_id()') is null then
        create function app.request_id() returns text language sql stable parallel safe return
            nullif(current_setting('request.id', true), '');
        comment on function app.request_id() is 'Id of the request, as in the server''s log and in the answer.';
    end if;
end
$$;
