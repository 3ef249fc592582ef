//! The seed's checklist, 11 to 14: prices with two times, and a store of events.

use serde_json::json;

use crate::harness::{Api, api};

const HAMMER: &str = "00000000-0000-4000-8000-000000000001";
const NAIL: &str = "00000000-0000-4000-8000-000000000002";

/// Names in camel case, arguments without `p_`.
const NAMES: &str = r#"comment on schema public is '@graphql({"inflect_names": true, "parameter_prefix": "p_"})';"#;

/// Prices by the time when they hold and the time when they were known.
fn prices(update_price: &str) -> String {
    format!(
        "create extension if not exists btree_gist with schema extensions;
         {NAMES}
         create table products (id uuid primary key, name text);
         create table prices (id uuid primary key default gen_random_uuid(), product_id uuid not null references products,
            price numeric(10,2) not null, currency text not null default 'USD', valid_from date not null, valid_to date,
            tx_from timestamptz not null default now(), tx_to timestamptz not null default 'infinity',
            exclude using gist (product_id with =, daterange(valid_from, valid_to, '[)') with &&) where (tx_to = 'infinity'));
         insert into products values ('{HAMMER}', 'Hammer'), ('{NAIL}', 'Nail');
         insert into prices (product_id, price, valid_from, tx_from) values ('{HAMMER}', 10, '2024-01-01', '2024-01-01');
         create function get_price_at(p_product_id uuid, p_valid_date date, p_tx_time timestamptz default now())
            returns numeric language sql stable as $$
            select price from prices where product_id = p_product_id and valid_from <= p_valid_date
                and (valid_to is null or valid_to > p_valid_date) and tx_from <= p_tx_time and tx_to > p_tx_time $$;
         create view v_current_prices with (security_invoker = true) as select p.id as product_id,
            jsonb_build_object('__typename', 'CurrentPrice', 'product_id', p.id, 'price', pr.price, 'currency', pr.currency,
                'valid_from', pr.valid_from) as data
            from products p left join lateral (select * from prices where product_id = p.id and tx_to = 'infinity'
                and valid_from <= current_date and (valid_to is null or valid_to > current_date)) pr on true;
         create function update_price(p_product_id uuid, p_new_price numeric, p_valid_from date) returns void
            language plpgsql as $$ {update_price} $$;"
    )
}

/// Closes what is known from that day on, says again what holds before it, and adds the new price.
const UPDATE: &str = "
    declare known prices;
    begin
        for known in update prices set tx_to = now() where product_id = p_product_id and tx_to = 'infinity'
                and (valid_to is null or valid_to > p_valid_from) returning * loop
            if known.valid_from < p_valid_from then
                insert into prices (product_id, price, currency, valid_from, valid_to)
                values (known.product_id, known.price, known.currency, known.valid_from, p_valid_from);
            end if;
        end loop;
        insert into prices (product_id, price, valid_from) values (p_product_id, p_new_price, p_valid_from);
    end";

/// The seed's: it forgets what held before.
const SEEDS_UPDATE: &str = "
    begin
        update prices set tx_to = now() where product_id = p_product_id and tx_to = 'infinity';
        insert into prices (product_id, price, valid_from) values (p_product_id, p_new_price, p_valid_from);
    end";

async fn price(api: &Api, day: &str, known: &str) -> serde_json::Value {
    let known = if known.is_empty() { String::new() } else { format!(", txTime: \"{known}\"") };
    let query = format!("{{ getPriceAt(productId: \"{HAMMER}\", validDate: \"{day}\"{known}) }}");
    api.data(&query).await["getPriceAt"].take()
}

async fn raise(api: &Api) -> serde_json::Value {
    let call = format!(
        "mutation {{ updatePrice(productId: \"{HAMMER}\", newPrice: \"20\", validFrom: \"2025-01-01\") {{ success }} }}"
    );
    api.data(&call).await
}

#[tokio::test]
async fn seed_11_prices_are_read_at_two_times() {
    let api = api(&prices(UPDATE)).await;
    assert_eq!(price(&api, "2024-06-01", "").await, "10.00");
    assert_eq!(price(&api, "2023-06-01", "").await, json!(null));
    raise(&api).await;
    assert_eq!(price(&api, "2024-06-01", "2024-07-01T00:00:00Z").await, "10.00");
    assert_eq!(price(&api, "2025-06-01", "").await, "20.00");
    assert_eq!(price(&api, "2025-06-01", "2024-07-01T00:00:00Z").await, "10.00", "as it was known then");
}

