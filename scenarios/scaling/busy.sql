-- Work for a core and nothing else: about twenty milliseconds of it.
select count(*) from generate_series(1, 150000);
