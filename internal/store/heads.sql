-- name: heads
select {heads} from heads where chain = $1 and seq > $2 order by seq limit $3

-- name: head up to
select {heads} from heads where chain = $1 and seq <= $2 order by seq desc limit 1

-- name: put head
insert into heads ({heads}) values ({@heads}) on conflict do nothing

-- name: chain is signed
update chains set due = 0 where chain = @chain and seq = @seq
