-- What a server is and how far it is.
-- Columns: whether it is a standby; how far it has replayed, or written on a primary; how far it has received, or made
-- durable on a primary; its timeline; the identity of its cluster; what tells whether it is a server that is known by
-- another name: when it was started, and the address and port at which it was reached.
-- A standby's timeline is that of its receiver, which only members of pg_read_all_stats see; otherwise the later of the
-- two that its control file knows, which may be behind for some minutes after a failover.
-- Privileges: none. Oldest PostgreSQL: 14.
select here.is_standby,
       case when here.is_standby then coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0')
            else pg_catalog.pg_current_wal_insert_lsn() end,
       case when here.is_standby then coalesce(pg_catalog.pg_last_wal_receive_lsn(), '0/0')
            else pg_catalog.pg_current_wal_flush_lsn() end,
       case when here.is_standby
            then coalesce(
                (select r.received_tli from pg_catalog.pg_stat_get_wal_receiver() as r
                  where r.status operator(pg_catalog.=) 'streaming'),
                greatest((select c.timeline_id from pg_catalog.pg_control_checkpoint() as c),
                         (select c.min_recovery_end_timeline from pg_catalog.pg_control_recovery() as c)))
            else ('x'::pg_catalog.text operator(pg_catalog.||) pg_catalog.substr(
                     pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)
                 )::pg_catalog.bit(32)::pg_catalog.int4 end,
       (select c.system_identifier from pg_catalog.pg_control_system() as c),
       -- In seconds: how a time is written depends on the session.
       pg_catalog.concat_ws(' ', extract(epoch from pg_catalog.pg_postmaster_start_time()), pg_catalog.inet_server_addr(),
                            pg_catalog.inet_server_port())
  from (select pg_catalog.pg_is_in_recovery()) as here(is_standby)
