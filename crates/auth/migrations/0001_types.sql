-- Types of schema auth: names and values as Supabase has them. One that exists is left as it is.
do $$
declare
    wanted record;
begin
    for wanted in
        select name, labels
        from (values
            ('factor_type', 'totp,webauthn,phone'),
            ('factor_status', 'unverified,verified'),
            ('aal_level', 'aal1,aal2,aal3'),
            ('code_challenge_method', 's256,plain'),
            ('one_time_token_type',
             'confirmation_token,reauthentication_token,recovery_token,'
             'email_change_token_new,email_change_token_current,phone_change_token'),
            ('oauth_registration_type', 'dynamic,manual'),
            ('oauth_client_type', 'public,confidential'),
            ('oauth_response_type', 'code'),
            ('oauth_authorization_status', 'pending,approved,denied,expired')
        ) as types (name, labels)
    loop
        if to_regtype('auth.' || wanted.name) is null then
            execute format(
                'create type auth.%I as enum (%s)',
                wanted.name,
                (select string_agg(quote_literal(label), ', ' order by place)
                 from unnest(string_to_array(wanted.labels, ',')) with ordinality as parts (label, place))
            );
        end if;
    end loop;
end
$$;
