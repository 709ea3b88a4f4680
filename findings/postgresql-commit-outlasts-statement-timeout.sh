#!/usr/bin/env bash
# PostgreSQL 15.20 (Debian 12): statement_timeout is no bound for a commit that waits for a synchronous standby.
#
# One would guess that with statement_timeout = 1s no statement, a single INSERT that commits by itself among them, takes longer than a second
# or so, and that what is cancelled did not happen. Seen: the timeout is put off before the commit, so that the INSERT waits for the standby for as
# long as there is none; and when somebody cancels it after all, it does not fail: it ends as committed, with a WARNING, and the row is there.
# A client that has to know within a time needs a clock of its own, and has to take a commit with a warning as one of which it does not know whether it will last.
#
# Debian's package postgresql-15 has to be installed; the cluster is made in a temporary folder and removed.
set -euo pipefail
bin=/usr/lib/postgresql/15/bin
[ -x "$bin/postgres" ] || { echo "needs Debian's postgresql-15"; exit 2; }
work=$(mktemp -d)
as=()
if [ "$(id -u)" = 0 ]; then chown postgres "$work"; as=(runuser -u postgres --); fi
cd /
stop() { "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop > /dev/null 2>&1 || true; rm -rf "$work"; }
trap stop EXIT
ask() { "${as[@]}" "$bin/psql" -h "$work" -U tester -d postgres -AtX "$@"; }

"${as[@]}" "$bin/initdb" -D "$work/data" --auth=trust --username=tester > /dev/null
"${as[@]}" "$bin/pg_ctl" -w -D "$work/data" -l "$work/log" -o "-c listen_addresses= -c unix_socket_directories=$work" start > /dev/null
ask -q -c 'CREATE TABLE seen (what text)'
ask -q -c "ALTER SYSTEM SET synchronous_standby_names = 'one_that_is_away'"
ask -q -c 'SELECT pg_reload_conf()' > /dev/null
until [ "$(ask -c 'SHOW synchronous_standby_names')" = one_that_is_away ]; do sleep 0.1; done

timeout 30 "${as[@]}" "$bin/psql" -h "$work" -U tester -d postgres -X -c "SET statement_timeout = '1s'" -c "INSERT INTO seen VALUES ('one')" > "$work/said" 2>&1 &
client=$!
waits="SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'INSERT%'"
until [ "$(ask -c "$waits")" = 1 ]; do sleep 0.1; done
sleep 5
still=$(ask -c "$waits")
ask -q -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'INSERT%'" > /dev/null
status=0
wait "$client" || status=$?
rows=$(ask -c 'SELECT count(*) FROM seen')

"$bin/postgres" --version
echo "waiting after five times its statement_timeout: $still"
sed 's/^/it said: /' "$work/said"
echo "exit status of the cancelled client: $status; rows: $rows"
[ "$still" = 1 ] && [ "$status" = 0 ] && [ "$rows" = 1 ] && grep -q '^WARNING: *canceling wait for synchronous replication' "$work/said" && grep -q '^INSERT 0 1' "$work/said"
echo 'as described'
