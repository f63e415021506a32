-- name: grown chains
select chain, seq, hash, time from chains where time >= $1 order by time, chain limit 1000
