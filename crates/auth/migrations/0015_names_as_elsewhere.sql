-- Names of constraints as Supabase's schema has them, so that its dumps, comparisons and later changes find them.
do $$
declare
    named record;
begin
    for named in
        select relation, ours, theirs
        from (values
            ('auth.sso_providers', 'resource_id_not_empty', 'resource_id not empty'),
            ('auth.sso_domains', 'domain_not_empty', 'domain not empty'),
            ('auth.saml_providers', 'entity_id_not_empty', 'entity_id not empty'),
            ('auth.saml_providers', 'metadata_xml_not_empty', 'metadata_xml not empty'),
            ('auth.saml_providers', 'metadata_url_not_empty', 'metadata_url not empty'),
            ('auth.saml_relay_states', 'request_id_not_empty', 'request_id not empty')
        ) as names (relation, ours, theirs)
        join pg_constraint c on c.conrelid = to_regclass(relation) and c.conname = ours
    loop
        execute format('alter table %s rename constraint %I to %I', named.relation, named.ours, named.theirs);
    end loop;
    if not exists (select from pg_constraint where conname = 'sessions_oauth_client_id_fkey') then
        alter table auth.sessions add constraint sessions_oauth_client_id_fkey
            foreign key (oauth_client_id) references auth.oauth_clients (id) on delete cascade;
    end if;
end
$$;
