-- A code that was guessed at too often is dead; its link is not, and the row stays.
comment on column auth.one_time_tokens.tries is 'Wrong codes so far; after the fifth only the link is good.';
comment on column auth.one_time_tokens.drops_password is
    'Whose password it is nobody knows: it goes when the account is proved. Later mails do not save it.';
