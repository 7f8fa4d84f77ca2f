-- A question that takes some fifty milliseconds of a core.
select count(*) from generate_series(1, 400000);
