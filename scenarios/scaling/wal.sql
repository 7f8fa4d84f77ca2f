-- a mebibyte of WAL and not a byte of data
select pg_logical_emit_message(false, 'pgha', repeat('w', 1048576))