#[tokio::test]
async fn seed_12_a_new_price_leaves_the_past_as_it_was() {
    let api = api(&prices(UPDATE)).await;
    assert_eq!(raise(&api).await, json!({"updatePrice": {"success": true}}));
    assert_eq!(price(&api, "2024-06-01", "").await, "10.00");
    let again = format!("mutation {{ insertIntoPricesCollection(objects: [{{productId: \"{HAMMER}\", price: \"1\", validFrom: \"2025-06-01\"}}])
        {{ affectedCount }} }}");
    let answer = api.ask(&again).await;
    assert_eq!(
        (answer.code().as_str(), &answer.json()["errors"][0]["extensions"]["sqlstate"]),
        ("CONFLICT", &json!("23P01"))
    );
    let seeds = crate::harness::api(&prices(SEEDS_UPDATE)).await;
    raise(&seeds).await;
    assert_eq!(price(&seeds, "2024-06-01", "").await, json!(null), "the seed's form loses the price of the past");
}

#[tokio::test]
async fn seed_13_products_without_a_price_have_none() {
    let api = api(&prices(UPDATE)).await;
    let data = api.data("{ currentPrices(orderBy: [{productId: AscNullsLast}]) { productId price validFrom } }").await;
    assert_eq!(
        data["currentPrices"],
        json!([{"productId": HAMMER, "price": 10.00, "validFrom": "2024-01-01"},
               {"productId": NAIL, "price": null, "validFrom": null}])
    );
}

#[tokio::test]
async fn seed_14_events_add_up_to_what_is() {
    let order = "00000000-0000-4000-8000-0000000000aa";
    let with = |projection: &str| {
        format!(
            "{NAMES}
             create table events (id uuid primary key default gen_random_uuid(), stream_id uuid not null, stream_type text not null,
                event_type text not null, event_data jsonb not null, event_version int not null,
                created_at timestamptz not null default now(), unique (stream_id, event_version));
             insert into events (stream_id, stream_type, event_type, event_data, event_version) values
                ('{order}', 'Order', 'OrderCreated', '{{\"total\": 5}}', 1),
                ('{order}', 'Order', 'OrderShipped', '{{\"shipped_at\": \"d\"}}', 2),
                ('{order}', 'Order', 'OrderItemAdded', '{{\"sku\": \"a\"}}', 3);
             create function rebuild_order_projection(p_order_id uuid) returns jsonb language plpgsql stable as $$
                declare state jsonb := '{{}}'; event record;
                begin
                    for event in select event_type, event_data from events where stream_id = p_order_id order by event_version loop
                        state := case event.event_type
                            when 'OrderCreated' then event.event_data
                            when 'OrderItemAdded' then jsonb_set(state, '{{items}}',
                                coalesce(state -> 'items', '[]') || jsonb_build_array(event.event_data))
                            when 'OrderShipped' then state || jsonb_build_object('status', 'shipped',
                                'shipped_at', event.event_data ->> 'shipped_at')
                            else state || event.event_data end;
                    end loop;
                    return state;
                end $$;
             {projection}"
        )
    };
    // The newest event that says something about the status says it.
    let ours = "create materialized view mv_order_projections as
        select o.order_id, jsonb_build_object('__typename', 'Order', 'id', o.order_id, 'last_event', o.last_event,
            'status', coalesce(s.status, 'pending')) as data
        from (select distinct on (stream_id) stream_id as order_id, event_type as last_event from events
              where stream_type = 'Order' order by stream_id, event_version desc) as o
        left join lateral (select case event_type when 'OrderCancelled' then 'cancelled' when 'OrderShipped' then 'shipped'
                else 'delivered' end as status from events where stream_id = o.order_id
                and event_type in ('OrderCancelled', 'OrderShipped', 'OrderDelivered')
            order by event_version desc limit 1) as s on true;
        create unique index on mv_order_projections (order_id);
        grant select on mv_order_projections to anon, authenticated;";
    let api = crate::harness::api(&with(ours)).await;
    let data = api
        .data(&format!(
            "{{ rebuildOrderProjection(orderId: \"{order}\") orderProjections {{ __typename id status lastEvent }} }}"
        ))
        .await;
    let state: serde_json::Value = serde_json::from_str(data["rebuildOrderProjection"].as_str().unwrap()).unwrap();
    assert_eq!(state, json!({"total": 5, "items": [{"sku": "a"}], "status": "shipped", "shipped_at": "d"}));
    let shipped = json!([{"__typename": "Order", "id": order, "status": "shipped", "lastEvent": "OrderItemAdded"}]);
    assert_eq!(data["orderProjections"], shipped);
    let again = format!(
        "mutation {{ insertIntoEventsCollection(objects: [{{streamId: \"{order}\", streamType: \"Order\", eventType: \"OrderShipped\",
           eventData: \"{{}}\", eventVersion: 2}}]) {{ affectedCount }} }}"
    );
    let answer = api.ask(&again).await;
    assert_eq!(
        (answer.code().as_str(), &answer.json()["errors"][0]["extensions"]["sqlstate"]),
        ("CONFLICT", &json!("23505"))
    );
    // The seed takes the status from the last event, whatever that is about.
    let seeds = "select case event_type when 'OrderShipped' then 'shipped' else 'pending' end from events
        order by event_version desc limit 1";
    assert_eq!(api.value(seeds).await, "pending");
}
