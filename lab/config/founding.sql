-- run once, by the member that founds the cluster
SET log_min_error_statement = panic; -- the password must not reach a log
CREATE ROLE pgha LOGIN PASSWORD {{application-password}};
CREATE DATABASE pgha OWNER pgha;
-- Patroni makes the slots of the other members one turn of its loop later; a replica that is
-- quicker than that would wait for the slot, and retry every five seconds only
SELECT pg_create_physical_replication_slot(slot, true) FROM unnest({{slots}}::text[]) AS slot;
\connect pgha
-- what the runner's write probes write, one row a member
CREATE TABLE pgha_probe (member text PRIMARY KEY, at timestamptz NOT NULL);
ALTER TABLE pgha_probe OWNER TO pgha;
