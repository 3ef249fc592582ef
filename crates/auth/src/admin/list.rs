//! `GET /admin/users`: pages of accounts, with the fields by which clients turn them.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use serde_json::json;

use crate::caller::{Admin, Json, query_value};
use crate::error::{Error, Result};
use crate::store::users;
use crate::user::{self, AUTHENTICATED};

const PER_PAGE: u64 = 50;
const MOST_PER_PAGE: u64 = 1000;

pub(super) async fn list(admin: Admin, RawQuery(query): RawQuery) -> Result<Response> {
    let query = query.unwrap_or_default();
    let page = number(&query, "page", 1, u64::from(u32::MAX))?;
    let per_page = number(&query, "per_page", PER_PAGE, MOST_PER_PAGE)?;
    let filter = query_value(&query, "filter").unwrap_or_default();
    let oldest_first = query_value(&query, "sort").is_some_and(|sort| sort.ends_with("asc"));
    let mut tx = admin.flow.begin().await?;
    let total = users::count(&mut tx, &filter).await?;
    let (limit, offset) = (per_page as i64, ((page - 1) * per_page) as i64);
    let users = users::page(&mut tx, &filter, oldest_first, limit, offset).await?;
    tx.commit().await?;
    let users: Vec<_> = users.iter().map(user::user).collect();
    let mut response = Json(json!({"users": users, "aud": AUTHENTICATED})).into_response();
    let fields = [("x-total-count", total.to_string()), ("link", links(page, per_page, total))];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// A positive number; the empty text is the default, as clients send it.
fn number(query: &str, name: &'static str, default: u64, most: u64) -> Result<u64> {
    match query_value(query, name).as_deref() {
        None | Some("") => Ok(default),
        Some(text) => {
            let number = text.parse::<u64>().ok().filter(|number| *number > 0);
            let wrong = || Error::invalid(format!("Bad Pagination Parameters: {name} must be a positive number"));
            Ok(number.ok_or_else(wrong)?.min(most))
        }
    }
}

/// `page` is the first key: clients take what follows the first `=`.
fn links(page: u64, per_page: u64, total: u64) -> String {
    let last = total.div_ceil(per_page).max(1);
    let link = |page: u64, rel: &str| format!("</admin/users?page={page}&per_page={per_page}>; rel=\"{rel}\"");
    let mut links = Vec::new();
    if page < last {
        links.push(link(page + 1, "next"));
    }
    links.push(link(last, "last"));
    links.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_next_and_the_last_page() {
        let both = "</admin/users?page=2&per_page=50>; rel=\"next\", </admin/users?page=9&per_page=50>; rel=\"last\"";
        assert_eq!(links(1, 50, 401), both);
        assert_eq!(links(9, 50, 401), "</admin/users?page=9&per_page=50>; rel=\"last\"");
        assert_eq!(links(1, 50, 0), "</admin/users?page=1&per_page=50>; rel=\"last\"");
    }

    #[test]
    fn pages_are_positive_numbers() {
        assert_eq!(number("page=&per_page=", "page", 1, 10).unwrap(), 1);
        assert_eq!(number("page=3", "page", 1, 10).unwrap(), 3);
        assert_eq!(number("per_page=5000", "per_page", 50, 1000).unwrap(), 1000);
        assert!(number("page=-1", "page", 1, 10).is_err() && number("page=0", "page", 1, 10).is_err());
    }
}
