-- name: chain end
select {chains} from chains where chain = $1

-- name: unsigned chains
select {chains} from chains c
where seq > 0 and not exists (select 1 from heads h where h.chain = c.chain and h.seq = c.seq)
order by chain limit $1

-- name: grown chains
select {chains} from chains where time >= $1 order by time, chain limit 1000

-- name: newest time
select coalesce(max(time), 0) from chains

-- name: newest chain
select {chains} from chains order by time desc, chain limit 1

-- name: lower times
update chains set time = $1 where time > $1

-- name: take chain
insert into chains ({chains}) values ($1, 0, $2, 0)
on conflict (chain) do update set seq = chains.seq returning {chains}

-- name: move chain
update chains set seq = @seq, hash = @hash, time = @time where chain = @chain

-- name: move chain nowhere
update chains set seq = seq where chain = $1
