-- name: chain end
select {chains} from chains where chain = $1

-- name: unsigned chains
select {chains} from chains
where due > 0 and (due, chain) > ($1, $2) order by due, chain limit $3

-- name: grown chains
select {chains} from chains where grown >= $1 and time >= $2 order by grown, time, chain limit 1000

-- name: newest time
select coalesce(max(time), 0) from chains where grown = (select max(grown) from chains)

-- name: newest chain
select {chains} from chains where grown = (select max(grown) from chains) order by time desc, chain limit 1

-- name: lower times
update chains set time = $1, grown = $2 where grown >= $2 and time > $1

-- name: take chain
insert into chains ({chains}) values ($1, 0, $2, 0, 0, 0)
on conflict (chain) do update set seq = chains.seq returning {chains}

-- name: insert chain
insert into chains ({chains}) values ({@chains}) on conflict do nothing

-- name: move chain
update chains set seq = @seq, hash = @hash, time = @time where chain = @chain

-- name: move chain and time
update chains set seq = @seq, hash = @hash, time = @time, grown = @grown, due = @due where chain = @chain

-- name: move chain nowhere
update chains set seq = seq where chain = $1
