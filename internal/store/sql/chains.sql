-- name: records
select chain, seq, id, time, kind, sealed, prev, hash from records
where chain = $1 and seq > $2 order by seq limit $3

-- name: insert record
insert into records (chain, seq, id, time, kind, sealed, prev, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: take chain
insert into chains (chain, seq, hash, time) values ($1, 0, $2, 0)
on conflict (chain) do update set seq = chains.seq returning seq, hash, time

-- name: move chain
update chains set seq = $2, hash = $3, time = $4 where chain = $1

-- name: chain end
select chain, seq, hash, time from chains where chain = $1

-- name: unsigned chains
select chain, seq, hash, time from chains c
where seq > 0 and not exists (select 1 from heads h where h.chain = c.chain and h.seq = c.seq)
order by chain limit $1

-- name: newest time
select coalesce(max(time), 0) from chains

-- name: heads
select chain, seq, hash, time, public_key, signature from heads where chain = $1 and seq > $2 order by seq limit $3

-- name: put head
insert into heads (chain, seq, hash, time, public_key, signature) values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
