-- What sessions of this database do now, counted by what they wait for.
-- No parameters. Runs as the owner: of other roles' sessions it sees nothing but their number unless it is a member of
-- them, or of pg_read_all_stats. Own session left out. Works on PostgreSQL 14 and later.
select coalesce(state, 'hidden'),
       coalesce(wait_event_type, ''),
       coalesce(wait_event, ''),
       count(*)::text,
       coalesce(round(extract(epoch from max(now() - xact_start)), 3), 0)::text
from pg_stat_activity
where datname = current_database()
  and backend_type = 'client backend'
  and pid <> pg_backend_pid()
group by 1, 2, 3
order by count(*) desc, 1, 2, 3
