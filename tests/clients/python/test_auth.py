"""supabase-py signing in at a running server whose addresses count as confirmed at once.

Environment: FERROBASE_URL, ANON_KEY, SERVICE_KEY. Table `todos`: everybody sees their own.
"""

import os
import uuid

import pytest
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

URL = os.environ["FERROBASE_URL"]
PASSWORD = "correct horse battery"


def client(key: str = "ANON_KEY") -> Client:
    return create_client(URL, os.environ[key], ClientOptions(auto_refresh_token=False, persist_session=False))


def address() -> str:
    return f"py-{uuid.uuid4()}@example.com"


def test_sign_up_work_and_sign_in_again():
    supabase, email = client(), address()
    signed_up = supabase.auth.sign_up({"email": email, "password": PASSWORD})
    assert signed_up.user.email == email
    row = supabase.table("todos").insert({"task": "first"}).execute().data[0]
    assert row["user_id"] == signed_up.user.id
    again = client()
    with pytest.raises(AuthApiError) as refused:
        again.auth.sign_in_with_password({"email": email, "password": "wrong"})
    assert (refused.value.status, refused.value.code) == (400, "invalid_credentials")
    again.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert again.table("todos").select("task").execute().data == [{"task": "first"}]


def test_a_refresh_gives_new_tokens():
    supabase = client()
    session = supabase.auth.sign_up({"email": address(), "password": PASSWORD}).session
    following = supabase.auth.refresh_session().session
    assert following.refresh_token != session.refresh_token
    assert supabase.auth.get_user().user.id == session.user.id


def test_administrators_make_and_delete_users():
    admin = client("SERVICE_KEY").auth.admin
    user = admin.create_user({"email": address(), "password": PASSWORD, "email_confirm": True}).user
    assert admin.get_user_by_id(user.id).user.email == user.email
    admin.delete_user(user.id)
    with pytest.raises(AuthApiError) as refused:
        admin.get_user_by_id(user.id)
    assert refused.value.code == "user_not_found"
